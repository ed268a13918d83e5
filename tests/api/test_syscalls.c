/* System calls of the steady state, counted from outside: a child plays whole
 * epochs, its parent stops it at each call of any thread.  Beside the reads
 * themselves there may be only the futex calls of a batch's turns. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "photos.h"
#include "run_suite.h"

#if !defined(STK_SANITIZED) && defined(__linux__)
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As in linux/ptrace.h, which clashes with sys/ptrace.h in some libraries. */
#define GET_SYSCALL_INFO 0x420e
struct entry {
    uint8_t op; /* 1: entry */
    uint8_t pad[3];
    uint32_t arch;
    uint64_t instruction, stack, number, arguments[6];
    uint64_t spare[4];
};

enum { N_PHOTOS = 200, BATCH = 50, N_EPOCHS = 10, N_NUMBERS = 512 };
enum { MARK = 12345 }; /* getpriority(MARK) begins and ends the counting */
enum { N_SAMPLES = N_PHOTOS * N_EPOCHS, N_BATCHES = N_SAMPLES / BATCH };

enum { REFUSED = 3, NO_URING = 4 }; /* the child's ways to say why not */

static void play(stoker_loader *loader, int n_epochs)
{
    stoker_batch *batch;

    while (n_epochs > 0) {
        int rc = stoker_loader_next(loader, &batch, -1, NULL);
        if (rc < 0)
            _exit(1);
        if (rc == STOKER_END)
            n_epochs--;
        else
            stoker_batch_release(batch);
    }
}

/* The child: never returns. */
static void live(stoker_dataset *ds, int io)
{
    stoker_transform crop;
    stoker_options opt = photos_options(&crop);
    stoker_loader *loader;

    opt.batch_size = BATCH;
    opt.n_workers = 2;
    opt.io = io;
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
        _exit(REFUSED);
    raise(SIGSTOP);
    if (stoker_loader_open(&loader, ds, &opt, NULL) < 0)
        _exit(io == STOKER_IO_URING ? NO_URING : 1);
    play(loader, 3);
    syscall(SYS_getpriority, MARK, 0);
    play(loader, N_EPOCHS);
    syscall(SYS_getpriority, MARK, 0);
    _exit(0);
}

/* One stop of one thread; counts it between the marks. */
static void look(pid_t thread, int status, int *n_marks, long *counts)
{
    struct entry at = {0};
    int signal = WSTOPSIG(status);

    if (signal == (SIGTRAP | 0x80)) {
        ptrace(GET_SYSCALL_INFO, thread, sizeof at, &at);
        if (at.op == 1 && at.number == SYS_getpriority &&
            at.arguments[0] == MARK)
            ++*n_marks;
        else if (at.op == 1 && *n_marks == 1 && at.number < N_NUMBERS)
            counts[at.number == SYS_restart_syscall ? SYS_futex : at.number]++;
        signal = 0;
    } else if (signal == SIGTRAP || signal == SIGSTOP) {
        signal = 0; /* a new thread */
    }
    ptrace(PTRACE_SYSCALL, thread, 0, signal);
}

/* Returns the child's exit status. */
static int trace(stoker_dataset *ds, int io, long *counts)
{
    int status, n_marks = 0;
    pid_t child = fork();

    if (child == 0)
        live(ds, io);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (ptrace(PTRACE_SETOPTIONS, child, 0,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                   PTRACE_O_EXITKILL) < 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return REFUSED;
    }
    memset(counts, 0, N_NUMBERS * sizeof *counts);
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        ck_assert_int_gt(thread, 0);
        if (WIFSTOPPED(status)) {
            look(thread, status, &n_marks, counts);
        } else if (thread == child) {
            ck_assert_int_eq(n_marks, WIFEXITED(status) ? 2 : -1);
            return WEXITSTATUS(status);
        }
    }
}

/* Every call is one of a sample's reads, or a batch's own: its turns' futex
 * calls, and getpid, which finds out a forked child. */
