/* fault_play FOLDER [KEY=VALUE...]: one loader over a folder or a file of
 * paths, for faults that another program makes around it (root_faults.py).
 * Prints "opened" when the data set is listed, and with pause=N waits for a
 * line on stdin after N batches ("paused"); at the end one line
 * "end CODE ROWS VALID PEAK_KB IO BYTES WORKERS TEXT", tabs between.  Keys: io
 * (0 auto, 1 io_uring, 2 pread), policy (0 raise, 1 mask), unlimited, retry,
 * workers, size (of the crop), slots, ledger, as (user id), resume (samples
 * consumed). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "photos.h"

static const char *value_of(int argc, char **argv, const char *key)
{
    size_t n = strlen(key);

    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
    return NULL;
}

static int number_of(int argc, char **argv, const char *key, int otherwise)
{
    const char *value = value_of(argc, argv, key);
    return value ? atoi(value) : otherwise;
}

static void wait_for_line(void)
{
    char line[16];

    printf("paused\n");
    if (!fgets(line, sizeof line, stdin))
        exit(3);
}

/* Returns what ended it. */
static int play(stoker_loader *loader, int pause_at, int64_t *n_rows,
                int64_t *n_valid, stoker_error *err)
{
    stoker_batch *batch;
    int rc;

    for (int n = 0;; n++) {
        if (n == pause_at)
            wait_for_line();
        rc = stoker_loader_next(loader, &batch, 30000, err);
        if (rc)
            return rc;
        stoker_batch_info info = {.size = sizeof info};
        stoker_batch_info_get(batch, &info);
        *n_rows += info.n_rows;
        *n_valid += info.n_valid;
        stoker_batch_release(batch);
    }
}

static stoker_options options(int argc, char **argv, stoker_transform *crop)
{
    stoker_options opt = photos_options(crop);
    int size = number_of(argc, argv, "size", 8);

    *crop = stoker_center_crop(size, size);
    opt.n_epochs = 1;
    opt.io = number_of(argc, argv, "io", STOKER_IO_AUTO);
    opt.on_error = number_of(argc, argv, "policy", STOKER_RAISE);
    opt.unlimited_bad = number_of(argc, argv, "unlimited", 0);
    opt.retry_ms = number_of(argc, argv, "retry", 50);
    opt.n_workers = number_of(argc, argv, "workers", 2);
    opt.n_slots = number_of(argc, argv, "slots", 4);
    opt.ledger_path = value_of(argc, argv, "ledger");
    return opt;
}

int main(int argc, char **argv)
{
    stoker_transform crop;
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_error err = {.code = 0};
    stoker_stats stats = {.size = sizeof stats};
    stoker_cursor cursor = {.size = sizeof cursor};
    struct rusage use;
    int64_t n_rows = 0, n_valid = 0;
    int as = number_of(argc, argv, "as", 0);

    if (argc < 2 || (as && setuid((uid_t)as) != 0))
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    stoker_options opt = options(argc, argv, &crop);
    int rc = stoker_dataset_from_folder(&ds, argv[1], NULL, &err);
    if (rc == 0)
        rc = stoker_loader_open(&loader, ds, &opt, &err);
    if (rc == 0) {
        stoker_loader_cursor(loader, &cursor);
        cursor.consumed = number_of(argc, argv, "resume", 0);
        rc = stoker_loader_seek(loader, &cursor, &err);
    }
    if (rc == 0) {
        printf("opened\n");
        rc = play(loader, number_of(argc, argv, "pause", -1), &n_rows, &n_valid,
                  &err);
        stoker_loader_stats(loader, &stats);
    }
    int closed = stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    getrusage(RUSAGE_SELF, &use);
    printf("end\t%d\t%lld\t%lld\t%ld\t%d\t%lld\t%d\t%s\n", rc < 0 ? rc : closed,
           (long long)n_rows, (long long)n_valid, use.ru_maxrss, stats.io,
           (long long)(stats.arena_bytes + stats.scratch_bytes),
           stats.n_workers, rc < 0 ? err.text : stats.io_reason);
    return 0;
}
