/* What a start costs: opens a folder, takes the first batch, says so on its
 * standard output at once, plays an epoch to its end and prints the process's
 * peak memory and the arena, both in bytes.  compare/start.py holds the watch:
 * its clock begins before this process does. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "stoker/stoker.h"

static void die(const stoker_error *err)
{
    fprintf(stderr, "bench_start: %s\n", err->text);
    exit(1);
}

int main(int argc, char **argv)
{
    stoker_dataset *ds;
    stoker_loader *loader;
    stoker_batch *batch;
    stoker_options opt;
    stoker_error err;
    struct rusage usage;
    int rc;

    if (argc != 4) {
        fputs("usage: bench_start FOLDER BATCH_SIZE WORKERS\n", stderr);
        return 2;
    }
    stoker_options_init(&opt, sizeof opt);
    opt.batch_size = atoll(argv[2]);
    opt.n_workers = atoi(argv[3]);
    opt.n_epochs = 1;
    if (stoker_dataset_from_folder(&ds, argv[1], NULL, &err) < 0 ||
        stoker_loader_open(&loader, ds, &opt, &err) < 0 ||
        stoker_loader_next(loader, &batch, -1, &err) < 0)
        die(&err);
    if (write(STDOUT_FILENO, "first\n", 6) != 6)
        return 1;
    do {
        stoker_batch_release(batch);
        rc = stoker_loader_next(loader, &batch, -1, &err);
    } while (rc == STOKER_OK);
    if (rc < 0)
        die(&err);
    stoker_stats stats = {.size = sizeof stats};
    stoker_loader_stats(loader, &stats);
    getrusage(RUSAGE_SELF, &usage);
    printf("%lld %lld\n", 1024LL * usage.ru_maxrss,
           (long long)stats.arena_bytes);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    return 0;
}
