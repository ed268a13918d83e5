/* A training run in C: a small network learns the classes of a folder, saves
 * itself and its place in the data after each epoch or on request, and goes
 * on from there with the very losses of a run that never stopped. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "stoker/stoker.h"

enum { SIDE = 32, N_IN = 3 * SIDE * SIDE, N_HIDDEN = 64 };

static const char usage[] =
    "usage: train FOLDER [--check FOLDER] [--epochs N] [--batch-size N]\n"
    "             [--seed N] [--workers N] [--rate X] [--log FILE]\n"
    "             [--checkpoint FILE] [--stop-after STEPS]\n"
    "\n"
    "Learns the classes of FOLDER (one sub-folder a class).  Each epoch ends\n"
    "with its loss and the accuracy on the folder of --check, else on FOLDER\n"
    "itself.  An existing checkpoint is resumed.  --stop-after writes the\n"
    "checkpoint in the middle and ends; --log gets each step's loss.\n";

struct arguments {
    const char *folder, *check, *checkpoint, *log;
    int64_t n_epochs, batch_size, stop_after;
    uint64_t seed;
    int n_workers;
    float rate;
};

/* All that a run is, and all that a checkpoint saves of it. */
struct run {
    struct arguments args;
    stoker_dataset *dataset;
    stoker_loader *loader;
    struct net net;
    FILE *log;
    struct progress {
        char magic[8];
        int64_t n_weights;
        int64_t step;    /* of the whole run */
        int64_t n_seen;  /* rows of the epoch so far */
        double sum_loss; /* of these rows */
        uint8_t cursor[STOKER_STATE_BYTES];
    } progress;
};

static const char magic[8] = "train-1";

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "train: %s: %s\n", what, why);
    return -1;
}

/* ---- options and data -------------------------------------------------- */

static int read_arguments(struct arguments *args, int argc, char **argv)
{
    static const struct option longs[] = {
        {"check", 1, 0, 'c'},
        {"epochs", 1, 0, 'e'},
        {"batch-size", 1, 0, 'b'},
        {"seed", 1, 0, 's'},
        {"workers", 1, 0, 'w'},
        {"rate", 1, 0, 'r'},
        {"log", 1, 0, 'l'},
        {"checkpoint", 1, 0, 'k'},
        {"stop-after", 1, 0, 'x'},
        {"help", 0, 0, 'h'},
        {0, 0, 0, 0},
    };
    int c;

    *args = (struct arguments){.n_epochs = 10, .batch_size = 32, .rate = 0.01f};
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            args->check = optarg;
            break;
        case 'e':
            args->n_epochs = atoll(optarg);
            break;
        case 'b':
            args->batch_size = atoll(optarg);
            break;
        case 's':
            args->seed = strtoull(optarg, NULL, 10);
            break;
        case 'w':
            args->n_workers = atoi(optarg);
            break;
        case 'r':
            args->rate = strtof(optarg, NULL);
            break;
        case 'l':
            args->log = optarg;
            break;
        case 'k':
            args->checkpoint = optarg;
            break;
        case 'x':
            args->stop_after = atoll(optarg);
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return -1;
        }
    }
    if (optind != argc - 1 || args->n_epochs < 1)
        return -1;
    args->folder = argv[optind];
    return 0;
}

/* The one place that says what a batch is: f32 [rows, 3, 32, 32], normalised,
 * cropped at random for training, from the middle for checking. */
static int open_loader(stoker_loader **out, stoker_dataset *dataset,
                       const struct arguments *args, bool training)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f};
    static const float std[3] = {0.229f, 0.224f, 0.225f};
    stoker_transform list[3];
    stoker_options opt;
    stoker_error err;

    stoker_options_init(&opt, sizeof opt);
    if (training) {
        list[0] = stoker_random_resized_crop(SIDE, SIDE);
        list[0].as.random_resized_crop.scale[0] = 0.5;
        list[1] = stoker_random_horizontal_flip(0.5);
    } else {
        list[0] = stoker_resize(SIDE + SIDE / 8, 0);
        list[1] = stoker_center_crop(SIDE, SIDE);
    }
    list[2] = stoker_normalize(mean, std);
    opt.transforms = list;
    opt.n_transforms = 3;
    opt.dtype = STOKER_F32;
    opt.seed = args->seed;
    opt.shuffle = training;
    opt.n_epochs = training ? args->n_epochs : 1;
    opt.batch_size = args->batch_size;
    opt.n_workers = args->n_workers;
    opt.on_error = STOKER_MASK; /* a bad photo costs its row, not the run */
    return stoker_loader_open(out, dataset, &opt, &err) < 0
               ? fail("cannot open the loader", err.text)
               : 0;
}