static void judge(const char *name, const long *counts, const int *reads,
                  long reads_each)
{
    long n_reads = 0, n_others = 0;

    for (int number = 0; number < N_NUMBERS; number++) {
        bool is_read = false;
        for (const int *read = reads; *read >= 0; read++)
            is_read = is_read || *read == number;
        if (is_read)
            n_reads += counts[number];
        else if (number != SYS_futex && number != SYS_getpid)
            n_others += counts[number];
    }
    printf("%s: %d samples in %d batches: %ld calls that read, %ld futex, "
           "%ld getpid, %ld others\n",
           name, N_SAMPLES, N_BATCHES, n_reads, counts[SYS_futex],
           counts[SYS_getpid], n_others);
    fflush(stdout);
    /* On a busy machine a worker may start, or meet its largest window and
     * grow its scratch, while calls are counted; but none comes back. */
    ck_assert_int_lt(n_others, N_BATCHES);
    /* At the end the workers may be further ahead than at the beginning: by
     * all batches there may be and all reads ahead. */
    ck_assert_int_le(n_reads, reads_each * (N_SAMPLES + 4 * BATCH + 2 * 8));
    /* 50 samples a batch: a call a sample would be seen. */
    ck_assert_int_le(counts[SYS_futex], 12 * N_BATCHES);
    ck_assert_int_le(counts[SYS_getpid], 4 * N_BATCHES);
}

static bool is_skipped(int status, const char *name)
{
    if (status == REFUSED)
        printf("SKIPPED: %s: this system does not let a parent trace\n", name);
    if (status == NO_URING)
        printf("SKIPPED: %s: no io_uring here\n", name);
    if (status != REFUSED && status != NO_URING)
        ck_assert_int_eq(status, 0);
    return status != 0;
}

START_TEST(test_samples_in_memory_make_no_system_call)
{
    static long counts[N_NUMBERS];
    struct photos photos;

    photos_make(&photos, N_PHOTOS);
    stoker_dataset *ds = photos_dataset(&photos);
    if (!is_skipped(trace(ds, STOKER_IO_AUTO, counts), "memory"))
        judge("memory", counts, (const int[]){-1}, 0);
    stoker_dataset_free(ds);
    photos_free(&photos);
}
END_TEST

static const int read_calls[] = {SYS_openat, SYS_newfstatat,     SYS_fstat,
                                 SYS_statx,  SYS_fadvise64,      SYS_pread64,
                                 SYS_close,  SYS_io_uring_enter, -1};

static void judge_files(const char *name, int io, long each)
{
    static long counts[N_NUMBERS];
    char dir[] = "/tmp/stoker-calls-XXXXXX", command[64];
    struct photos photos;
    stoker_dataset *ds;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    photos_make(&photos, N_PHOTOS);
    photos_write(&photos, dir);
    photos_free(&photos);
    int rc = stoker_dataset_from_folder(&ds, dir, NULL, NULL);
    int status = rc == 0 ? trace(ds, io, counts) : 1;
    stoker_dataset_free(ds);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(rc, 0);
    if (!is_skipped(status, name))
        judge(name, counts, read_calls, each);
}

/* Open, advise, size before and after, read, close. */
START_TEST(test_files_by_pread_make_only_the_calls_of_reading)
{
    judge_files("pread", STOKER_IO_PREAD, 6);
}
END_TEST

/* Open, size before and after, close; one enter, seldom two. */
START_TEST(test_files_by_io_uring_make_only_the_calls_of_reading)
{
    judge_files("io_uring", STOKER_IO_URING, 6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("syscalls");
    TCase *tc = tcase_create("syscalls");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_samples_in_memory_make_no_system_call);
    tcase_add_test(tc, test_files_by_pread_make_only_the_calls_of_reading);
    tcase_add_test(tc, test_files_by_io_uring_make_only_the_calls_of_reading);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
#else
int main(void)
{
    printf("SKIPPED: a sanitizer makes calls of its own\n");
    return 77;
}
#endif
