/* What bad samples cost: bench_faults FOLDER [ROUNDS].  Plays the same photos
 * from memory without and with 1 % bad ones under mask, in turns, and prints
 * the CPU microseconds a good sample of each, the best round of both: what
 * else runs on the machine hardly moves those. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stoker/stoker.h"

enum { MAX_PHOTOS = 1000 };

static stoker_item good[MAX_PHOTOS], mixed[MAX_PHOTOS + MAX_PHOTOS / 99 + 1];
static char garbage[50000];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t load(const char *root)
{
    stoker_dataset *ds = NULL;
    stoker_error err;
    char path[4352];
    size_t n = 0;

    if (stoker_dataset_from_folder(&ds, root, NULL, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    for (int64_t i = 0; i < stoker_dataset_count(ds) && n < MAX_PHOTOS; i++) {
        stoker_dataset_path(ds, i, path, sizeof path);
        FILE *f = fopen(path, "rb");
        char *bytes = malloc(8 << 20);
        if (!f || !bytes)
            exit(1);
        size_t size = fread(bytes, 1, 8 << 20, f);
        fclose(f);
        good[n++] = (stoker_item){.name = "photo",
                                  .source = STOKER_SOURCE_MEMORY,
                                  .data = realloc(bytes, size),
                                  .length = (int64_t)size};
    }
    stoker_dataset_free(ds);
    return n;
}

/* Every hundredth is bad: not an image, or the next one's first half. */
static size_t mix(size_t n)
{
    size_t m = 0;

    memset(garbage, 'x', sizeof garbage);
    for (size_t i = 0; i < n; i++) {
        if (i % 99 == 98) {
            mixed[m] = good[i];
            if (i % 2 == 0)
                mixed[m].data = garbage;
            mixed[m].length = mixed[m].length / 2 < (int64_t)sizeof garbage
                                  ? mixed[m].length / 2
                                  : (int64_t)sizeof garbage;
            m++;
        }
        mixed[m++] = good[i];
    }
    return m;
}

/* CPU microseconds a good sample over three epochs. */
static double play(const stoker_item *items, size_t n, size_t n_good)
{
    stoker_options opt;
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    stoker_error err;
    int64_t n_valid = 0;

    stoker_options_init(&opt, sizeof opt);
    opt.n_workers = 2;
    opt.n_epochs = 3;
    opt.on_error = STOKER_MASK;
    opt.unlimited_bad = 1;
    if (stoker_dataset_from_items(&ds, items, n, sizeof *items, &err) < 0 ||
        stoker_loader_open(&loader, ds, &opt, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double start = now();
    for (int epoch = 0; epoch < 3; epoch++)
        while (stoker_loader_next(loader, &batch, -1, &err) == 0) {
            stoker_batch_info info = {.size = sizeof info};
            stoker_batch_info_get(batch, &info);
            n_valid += info.n_valid;
            stoker_batch_release(batch);
        }
    double took = now() - start;
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    if (n_valid != 3 * (int64_t)n_good)
        fprintf(stderr, "bench_faults: %lld valid rows\n", (long long)n_valid);
    return 1e6 * took / (double)n_valid;
}

int main(int argc, char **argv)
{
    double best[2] = {1e30, 1e30};

    if (argc < 2)
        return 2;
    size_t n = load(argv[1]), m = mix(n);
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    for (int i = 0; i < rounds; i++)
        for (int k = 0; k < 2; k++) {
            double us = k ? play(mixed, m, n) : play(good, n, n);
            best[k] = us < best[k] ? us : best[k];
        }
    printf("{\"n\": %zu, \"n_bad\": %zu, \"good_us\": %.2f, "
           "\"mixed_us\": %.2f, \"cost_percent\": %.2f}\n",
           n, m - n, best[0], best[1], 100 * (best[1] / best[0] - 1));
    return 0;
}
