/* What the commands share: exit codes, flags, and how to say that something
 * is wrong.  The tool sees nothing of the library but stoker.h. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stoker/stoker.h>

/* Exit codes of every command. */
enum {
    CLI_OK = 0,
    CLI_BAD = 1,   /* it failed, or it looked for bad things and found some */
    CLI_USAGE = 2, /* the command line is not understood */
};

struct cli_word {
    const char *word;
    int32_t value;
};

enum cli_kind { CLI_SWITCH, CLI_INT, CLI_SEED, CLI_REAL, CLI_TEXT, CLI_WORD };

struct cli_flag {
    const char *name;  /* without dashes; one letter: -o */
    const char *value; /* how the value is called in the help, or NULL */
    const char *help;
    enum cli_kind kind;
    void *to; /* bool, int64_t, double, const char * or int32_t */
    int64_t min, max;
    const struct cli_word *words; /* ends with a NULL word */
};

#define CLI_FLAGS_MAX 48

/* A command's flags and operands, filled before cli_parse(). */
struct cli_flags {
    const char *command;  /* "bench" */
    const char *operand;  /* "FOLDER", or NULL: none is taken */
    const char *sentence; /* what the command does */
    const char *more;     /* further lines of the help, or NULL */
    bool optional;        /* the operand may be missing */
    const char *operand_value;
    struct cli_flag list[CLI_FLAGS_MAX];
    int n;
};

void cli_switch(struct cli_flags *flags, const char *name, bool *to,
                const char *help);
void cli_int(struct cli_flags *flags, const char *name, const char *value,
             int64_t *to, int64_t min, int64_t max, const char *help);
/* --seed, all 64 bits. */
void cli_seed(struct cli_flags *flags, uint64_t *to);
void cli_real(struct cli_flags *flags, const char *name, const char *value,
              double *to, int64_t max, const char *help);
void cli_text(struct cli_flags *flags, const char *name, const char *value,
              const char **to, const char *help);
void cli_word(struct cli_flags *flags, const char *name, const char *value,
              int32_t *to, const struct cli_word *words, const char *help);

/* Another help for an option whose default differs in this command. */
void cli_rehelp(struct cli_flags *flags, const char *name, const char *help);

/* Reads argv[1...]; argv[0] is the command.
 * Returns true, or false with the code to exit with in *status (0 where the
 * help was asked for). */
bool cli_parse(struct cli_flags *flags, int argc, char **argv, int *status);

/* The word of a value, or "?". */
const char *cli_word_of(const struct cli_word *words, int32_t value);

/* Text as one line that no file's name can break: newlines, carriage returns,
 * tabs and backslashes as \n, \r, \t and \\, other controls as \x1b. */
void cli_put_line(FILE *out, const char *text);

/* "stoker COMMAND: text" on the error stream; returns status. */
int cli_fail(int status, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes a folder to write to; refuses one that holds anything, which would be
 * taken for what is written.  Returns an exit code. */
int cli_make_folder(const char *command, const char *path);

/* The nearest of n words to what was typed, or NULL where none is near. */
const char *cli_nearest(const char *typed, const char *const *words, int n);

/* Seconds of a clock that never goes back. */
double cli_seconds(void);

/* When the process began to run main, by the same clock. */
extern double cli_began;

int cli_bench(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_replay(int argc, char **argv);
int cli_scan(int argc, char **argv);
int cli_sheet(int argc, char **argv);
int cli_show(int argc, char **argv);
int cli_synth(int argc, char **argv);

#endif
