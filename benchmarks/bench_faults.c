/* What bad samples cost a good stream: bench_faults FOLDER [ROUNDS].  Plays a
 * thousand photos (the folder's, again and again) from memory without bad ones
 * and with 1 % of them, under mask and under refill, in turns.  The good ones
 * have the same ids in each, so the same crops, and nothing but the bad ones
 * differs.  Prints what a good row costs more, the median over rounds and the
 * quartiles: by CPU time, and by the clock, which other work disturbs.
 *
 * Measured (250 photos four times over, 2 workers, 2 shared cores, 30 rounds at
 * a real-time priority): mask +0.19 % of CPU time (quartiles -0.93, +1.37),
 * refill +0.30 %; by the clock +0.47 and +0.79 %.  With as many bad as good
 * ones a good row costs 23 % more under mask, so a bad one about a quarter of a
 * good one: 0.23 % at 1 %. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stoker/stoker.h"

enum { N_GOOD = 1000, N_BAD = N_GOOD / 99, MAX_ROUNDS = 1000 };
enum { GOOD, MASK, REFILL, N_WAYS };
enum { CPU, WALL, N_CLOCKS };

static stoker_item items[N_GOOD + N_BAD];
static char garbage[50000];

static double now(int clock)
{
    struct timespec t;
    clock_gettime(clock == CPU ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC,
                  &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void load(const char *root)
{
    stoker_dataset *ds = NULL;
    stoker_error err;
    char path[4352];

    if (stoker_dataset_from_folder(&ds, root, NULL, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    int64_t n = stoker_dataset_count(ds);
    for (int64_t i = 0; i < N_GOOD; i++) {
        if (i >= n) {
            items[i] = items[i - n];
            continue;
        }
        stoker_dataset_path(ds, i, path, sizeof path);
        FILE *f = fopen(path, "rb");
        char *bytes = malloc(8 << 20);
        if (!f || !bytes)
            exit(1);
        size_t size = fread(bytes, 1, 8 << 20, f);
        fclose(f);
        items[i] = (stoker_item){.name = "photo",
                                 .source = STOKER_SOURCE_MEMORY,
                                 .data = realloc(bytes, size),
                                 .length = (int64_t)size};
    }
    stoker_dataset_free(ds);
}

/* Behind the good ones: in turn no image at all, and a photo's first half. */
static void add_bad(void)
{
    memset(garbage, 'x', sizeof garbage);
    for (int i = 0; i < N_BAD; i++) {
        stoker_item *bad = &items[N_GOOD + i];
        *bad = items[i];
        bad->length /= 2;
        if (i % 2 == 0) {
            bad->data = garbage;
            bad->length = sizeof garbage;
        }
    }
}

/* Plays two epochs; seconds a good row by either clock. */
static void play(int way, double took[N_CLOCKS])
{
    stoker_options opt;
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    stoker_error err;
    int64_t n_valid = 0;
    size_t n = way == GOOD ? N_GOOD : N_GOOD + N_BAD;

    stoker_options_init(&opt, sizeof opt);
    opt.n_workers = 2;
    opt.n_epochs = 2;
    opt.on_error = way == REFILL ? STOKER_REFILL : STOKER_MASK;
    opt.unlimited_bad = 1;
    if (stoker_dataset_from_items(&ds, items, n, sizeof *items, &err) < 0 ||
        stoker_loader_open(&loader, ds, &opt, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    for (int c = 0; c < N_CLOCKS; c++)
        took[c] = now(c);
    for (int epoch = 0; epoch < 2; epoch++)
        while (stoker_loader_next(loader, &batch, -1, &err) == 0) {
            stoker_batch_info info = {.size = sizeof info};
            stoker_batch_info_get(batch, &info);
            n_valid += info.n_valid;
            stoker_batch_release(batch);
        }
    for (int c = 0; c < N_CLOCKS; c++)
        took[c] = (now(c) - took[c]) / (double)n_valid;
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    if (n_valid != 2 * (int64_t)(way == REFILL ? n : N_GOOD))
        fprintf(stderr, "bench_faults: %lld valid rows\n", (long long)n_valid);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const char *const ways[] = {"good", "mask", "refill"};
    static const char *const clocks[] = {"cpu", "wall"};
    static double more[N_WAYS][N_CLOCKS][MAX_ROUNDS];
    int rounds = argc > 2 ? atoi(argv[2]) : 20;

    if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_faults FOLDER [ROUNDS, at most %d]\n",
                MAX_ROUNDS);
        return 2;
    }
    load(argv[1]);
    add_bad();
    for (int r = 0; r < rounds; r++) {
        double took[N_WAYS][N_CLOCKS];
        /* The first in turn changes, too. */
        for (int w = 0; w < N_WAYS; w++)
            play((w + r) % N_WAYS, took[(w + r) % N_WAYS]);
        for (int w = 0; w < N_WAYS; w++)
            for (int c = 0; c < N_CLOCKS; c++)
                more[w][c][r] = 100 * (took[w][c] / took[GOOD][c] - 1);
    }
    for (int w = MASK; w < N_WAYS; w++)
        for (int c = 0; c < N_CLOCKS; c++) {
            double *all = more[w][c];
            qsort(all, (size_t)rounds, sizeof *all, by_value);
            printf("%-6s %-4s %+.2f %% a good row (quartiles %+.2f %+.2f)\n",
                   ways[w], clocks[c], all[rounds / 2], all[rounds / 4],
                   all[rounds * 3 / 4]);
        }
    return 0;
}
