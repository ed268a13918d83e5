/* Command lines: reads flags by a command's table, prints its help from the
 * same table, and hints where a word is nearly right. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void cli_put_line(FILE *out, const char *text)
{
    static const char special[] = "\n\r\t\\", letters[] = "nrt\\";

    for (; *text; text++) {
        const char *found = strchr(special, *text);
        if (found)
            fprintf(out, "\\%c", letters[found - special]);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            fprintf(out, "\\x%02x", *text);
        else
            fputc(*text, out);
    }
}

int cli_fail(int status, const char *command, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    fprintf(stderr, "stoker%s%s: ", command[0] ? " " : "", command);
    cli_put_line(stderr, text ? text : "out of memory");
    fputc('\n', stderr);
    free(text);
    return status;
}

int cli_make_folder(const char *command, const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return cli_fail(CLI_BAD, command, "%s: %s", path, strerror(errno));
    DIR *folder = opendir(path);
    if (!folder)
        return cli_fail(CLI_BAD, command, "%s: %s", path, strerror(errno));
    bool is_empty = true;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            is_empty = false;
    closedir(folder);
    if (!is_empty)
        return cli_fail(CLI_BAD, command, "%s is not empty", path);
    return CLI_OK;
}

static struct cli_flag *add(struct cli_flags *flags, enum cli_kind kind,
                            const char *name, void *to, const char *help)
{
    if (flags->n == CLI_FLAGS_MAX)
        abort();
    struct cli_flag *flag = &flags->list[flags->n++];
    *flag =
        (struct cli_flag){.name = name, .help = help, .kind = kind, .to = to};
    return flag;
}

void cli_switch(struct cli_flags *flags, const char *name, bool *to,
                const char *help)
{
    add(flags, CLI_SWITCH, name, to, help);
}

void cli_int(struct cli_flags *flags, const char *name, const char *value,
             int64_t *to, int64_t min, int64_t max, const char *help)
{
    struct cli_flag *flag = add(flags, CLI_INT, name, to, help);
    flag->value = value;
    flag->min = min;
    flag->max = max;
}

void cli_seed(struct cli_flags *flags, uint64_t *to)
{
    add(flags, CLI_SEED, "seed", to, "0 ... 2^64 - 1 [0]")->value = "S";
}

void cli_real(struct cli_flags *flags, const char *name, const char *value,
              double *to, int64_t max, const char *help)
{
    struct cli_flag *flag = add(flags, CLI_REAL, name, to, help);
    flag->value = value;
    flag->max = max;
}

void cli_text(struct cli_flags *flags, const char *name, const char *value,
              const char **to, const char *help)
{
    add(flags, CLI_TEXT, name, to, help)->value = value;
}

void cli_word(struct cli_flags *flags, const char *name, const char *value,
              int32_t *to, const struct cli_word *words, const char *help)
{
    struct cli_flag *flag = add(flags, CLI_WORD, name, to, help);
    flag->value = value;
    flag->words = words;
}

void cli_rehelp(struct cli_flags *flags, const char *name, const char *help)
{
    for (int i = 0; i < flags->n; i++)
        if (strcmp(flags->list[i].name, name) == 0)
            flags->list[i].help = help;
}

const char *cli_word_of(const struct cli_word *words, int32_t value)
{
    for (; words->word; words++)
        if (words->value == value)
            return words->word;
    return "?";
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, in which two letters that changed places count
 * once; words longer than 31 are far from everything. */
static int distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    int cost[32][32];
    if (n > 31 || m > 31)
        return 99;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = (int)(i + j);
                continue;
            }
            int best = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = least(best, cost[i - 1][j] + 1);
            best = least(best, cost[i][j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, cost[i - 2][j - 2] + 1);
            cost[i][j] = best;
        }
    }
    return cost[n][m];
}

const char *cli_nearest(const char *typed, const char *const *words, int n)
{
    int length = (int)strlen(typed), best = length < 4 ? 2 : 1 + length / 3;
    const char *nearest = NULL;
    for (int i = 0; i < n; i++) {
        int far = distance(typed, words[i]);
        bool begins =
            length >= 3 && strncmp(typed, words[i], (size_t)length) == 0;
        if (begins)
            far = 0;
        if (far < best) {
            best = far;
            nearest = words[i];
        }
    }
    return nearest;
}

static void print_help(const struct cli_flags *flags)
{
    printf("usage: stoker %s", flags->command);
    if (flags->operand)
        printf(flags->optional ? " [%s]" : " %s", flags->operand);
    printf(" [options]\n\n%s\n\noptions:\n", flags->sentence);
    for (int i = 0; i < flags->n; i++) {
        const struct cli_flag *flag = &flags->list[i];
        char left[64];
        snprintf(left, sizeof(left), "%s%s%s%s", flag->name[1] ? "--" : "-",
                 flag->name, flag->value ? " " : "",
                 flag->value ? flag->value : "");
        printf("  %-28s %s\n", left, flag->help);
    }
    printf("  %-28s %s\n", "--help", "this text");
    if (flags->more)
        printf("\n%s\n", flags->more);
    printf("\nexit codes: 0 done, 1 it failed or found something bad, "
           "2 not understood\n");
}