/* ---- one batch --------------------------------------------------------- */

struct rows {
    const float *pixels;   /* [n][N_IN] */
    const int64_t *labels; /* [n] */
    const uint8_t *valid;  /* [n], 0 where the row is not a photo */
    int64_t n;
};

static struct rows rows_of(const stoker_batch *batch)
{
    stoker_tensor t = {.size = sizeof t};
    struct rows rows;

    stoker_batch_tensor(batch, "image", &t);
    rows.pixels = t.data;
    rows.n = t.shape[0];
    stoker_batch_tensor(batch, "label", &t);
    rows.labels = t.data;
    stoker_batch_tensor(batch, "valid", &t);
    rows.valid = t.data;
    return rows;
}

static void learn(struct run *run, const stoker_batch *batch)
{
    struct rows rows = rows_of(batch);
    double sum = 0;
    int64_t n = 0;

    for (int64_t r = 0; r < rows.n; r++) {
        const float *x = rows.pixels + r * N_IN;
        if (!rows.valid[r])
            continue;
        net_look(&run->net, x);
        sum += net_learn(&run->net, x, rows.labels[r]);
        n++;
    }
    net_step(&run->net, n, run->args.rate, 0.9f);
    run->progress.sum_loss += sum;
    run->progress.n_seen += n;
    run->progress.step++;
    if (run->log)
        fprintf(run->log, "%lld %a\n", (long long)run->progress.step,
                n > 0 ? sum / (double)n : 0.0);
}

/* The share of a folder's photos that the net names rightly, or -1. */
static double accuracy(struct run *run, stoker_dataset *dataset)
{
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    stoker_error err;
    int64_t n = 0, n_right = 0;
    int rc;

    if (open_loader(&loader, dataset, &run->args, false) < 0)
        return -1;
    while ((rc = stoker_loader_next(loader, &batch, -1, &err)) == STOKER_OK) {
        struct rows rows = rows_of(batch);
        for (int64_t r = 0; r < rows.n; r++) {
            if (!rows.valid[r])
                continue;
            n++;
            n_right +=
                net_look(&run->net, rows.pixels + r * N_IN) == rows.labels[r];
        }
        stoker_batch_release(batch);
    }
    stoker_loader_close(&loader);
    if (rc < 0)
        return fail("cannot check", err.text);
    return n > 0 ? (double)n_right / (double)n : 0;
}

/* ---- checkpoints ------------------------------------------------------- */

/* Whole or not at all: written beside, made durable, then renamed. */
static int save(struct run *run)
{
    const char *path = run->args.checkpoint;
    stoker_cursor cursor = {.size = sizeof cursor};
    char beside[4096];
    FILE *file;
    bool good;

    if (!path)
        return 0;
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return fail(path, "the name is too long");
    stoker_loader_cursor(run->loader, &cursor);
    stoker_cursor_pack(&cursor, run->progress.cursor);
    memcpy(run->progress.magic, magic, sizeof magic);
    run->progress.n_weights = (int64_t)run->net.n_weights;
    file = fopen(beside, "wb");
    if (!file)
        return fail(beside, strerror(errno));
    good = fwrite(&run->progress, sizeof run->progress, 1, file) == 1 &&
           net_write(&run->net, file) && fflush(file) == 0 &&
           fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    if (!good || rename(beside, path) < 0)
        return fail(path, strerror(errno));
    return 0;
}

