/* The program over nth_fail: lists, opens, plays an epoch, closes and checks
 * a file, again and again, while the n-th call of each function fails, for
 * n = 1, 2, ... until a whole run passes.  Wants every failure to be a
 * sentence or no failure at all, every descriptor, thread and byte to come
 * back, and an end in time. */
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

#if defined(NTH_WRAP)
#include <sanitizer/lsan_interface.h>
enum { IS_WRAPPED = 1 }; /* other libraries' calls do not fail */
#else
enum { IS_WRAPPED = 0 };
#endif

static void (*arm)(const char *names, long at, int for_ever);
static long (*count)(void);
/* In memory: a slow disk would hang now and then, and what has hung stays. */
static char top[] = "/dev/shm/stoker_nth_XXXXXX";
static char ledger[64];
static int n_errors, n_runs;

/* What fails, in words of nth_fail.  stride: of n above 40. */
static const struct kind {
    const char *names;
    long stride;
    int is_absent; /* the library does not call these; says when it does */
} kinds[] = {
    {"malloc calloc realloc posix_memalign", 1, 0},
    {"malloc", 1, 0},
    {"calloc", 1, 0},
    {"realloc", 1, 0},
    {"posix_memalign", 1, 0},
    {"mmap mprotect", 1, 0},
    {"madvise", 1, 0},
    {"open openat fopen", 1, 0},
    {"fstat", 1, 0},
    {"getdents64", 1, 0},
    {"pread", 1, 0},
    {"write", 1, 0},
    {"pthread_create", 1, 0},
    {"futex", 5, 0},
    {"io_uring_queue_init", 1, 0},
    {"io_uring_get_probe_ring", 1, 0},
    {"io_uring_submit io_uring_submit_and_wait "
     "io_uring_submit_and_wait_timeout",
     3, 0},
    {"io_uring_submit_and_wait", 1, 0},
    {"__io_uring_get_cqe", 1, 0},
    {"mlock eventfd io_uring_register_buffers io_uring_register_files", 1, 1},
};

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

/* A joined thread is out of the kernel's list only a moment later. */
static int is_alone(void)
{
    double end = now() + 2;
    while (entries("/proc/self/task") != 3) /* ".", "..", this one */
        if (now() > end)
            return 0;
        else
            usleep(100);
    return 1;
}

/* scan's way through a file, here by libjpeg. */
static int check(stoker_dataset *ds, const stoker_options *like,
                 stoker_error *err)
{
    stoker_checker *checker = NULL;
    stoker_image_info info = {.size = sizeof info};
    stoker_options opt = *like;

    opt.decoder = STOKER_DECODER_LIBJPEG;
    int rc = stoker_checker_open(&checker, ds, &opt, err);
    if (rc == 0)
        rc = stoker_checker_check(checker, 0, &info, err);
    stoker_checker_close(&checker);
    return rc;
}

/* One life.  Returns what ended it: 0 for a whole epoch.  The broken photo
 * goes to the ledger. */
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
    opt.on_error = STOKER_MASK;
    opt.ledger_path = ledger;
    int rc = stoker_dataset_from_folder(&ds, top, NULL, err);
    if (rc == 0)
        rc = stoker_loader_open(&loader, ds, &opt, err);
    while (rc == 0 &&
           (rc = stoker_loader_next(loader, &batch, 10000, err)) == 0) {
        if (err->code || err->text[0])
            complain("next", 0, 0, io, "a batch that came with an error");
        stoker_batch_release(batch);
    }
    if (rc == STOKER_TIMEOUT)
        rc = -ETIME; /* nothing may hang so long */
    if (stoker_loader_close(&loader) < 0)
        rc = -ETIME; /* nothing is the kernel's in any of these */
    if (rc == STOKER_END)
        rc = check(ds, &opt, err);
    stoker_dataset_free(ds);
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
    if (!is_alone())
        complain(kind, n, on, io, "a thread is left");
    if (entries("/proc/self/fd") != n_fds)
        complain(kind, n, on, io, "descriptors were left open");
#if defined(NTH_WRAP)
    if (__lsan_do_recoverable_leak_check())
        complain(kind, n, on, io, "memory leaked");
#endif
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
#if defined(NTH_WRAP)
    return 0; /* LeakSanitizer looks after each run */
#else
    return mallinfo2().uordblks;
#endif
}

static void try_all(const struct kind *kind)
{
    size_t before = in_use();
    int n = n_runs;
    double start = now();
    stoker_error err;

    try_kind(kind->names, kind->stride);
    if (kind->is_absent && n_runs - n > 4)
        complain(kind->names, 1, 0, 0, "is called now: make it a kind");
    if (!kind->is_absent && n_runs - n <= 4 && !IS_WRAPPED)
        complain(kind->names, 1, 0, 0, "is never called: it tests nothing");
    live(STOKER_IO_AUTO, &err);
    long grown = (long)in_use() - (long)before;
    printf("%4d runs in %4.1f s, heap %+ld bytes: %s%s\n", n_runs - n,
           now() - start, grown, kind->names,
           kind->is_absent ? " (never called)" : "");
    if (grown > 20000)
        complain(kind->names, 0, 0, 0, "memory leaked");
}

/* Returns 0 where there is nothing to arm. */
static int find_arms(void)
{
    void *found[2] = {dlsym(RTLD_DEFAULT, "nth_arm"),
                      dlsym(RTLD_DEFAULT, "nth_count")};

    memcpy(&arm, &found[0], sizeof arm);
    memcpy(&count, &found[1], sizeof count);
    return found[0] && found[1];
}

int main(void)
{
    struct photos photos;
    stoker_error err;

    if (!find_arms()) {
        fprintf(stderr, "nth_run: SKIPPED, run it with LD_PRELOAD=nth_fail\n");
        return 77;
    }
    photos_make(&photos, 16);
    photos_break(&photos, 5);
    if (!mkdtemp(top))
        return 1;
    snprintf(ledger, sizeof ledger, "%s/ledger.jsonl", top);
    photos_write(&photos, top);
    for (int i = 0; i < 3; i++) /* what libraries keep for ever */
        if (live(STOKER_IO_AUTO, &err) || live(STOKER_IO_PREAD, &err))
            complain("nothing", 0, 0, 0, err.text);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        try_all(&kinds[k]);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", top);
    if (system(command) != 0)
        n_errors++;
    photos_free(&photos);
    printf("nth_run: %d runs, %d complaints\n", n_runs, n_errors);
    return n_errors ? 1 : 0;
}
