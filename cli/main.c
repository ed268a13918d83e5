/* The stoker command: finds the command and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

double cli_began;

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"bench", cli_bench, "measure how fast a folder of photos becomes batches"},
    {"doctor", cli_doctor, "say what this machine offers and what is missing"},
    {"plan", cli_plan, "list the ids and paths to come, without reading"},
    {"replay", cli_replay, "write the very batch of a run as PNG files"},
    {"scan", cli_scan, "check every image of a folder"},
    {"sheet", cli_sheet, "draw one batch as a contact sheet"},
    {"show", cli_show, "say in words what a saved state holds"},
    {"synth", cli_synth, "make a folder of photos to try things on"},
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(void)
{
    puts("usage: stoker COMMAND [options]\n\n"
         "Keeps a GPU fed: decodes and augments photos into batches.\n\n"
         "commands:");
    for (int i = 0; i < N_COMMANDS; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    puts("\n  --version  the library's version\n"
         "  --help     this text; stoker COMMAND --help for a command's\n\n"
         "exit codes: 0 done, 1 it failed or found something bad, 2 not "
         "understood");
}

/* argv[0] is the command's name. */
static int run_command(int argc, char **argv)
{
    const char *names[N_COMMANDS], *word = argv[0];

    for (int i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(word, names[i]) == 0)
            return commands[i].run(argc, argv);
    }
    const char *near = cli_nearest(word, names, N_COMMANDS);
    if (near)
        return cli_fail(CLI_USAGE, "", "no command '%s' (did you mean %s?)",
                        word, near);
    return cli_fail(CLI_USAGE, "", "no command '%s' (stoker --help lists them)",
                    word);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help();
        return CLI_USAGE;
    }
    const char *word = argv[1];
    bool is_help = strcmp(word, "help") == 0;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        (is_help && argc == 2)) {
        print_help();
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0) {
        printf("stoker %s\n", stoker_version());
        return CLI_OK;
    }
    if (is_help) {
        char help[] = "--help", *asked[] = {argv[2], help, NULL};
        return run_command(2, asked);
    }
    return run_command(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    cli_began = cli_seconds();
    int status = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return cli_fail(status == CLI_OK ? CLI_BAD : status, "",
                    "the output cannot be written: %s", strerror(errno));
}
