/* What a benchmark has measured, between the file that runs it and the one
 * that prints it. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "feeding.h"

struct bench {
    struct feed feed;
    const char *folder;
    int64_t epochs, count, n_limit; /* 0: as long as seconds say */
    double seconds;
    bool json, limit;

    /* measured */
    int64_t n_images, n_batches, n_epochs_done;
    double wall_s;        /* from the loader's opening on */
    double cpu_s;         /* of the process, in that time */
    double first_batch_s; /* from the start of main */
    double peak_mb;       /* the process's largest resident memory, MiB */
    stoker_stats stats;
    stoker_limit roof;
    char report[512];
};

void bench_print_words(const struct bench *bench);
void bench_print_json(const struct bench *bench);

#endif
