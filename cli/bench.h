/* What a benchmark has measured, between the file that runs it and the one
 * that prints it. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "feeding.h"
#include "json.h"

struct bench {
    struct feed feed;
    const char *folder;
    int64_t epochs, count, n_limit; /* 0: as long as seconds say */
    double seconds, step_ms; /* step_ms: what a training step would take */
    bool json, limit;

    /* measured */
    int64_t n_images, n_batches, n_epochs_done;
    double wall_s;        /* from the loader's opening on */
    double cpu_s;         /* of the process, in that time */
    double first_batch_s; /* from the start of main */
    double peak_mb;       /* the process's largest resident memory, MiB */
    stoker_stats stats;
    stoker_limit roof;
    stoker_device_info bus; /* with a device; size 0: not measured */
    char report[512];
};

static inline double bench_per_second(const struct bench *bench)
{
    return (double)bench->n_images / (bench->wall_s > 0 ? bench->wall_s : 1);
}

void bench_print_words(const struct bench *bench);
void bench_print_json(const struct bench *bench);

/* With a device: measures its bus; what the copies took and who waited. */
void bench_measure_bus(struct bench *bench);
void bench_device_words(const struct bench *bench);
void bench_device_json(struct json *json, const struct bench *bench);

#endif
