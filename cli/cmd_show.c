/* stoker show: what a saved state says, in words. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "state_text.h"

/* A state is small; what is larger is something else. */
enum { MAX_BYTES = 65536 };

static int read_file(const char *path, char text[MAX_BYTES + 1], size_t *n)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file)
        return cli_fail(CLI_BAD, "show", "%s: %s", path, strerror(errno));
    *n = fread(text, 1, MAX_BYTES, file);
    bool more = !feof(file) && getc(file) != EOF;
    bool broken = ferror(file);
    if (file != stdin)
        fclose(file);
    text[*n] = 0;
    if (broken || more || *n == 0)
        return cli_fail(CLI_BAD, "show", "%s: %s", path,
                        broken ? "cannot be read"
                        : more ? "too large for a state"
                               : "empty, so no state");
    return CLI_OK;
}

static void print_words(const stoker_cursor *cursor)
{
    static const char *const policies[] = {"raise", "mask", "refill"};
    double share = cursor->n_items > 0 ? 100 * (double)cursor->consumed /
                                             (double)cursor->n_items
                                       : 0;
    printf("epoch        %lld, counted from 0\n", (long long)cursor->epoch);
    printf("consumed     %lld of %lld samples, over all ranks (%.2f %%)\n",
           (long long)cursor->consumed, (long long)cursor->n_items, share);
    printf("order        %s, seed %llu, planner version %d%s\n",
           cursor->shuffle ? "shuffled" : "the folder's own",
           (unsigned long long)cursor->seed, cursor->planner_version,
           cursor->planner_version == STOKER_PLANNER_VERSION
               ? ""
               : " (this stoker has another and refuses it)");
    printf("data set     ");
    for (int i = 0; i < 16; i++)
        printf("%02x", cursor->fingerprint[i]);
    printf(" (its fingerprint)\n");
    printf("pixels       as Pillow %s\n",
           cursor->pixels == STOKER_PIXELS_PILLOW13 ? "13" : "up to 12.2");
    printf("transforms   hash %016llx\n",
           (unsigned long long)cursor->transforms_hash);
    if (cursor->on_error >= 0 && cursor->on_error < 3)
        printf("bad files    %s\n", policies[cursor->on_error]);
    printf("decoder      %s\n", cursor->decoder[0] ? cursor->decoder : "?");
    bool is_over = cursor->consumed == cursor->n_items;
    printf("\nA run that loads this goes on with sample %lld of epoch %lld, "
           "with any number of\nranks and any batch size.\n",
           (long long)(is_over ? 0 : cursor->consumed),
           (long long)cursor->epoch + is_over);
}

int cli_show(int argc, char **argv)
{
    struct cli_flags flags = {
        .command = "show",
        .operand = "STATE",
        .sentence = "Says in words what a saved state holds: a packed cursor "
                    "or its JSON twin\n(- reads it from the input)."};
    bool as_json = false;
    int status;
    cli_switch(&flags, "json", &as_json, "as JSON");
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    char *text = malloc(MAX_BYTES + 1);
    size_t n = 0;
    stoker_cursor cursor = {.size = sizeof(cursor)};
    stoker_error err;
    status = text ? read_file(flags.operand_value, text, &n)
                  : cli_fail(CLI_BAD, "show", "out of memory");
    if (status == CLI_OK) {
        bool is_json =
            text[strspn(text, " \t\r\n")] == '{' && strlen(text) == n;
        int rc = is_json ? state_text_read(&cursor, text, &err)
                         : stoker_cursor_unpack(&cursor, text, n, &err);
        if (rc != 0)
            status = cli_fail(CLI_BAD, "show", "%s: %s", flags.operand_value,
                              err.text);
    }
    free(text);
    if (status == CLI_OK && as_json)
        state_text_write(&cursor);
    else if (status == CLI_OK)
        print_words(&cursor);
    return status;
}
