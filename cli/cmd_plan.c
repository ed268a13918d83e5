/* stoker plan: which ids and paths a rank gets, and when, without reading an
 * image. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeding.h"

struct listing {
    struct feed feed;
    int64_t epoch, consumed, count;
    bool dropped;
    int64_t *ids; /* of one batch */
    size_t n_ids;
    int64_t printed;
};

static void print_rows(struct listing *list, int64_t step, size_t n)
{
    for (size_t row = 0; row < n; row++) {
        if (list->count && list->printed == list->count)
            return;
        int64_t id = list->ids[row];
        printf("%lld\t%zu\t%lld\t%lld\t", (long long)step, row, (long long)id,
               id < 0 ? -100LL
                      : (long long)stoker_dataset_label(list->feed.ds, id));
        feed_put_path(stdout, &list->feed, id);
        putchar('\n');
        list->printed++;
    }
}

static int print_steps(struct listing *list)
{
    stoker_error err;
    int64_t n_items = stoker_dataset_count(list->feed.ds);
    for (int64_t step = 0; !list->count || list->printed < list->count;
         step++) {
        size_t n = 0;
        int rc = stoker_plan_ids(&list->feed.options, n_items, list->epoch,
                                 list->consumed, step, list->ids, list->n_ids,
                                 &n, &err);
        if (rc < 0)
            return cli_fail(CLI_BAD, "plan", "%s", err.text);
        if (step == 0)
            puts("step\trow\tid\tlabel\tpath");
        if (rc == STOKER_END)
            break;
        print_rows(list, step, n);
    }
    return CLI_OK;
}

/* What is behind the last whole step: the first step of one rank that takes
 * the epoch up there and drops nothing. */
static int print_dropped(struct listing *list)
{
    stoker_error err;
    stoker_options tail = list->feed.options;
    int64_t n_items = stoker_dataset_count(list->feed.ds);
    int64_t steps = stoker_plan_steps(&tail, n_items, list->consumed, &err);
    if (steps < 0)
        return cli_fail(CLI_BAD, "plan", "%s", err.text);
    int64_t from = list->consumed + steps * feed_step_samples(&list->feed);
    size_t n = 0, room = (size_t)(n_items - from);
    int64_t *ids = calloc(room + 1, sizeof(*ids));
    if (!ids)
        return cli_fail(CLI_BAD, "plan", "out of memory");
    tail.global_batch_size = feed_step_samples(&list->feed);
    tail.drop_last = tail.rank = 0;
    tail.world_size = 1;
    int rc = stoker_plan_ids(&tail, n_items, list->epoch, from, 0, ids, room,
                             &n, &err);
    if (rc >= 0)
        puts("id\tlabel\tpath");
    if (list->count && n > (size_t)list->count)
        n = (size_t)list->count;
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        printf("%lld\t%lld\t", (long long)ids[i],
               (long long)stoker_dataset_label(list->feed.ds, ids[i]));
        feed_put_path(stdout, &list->feed, ids[i]);
        putchar('\n');
    }
    free(ids);
    return rc < 0 ? cli_fail(CLI_BAD, "plan", "%s", err.text) : CLI_OK;
}

static void describe(struct cli_flags *flags, struct listing *list)
{
    struct feed *feed = &list->feed;
    cli_seed(flags, &feed->seed);
    cli_int(flags, "epoch", "E", &list->epoch, 0, INT64_MAX, "[0]");
    cli_int(flags, "rank", "R", &feed->rank, 0, INT32_MAX - 1, "[0]");
    cli_int(flags, "world", "W", &feed->world, 1, 1 << 20, "ranks [1]");
    cli_int(flags, "batch", "N", &feed->batch_size, 1, 1 << 20,
            "rows a batch and rank, the same as --batch-size [64]");
    cli_int(flags, "batch-size", "N", &feed->batch_size, 1, 1 << 20, "[64]");
    feed_global_flag(flags, feed);
    cli_int(flags, "consumed", "N", &list->consumed, 0, INT64_MAX,
            "samples of the epoch that are done, over all ranks [0]");
    cli_int(flags, "count", "N", &list->count, 1, INT64_MAX,
            "at most N rows [all]");
    cli_switch(flags, "no-shuffle", &feed->no_shuffle,
               "the folder's own order");
    cli_switch(flags, "drop-last", &feed->drop_last,
               "leave an incomplete last batch out");
    cli_switch(flags, "dropped", &list->dropped,
               "list what --drop-last leaves out instead");
}

int cli_plan(int argc, char **argv)
{
    struct listing list = {.epoch = 0};
    struct cli_flags flags = {
        .command = "plan",
        .operand = "FOLDER",
        .sentence = "Lists the ids and paths that a rank will get, without "
                    "reading an image.",
        .more = "Prints a line a row: step, row, id, label, path, with tabs "
                "between; padding\nrows have id -1."};
    int status;
    feed_init(&list.feed);
    describe(&flags, &list);
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    if (list.dropped)
        list.feed.drop_last = true;
    feed_settle(&list.feed);
    status = feed_open_folder(&list.feed, "plan", flags.operand_value);
    /* A rank's rows of a step, rounded up. */
    list.n_ids =
        (size_t)((feed_step_samples(&list.feed) - 1) / list.feed.world + 1);
    list.ids = calloc(list.n_ids, sizeof(*list.ids));
    if (status == CLI_OK && !list.ids)
        status = cli_fail(CLI_BAD, "plan", "out of memory");
    if (status == CLI_OK)
        status = list.dropped ? print_dropped(&list) : print_steps(&list);
    free(list.ids);
    feed_close(&list.feed);
    return status;
}
