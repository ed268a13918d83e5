/* The program under nth_fail: opens, plays an epoch and closes, again and
 * again, while the n-th call of each kind fails, for n = 1, 2, ... until a
 * whole run passes.  Wants every failure to be a sentence or no failure at
 * all, every descriptor, thread and byte to come back, and an end in time. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "photos.h"

static void (*arm)(const char *kind, long at, int for_ever);
static long (*count)(void);
static char top[] = "/tmp/stoker_nth_XXXXXX";
static int n_errors, n_runs;

static void complain(const char *kind, long n, int on, int io, const char *what)
{
    fprintf(stderr, "nth_run: %s %ld %s, engine %d: %s\n", kind, n,
            on ? "from then on" : "once", io, what);
    n_errors++;
}

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One life.  Returns what ended it: 0 for a whole epoch. */
static int live(int io, stoker_error *err)
{
    stoker_transform list;
    stoker_options opt = photos_options(&list);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;

    opt.io = io;
    opt.n_epochs = 1;
    opt.reads_ahead = 3;
    opt.stall_timeout_ms = 200;
    opt.retry_ms = 30;
    opt.max_file_bytes = 1 << 20;
    int rc = stoker_dataset_from_folder(&ds, top, NULL, err);
    if (rc == 0)
        rc = stoker_loader_open(&loader, ds, &opt, err);
    while (rc == 0 &&
           (rc = stoker_loader_next(loader, &batch, 10000, err)) == 0)
        stoker_batch_release(batch);
    if (rc == STOKER_TIMEOUT)
        rc = -ETIME; /* nothing may hang so long */
    if (stoker_loader_close(&loader) < 0)
        rc = -ETIME; /* nothing is the kernel's in any of these */
    stoker_dataset_free(ds);
    if (rc == STOKER_END)
        rc = 0;
    return rc;
}

/* Fails the n-th call; 1 when no call failed any more. */
static int try(const char *kind, long n, int on, int io)
{
    stoker_error err = {.code = 0};
    int n_fds = entries("/proc/self/fd");
    double start = now();

    arm(kind, n, on);
    int rc = live(io, &err);
    long n_calls = count();
    arm("", 0, 0);
    n_runs++;
    if (now() - start > 8)
        complain(kind, n, on, io, "took over 8 s");
    if (rc == -ETIME)
        complain(kind, n, on, io, "next or close timed out");
    else if (rc < 0 && !err.text[0])
        complain(kind, n, on, io, "an error without a text");
    if (entries("/proc/self/fd") != n_fds)
        complain(kind, n, on, io, "descriptors were left open");
    if (entries("/proc/self/task") != 3)
        complain(kind, n, on, io, "a thread is left");
    return n_calls < n;
}

static void try_kind(const char *kind, long stride)
{
    for (int io = STOKER_IO_AUTO; io <= STOKER_IO_PREAD; io += 2)
        for (int on = 0; on < 2; on++) {
            long n = 1;
            while (n < 100000 && !try(kind, n, on, io))
                n += n < 40 ? 1 : stride;
        }
}

static size_t in_use(void)
{
    return mallinfo2().uordblks;
}

int main(void)
{
    static const struct {
        const char *kind;
        long stride;
    } kinds[] = {{"memory", 7}, {"map", 5},   {"open", 5},
                 {"thread", 1}, {"setup", 1}, {"submit", 3}};
    void *found[2] = {dlsym(RTLD_DEFAULT, "nth_arm"),
                      dlsym(RTLD_DEFAULT, "nth_count")};
    struct photos photos;
    stoker_error err;

    if (!found[0] || !found[1]) {
        fprintf(stderr, "nth_run: SKIPPED, run it with LD_PRELOAD=nth_fail\n");
        return 77;
    }
    memcpy(&arm, &found[0], sizeof arm);
    memcpy(&count, &found[1], sizeof count);
    photos_make(&photos, 16);
    if (!mkdtemp(top))
        return 1;
    photos_write(&photos, top);
    for (int i = 0; i < 3; i++) /* what libraries keep for ever */
        if (live(STOKER_IO_AUTO, &err) || live(STOKER_IO_PREAD, &err))
            complain("nothing", 0, 0, 0, err.text);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        size_t before = in_use();
        int n = n_runs;
        double start = now();
        try_kind(kinds[k].kind, kinds[k].stride);
        live(STOKER_IO_AUTO, &err);
        long grown = (long)in_use() - (long)before;
        printf("%-7s %4d runs in %4.1f s, heap %+ld bytes\n", kinds[k].kind,
               n_runs - n, now() - start, grown);
        if (grown > 20000)
            complain(kinds[k].kind, 0, 0, 0, "memory leaked");
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", top);
    if (system(command) != 0)
        n_errors++;
    photos_free(&photos);
    printf("nth_run: %d runs, %d complaints\n", n_runs, n_errors);
    return n_errors ? 1 : 0;
}
