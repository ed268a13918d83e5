/* stoker replay: the very batch of a run, as PNG files and an index. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeding.h"
#include "png_file.h"

struct replay {
    struct feed feed;
    int64_t epoch, batch, consumed;
    const char *out;
};

/* A batch's tensors, on the host, pixels as u8 NHWC. */
struct view {
    stoker_tensor image, label, id, valid, window, flip;
};

static int look(const stoker_batch *batch, struct view *view)
{
    struct {
        const char *name;
        stoker_tensor *to;
    } all[] = {{"image", &view->image},   {"label", &view->label},
               {"id", &view->id},         {"valid", &view->valid},
               {"window", &view->window}, {"flip", &view->flip}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        all[i].to->size = sizeof(stoker_tensor);
        if (stoker_batch_tensor(batch, all[i].name, all[i].to) != 0)
            return cli_fail(CLI_BAD, "replay", "the batch has no %s",
                            all[i].name);
    }
    return CLI_OK;
}

static void put_row(FILE *index, const struct replay *replay,
                    const struct view *view, size_t row, const char *file)
{
    int64_t id = ((const int64_t *)view->id.data)[row];
    const int32_t *window = (const int32_t *)view->window.data + row * 4;
    unsigned flip = ((const uint8_t *)view->flip.data)[row];
    fprintf(index, "%zu\t%lld\t%lld\t%d\t%d\t%d\t%d\t%d\t%u\t%s\t", row,
            (long long)id, (long long)((const int64_t *)view->label.data)[row],
            ((const uint8_t *)view->valid.data)[row], window[0], window[1],
            window[2], window[3], flip, file);
    feed_put_path(index, &replay->feed, id);
    fputc('\n', index);
}

static int write_batch(const struct replay *replay, const stoker_batch *batch)
{
    struct view view;
    char path[4200];
    if (look(batch, &view) != CLI_OK ||
        cli_make_folder("replay", replay->out) != CLI_OK)
        return CLI_BAD;
    snprintf(path, sizeof(path), "%s/index.tsv", replay->out);
    FILE *index = fopen(path, "w");
    if (!index)
        return cli_fail(CLI_BAD, "replay", "%s: %s", path, strerror(errno));
    fputs("row\tid\tlabel\tvalid\ttop\tleft\theight\twidth\tflip\tfile\tpath\n",
          index);
    size_t n_rows = (size_t)view.image.shape[0];
    int rc = 0;
    for (size_t row = 0; row < n_rows && rc == 0; row++) {
        char file[64];
        int64_t id = ((const int64_t *)view.id.data)[row];
        snprintf(file, sizeof(file), "row%05zu_id%lld.png", row, (long long)id);
        snprintf(path, sizeof(path), "%s/%s", replay->out, file);
        rc = png_file_write(path,
                            (const uint8_t *)view.image.data +
                                row * (size_t)view.image.strides[0],
                            (size_t)view.image.shape[2],
                            (size_t)view.image.shape[1]);
        put_row(index, replay, &view, row, file);
    }
    bool is_torn = ferror(index);
    is_torn |= fclose(index) != 0;
    if (rc != 0)
        return cli_fail(CLI_BAD, "replay", "%s: %s", path, strerror(-rc));
    if (is_torn)
        return cli_fail(CLI_BAD, "replay", "%s/index.tsv: %s", replay->out,
                        strerror(errno));
    printf("wrote %zu rows of epoch %lld, batch %lld, and index.tsv to %s\n",
           n_rows, (long long)replay->epoch, (long long)replay->batch,
           replay->out);
    return CLI_OK;
}

static int play(struct replay *replay)
{
    stoker_error err;
    stoker_cursor cursor = {.size = sizeof(cursor)};
    stoker_batch *batch;
    stoker_loader_cursor(replay->feed.loader, &cursor);
    cursor.epoch = replay->epoch;
    if (__builtin_mul_overflow(replay->batch, feed_step_samples(&replay->feed),
                               &cursor.consumed) ||
        __builtin_add_overflow(cursor.consumed, replay->consumed,
                               &cursor.consumed))
        return cli_fail(CLI_BAD, "replay", "batch %lld is not in the epoch",
                        (long long)replay->batch);
    if (stoker_loader_seek(replay->feed.loader, &cursor, &err) != 0)
        return cli_fail(CLI_BAD, "replay", "batch %lld: %s",
                        (long long)replay->batch, err.text);
    int rc = stoker_loader_next(replay->feed.loader, &batch, -1, &err);
    if (rc == STOKER_END)
        return cli_fail(CLI_BAD, "replay",
                        "batch %lld lies behind the epoch's last",
                        (long long)replay->batch);
    if (rc != 0)
        return cli_fail(CLI_BAD, "replay", "%s", err.text);
    int status = write_batch(replay, batch);
    stoker_batch_release(batch);
    return status;
}

static int run(struct replay *replay, const char *folder)
{
    int status = feed_open_folder(&replay->feed, "replay", folder);
    if (status == CLI_OK)
        status = feed_open_loader(&replay->feed, "replay");
    if (status == CLI_OK)
        status = play(replay);
    feed_close(&replay->feed);
    return status;
}

int cli_replay(int argc, char **argv)
{
    struct replay replay = {.epoch = 0};
    struct cli_flags flags = {
        .command = "replay",
        .operand = "FOLDER",
        .sentence = "Writes the very batch of a run as PNG files, one a row, "
                    "with an index of\nlabels, windows, flips and paths.",
        .more = "Give the options that the run had; --batch counts a rank's "
                "batches from 0,\nthe epoch's or, with --consumed, those "
                "since the resume.  A run with other\ntransforms than train "
                "or val's: loader.replay() in Python."};
    int status;
    feed_init(&replay.feed);
    cli_int(&flags, "epoch", "E", &replay.epoch, 0, INT64_MAX, "[0]");
    cli_int(&flags, "batch", "B", &replay.batch, 0, INT64_MAX, "[0]");
    cli_int(&flags, "consumed", "N", &replay.consumed, 0, INT64_MAX,
            "samples of the epoch that were done when the run resumed [0]");
    cli_text(&flags, "o", "DIR", &replay.out, "where to write, new or empty");
    feed_batch_flags(&flags, &replay.feed);
    feed_global_flag(&flags, &replay.feed);
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    if (!replay.out)
        return cli_fail(CLI_USAGE, "replay", "-o DIR is missing");
    replay.feed.options.layout = STOKER_NHWC;
    replay.feed.options.dtype = STOKER_U8;
    return run(&replay, flags.operand_value);
}