static int unknown(const struct cli_flags *flags, const char *typed)
{
    const char *names[CLI_FLAGS_MAX + 1];
    for (int i = 0; i < flags->n; i++)
        names[i] = flags->list[i].name;
    names[flags->n] = "help";
    const char *bare = typed + strspn(typed, "-");
    char cut[32];
    snprintf(cut, sizeof(cut), "%.*s", (int)strcspn(bare, "="), bare);
    const char *near = cli_nearest(cut, names, flags->n + 1);
    if (near)
        return cli_fail(CLI_USAGE, flags->command,
                        "unknown option %s (did you mean %s%s?)", typed,
                        near[1] ? "--" : "-", near);
    return cli_fail(CLI_USAGE, flags->command,
                    "unknown option %s (stoker %s --help lists them)", typed,
                    flags->command);
}

static int read_int(const struct cli_flags *flags, const struct cli_flag *flag,
                    const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != 0)
        return cli_fail(CLI_USAGE, flags->command,
                        "--%s wants a whole number, not '%s'", flag->name,
                        text);
    if (errno == ERANGE || value < flag->min || value > flag->max)
        return cli_fail(CLI_USAGE, flags->command,
                        "--%s is %s, but must lie in %lld ... %lld", flag->name,
                        text, (long long)flag->min, (long long)flag->max);
    *(int64_t *)flag->to = value;
    return 0;
}

/* All 64 bits: strtoull would take a minus sign. */
static int read_seed(const struct cli_flags *flags, const struct cli_flag *flag,
                     const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno == ERANGE)
        return cli_fail(CLI_USAGE, flags->command,
                        "--%s wants a whole number in 0 ... 2^64 - 1, not '%s'",
                        flag->name, text);
    *(uint64_t *)flag->to = value;
    return 0;
}

static int read_real(const struct cli_flags *flags, const struct cli_flag *flag,
                     const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != 0 || !isfinite(value) || value < 0 ||
        value > (double)flag->max)
        return cli_fail(CLI_USAGE, flags->command,
                        "--%s wants a number in 0 ... %lld, not '%s'",
                        flag->name, (long long)flag->max, text);
    *(double *)flag->to = value;
    return 0;
}

static int read_word(const struct cli_flags *flags, const struct cli_flag *flag,
                     const char *text)
{
    const char *names[16];
    int n = 0;
    for (; flag->words[n].word && n < 16; n++) {
        names[n] = flag->words[n].word;
        if (strcmp(names[n], text) == 0) {
            *(int32_t *)flag->to = flag->words[n].value;
            return 0;
        }
    }
    const char *near = cli_nearest(text, names, n);
    return cli_fail(CLI_USAGE, flags->command,
                    "--%s is one of %s, not '%s'%s%s%s", flag->name,
                    flag->value, text, near ? " (did you mean " : "",
                    near ? near : "", near ? "?)" : "");
}

static int read_value(const struct cli_flags *flags,
                      const struct cli_flag *flag, const char *text)
{
    switch (flag->kind) {
    case CLI_INT:
        return read_int(flags, flag, text);
    case CLI_SEED:
        return read_seed(flags, flag, text);
    case CLI_REAL:
        return read_real(flags, flag, text);
    case CLI_WORD:
        return read_word(flags, flag, text);
    case CLI_TEXT:
        if (text[0] == 0)
            return cli_fail(CLI_USAGE, flags->command,
                            "%s%s is empty, but wants a value, %s",
                            flag->name[1] ? "--" : "-", flag->name,
                            flag->value);
        *(const char **)flag->to = text;
        return 0;
    case CLI_SWITCH:
        break;
    }
    return cli_fail(CLI_USAGE, flags->command, "--%s takes no value",
                    flag->name);
}

static struct cli_flag *find(struct cli_flags *flags, const char *word)
{
    bool two = word[1] == '-';
    const char *bare = word + (two ? 2 : 1);
    size_t length = strcspn(bare, "=");
    for (int i = 0; i < flags->n; i++) {
        const char *name = flags->list[i].name;
        bool letter = name[1] == 0;
        if (strlen(name) == length && strncmp(name, bare, length) == 0 &&
            letter != two)
            return &flags->list[i];
    }
    return NULL;
}

/* One flag at argv[*i]; takes the next word too where it is the value. */
static int take_flag(struct cli_flags *flags, int argc, char **argv, int *i)
{
    struct cli_flag *flag = find(flags, argv[*i]);
    if (!flag)
        return unknown(flags, argv[*i]);
    const char *equals = strchr(argv[*i], '=');
    if (equals)
        return read_value(flags, flag, equals + 1);
    if (flag->kind == CLI_SWITCH) {
        *(bool *)flag->to = true;
        return 0;
    }
    if (*i + 1 == argc)
        return cli_fail(CLI_USAGE, flags->command, "%s wants a value, %s",
                        argv[*i], flag->value);
    return read_value(flags, flag, argv[++*i]);
}

bool cli_parse(struct cli_flags *flags, int argc, char **argv, int *status)
{
    bool only_operands = false;
    *status = 0;
    for (int i = 1; i < argc && *status == 0; i++) {
        const char *word = argv[i];
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands &&
                   (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            print_help(flags);
            return false;
        } else if (!only_operands && word[0] == '-' && word[1] != 0) {
            *status = take_flag(flags, argc, argv, &i);
        } else if (!flags->operand || flags->operand_value) {
            *status = cli_fail(CLI_USAGE, flags->command,
                               "'%s' is one word too many", word);
        } else {
            flags->operand_value = word;
        }
    }
    const char *operand = flags->operand_value;
    if (*status == 0 && flags->operand &&
        (operand ? operand[0] == 0 : !flags->optional))
        *status = cli_fail(CLI_USAGE, flags->command,
                           "%s is %s (stoker %s --help)", flags->operand,
                           operand ? "empty" : "missing", flags->command);
    return *status == 0;
}