/* Takes up a checkpoint, if there is one. */
static int resume(struct run *run)
{
    const char *path = run->args.checkpoint;
    stoker_cursor cursor = {.size = sizeof cursor};
    stoker_error err;
    FILE *file = path ? fopen(path, "rb") : NULL;
    bool good;

    if (!file)
        return path && errno != ENOENT ? fail(path, strerror(errno)) : 0;
    good = fread(&run->progress, sizeof run->progress, 1, file) == 1 &&
           memcmp(run->progress.magic, magic, sizeof magic) == 0 &&
           run->progress.n_weights == (int64_t)run->net.n_weights &&
           net_read(&run->net, file);
    fclose(file);
    if (!good)
        return fail(path, "is no checkpoint of this network");
    if (stoker_cursor_unpack(&cursor, run->progress.cursor,
                             sizeof run->progress.cursor, &err) < 0 ||
        stoker_loader_seek(run->loader, &cursor, &err) < 0)
        return fail(path, err.text);
    printf("resumed epoch %lld behind %lld photos\n", (long long)cursor.epoch,
           (long long)cursor.consumed);
    return 0;
}

/* ---- the run ----------------------------------------------------------- */

static int end_epoch(struct run *run, stoker_dataset *check)
{
    struct progress *progress = &run->progress;
    double share = accuracy(run, check);
    stoker_cursor cursor = {.size = sizeof cursor};
    double n = progress->n_seen > 0 ? (double)progress->n_seen : 1;

    if (share < 0)
        return -1;
    stoker_loader_cursor(run->loader, &cursor);
    printf("epoch %lld: loss %.4f, accuracy %.1f %%\n", (long long)cursor.epoch,
           progress->sum_loss / n, 100 * share);
    fflush(stdout);
    progress->n_seen = 0;
    progress->sum_loss = 0;
    return save(run);
}

static int train(struct run *run, stoker_dataset *check)
{
    int64_t n_epochs = run->args.n_epochs, n_done = 0;
    stoker_batch *batch;
    stoker_error err;

    for (;;) {
        int rc = stoker_loader_next(run->loader, &batch, -1, &err);
        if (rc < 0)
            return fail("no next batch", err.text);
        if (rc == STOKER_END) {
            stoker_cursor at = {.size = sizeof at};
            stoker_loader_cursor(run->loader, &at);
            /* A run that had ended before is not ended once more. */
            if (run->progress.n_seen > 0 && end_epoch(run, check) < 0)
                return -1;
            if (at.epoch + 1 >= n_epochs)
                return 0;
            continue;
        }
        learn(run, batch);
        stoker_batch_release(batch);
        if (++n_done == run->args.stop_after)
            return save(run);
    }
}

static void name_bad(stoker_loader *loader)
{
    stoker_bad bad = {.size = sizeof bad};
    int64_t n = stoker_loader_bad(loader, 0, NULL, 0, sizeof bad);

    for (int64_t i = 0; i < n && i < 10; i++) {
        bad.size = sizeof bad;
        stoker_loader_bad(loader, i, &bad, 1, sizeof bad);
        fprintf(stderr, "train: left out %s\n", bad.error.text);
    }
}

static int open_folder(stoker_dataset **out, const char *folder)
{
    stoker_error err;

    return stoker_dataset_from_folder(out, folder, NULL, &err) < 0
               ? fail("cannot read the folder", err.text)
               : 0;
}

int main(int argc, char **argv)
{
    struct run run = {0};
    stoker_dataset *check = NULL;
    int rc = -1;

    if (read_arguments(&run.args, argc, argv) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (open_folder(&run.dataset, run.args.folder) < 0 ||
        open_folder(&check, run.args.check ? run.args.check : run.args.folder) <
            0 ||
        open_loader(&run.loader, run.dataset, &run.args, true) < 0)
        goto out;
    if (run.args.log && !(run.log = fopen(run.args.log, "a"))) {
        fail(run.args.log, strerror(errno));
        goto out;
    }
    if (!net_init(&run.net, N_IN, N_HIDDEN,
                  (int)stoker_dataset_n_classes(run.dataset), run.args.seed)) {
        fail("cannot begin", "out of memory");
        goto out;
    }
    if (resume(&run) == 0)
        rc = train(&run, check);
    name_bad(run.loader);
out:
    if (run.log && fclose(run.log) != 0)
        rc = fail(run.args.log, strerror(errno));
    stoker_loader_close(&run.loader);
    stoker_dataset_free(check);
    stoker_dataset_free(run.dataset);
    net_fini(&run.net);
    return rc < 0 ? 1 : 0;
}
