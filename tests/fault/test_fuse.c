/* The loader over a file system that really fails (fuse_slow): stalls, EIO,
 * ESTALE, short files, sizes that lie, by both engines.  Each test runs in a
 * process of its own, since a hanging pread leaves a thread behind. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "photos.h"
#include "seen.h"

enum { STALL_MS = 500 };

/* What hangs is left behind on purpose: no leak checker may count it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static char top[64], mount_at[96], source[96];
static pid_t server;
static stoker_error err;
static stoker_transform crop;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int is_mounted(void)
{
    struct stat here, above;
    return stat(mount_at, &here) == 0 && stat(top, &above) == 0 &&
           here.st_dev != above.st_dev;
}

/* 0, or -1 where this machine has no FUSE for us. */
static int mount_slow(void)
{
    struct photos photos;

    photos_make(&photos, 8);
    FILE *f = fopen(source, "wb");
    fwrite(photos.bytes[7], 1, photos.n_bytes[7], f);
    fclose(f);
    photos_free(&photos);
    server = fork();
    if (server == 0) {
        execl(FUSE_SLOW, FUSE_SLOW, mount_at, source, (char *)NULL);
        _exit(2);
    }
    for (int i = 0; i < 500; i++) {
        if (is_mounted())
            return 0;
        if (waitpid(server, NULL, WNOHANG) == server)
            return -1;
        usleep(10000); /* another process's start: nothing to wait on */
    }
    return -1;
}

/* Aborting the connection answers every hanging read with an error. */
static void abort_connection(void)
{
    struct stat st;
    char path[96];

    if (stat(mount_at, &st) != 0)
        return;
    snprintf(path, sizeof path, "/sys/fs/fuse/connections/%u/abort",
             (unsigned)(st.st_dev & 0xff));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1", 1) != 1)
        perror(path);
    if (fd >= 0)
        close(fd);
}

static stoker_loader *play(const char *name, int io, int policy, int *rc,
                           double *took)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    char path[128];

    snprintf(path, sizeof path, "%s/%s", mount_at, name);
    stoker_item item = {.path = path, .length = -1, .label = 3};
    opt.io = io;
    opt.on_error = policy;
    opt.stall_timeout_ms = STALL_MS;
    opt.retry_ms = 100;
    opt.n_workers = 1;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, &item, 1, sizeof item, &err), 0);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    stoker_dataset_free(ds);
    double start = now();
    *rc = stoker_loader_next(loader, &batch, 20000, &err);
    *took = now() - start;
    if (*rc == 0) {
        stoker_tensor image = {.size = sizeof image};
        stoker_batch_tensor(batch, "image", &image);
        ck_assert_int_eq(*(uint8_t *)image.data, 7);
        stoker_batch_release(batch);
    }
    return loader;
}

static int engine(int i)
{
    return i ? STOKER_IO_PREAD : STOKER_IO_AUTO;
}

/* One file that always fails in one way. */
static const struct row {
    const char *name;
    int code;
    const char *words;
} rows[] = {
    {"good.jpg", 0, ""},
    {"slow_.jpg", 0, ""},
    {"once_.jpg", 0, ""},
    {"eio_.jpg", -EIO, "the storage failed"},
    {"stale_.jpg", -ESTALE, "Stale"},
    {"short_.jpg", -ESTALE, "changed while it was read"},
    {"lies_.jpg", -ESTALE, "changed while it was read"},
};

START_TEST(test_failing_storage_is_a_sentence)
{
    const struct row *row = &rows[_i / 2];
    double took;
    int rc;
    stoker_loader *loader =
        play(row->name, engine(_i % 2), STOKER_RAISE, &rc, &took);

    ck_assert_msg(rc == row->code, "%s, engine %d: %d %s", row->name, _i % 2,
                  rc, err.text);
    if (rc < 0)
        ck_assert_msg(strstr(err.text, row->name) &&
                          strstr(err.text, row->words),
                      "'%s' lacks '%s'", err.text, row->words);
    if (strncmp(row->name, "once_", 5) == 0 && _i % 2 == 0) {
        stoker_stats stats = {.size = sizeof stats};
        stoker_loader_stats(loader, &stats);
        ck_assert_int_gt(stats.n_retries, 0);
    }
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    if (_i % 2 == 0)
        seen(row->name, rc, rc ? err.text : "good pixels");
}
END_TEST

/* open() hangs in both engines, a read in pread's: the watch tells. */
START_TEST(test_hang_ends_with_the_files_name_and_close_returns)
{
    static const char *const names[] = {"hang_.jpg", "opens_.jpg"};
    const char *name = names[_i / 2];
    double took;
    int rc;
    stoker_loader *loader =
        play(name, engine(_i % 2), STOKER_RAISE, &rc, &took);

    ck_assert_msg(rc == -ETIMEDOUT, "%d %s", rc, err.text);
    ck_assert_msg(strstr(err.text, name) && strstr(err.text, "stalled"), "%s",
                  err.text);
    ck_assert_double_lt(took, STALL_MS / 1000.0 + 2);
    /* Once more: the same, at once. */
    stoker_batch *batch;
    ck_assert_int_eq(stoker_loader_next(loader, &batch, 20000, &err),
                     -ETIMEDOUT);
    double start = now();
    rc = stoker_loader_close(&loader);
    double closed = now() - start;
    if (_i % 2)
        seen(name, -ETIMEDOUT, err.text);
    printf("%-10s %-8s told after %.2f s, closed in %.2f s: %d\n", name,
           _i % 2 ? "pread" : "auto", took, closed, rc);
    ck_assert_double_lt(closed, STALL_MS / 1000.0 + 2.5);
    ck_assert_int_eq(rc, -ETIMEDOUT); /* worker or ring was abandoned */
    abort_connection(); /* the lost worker wakes: nothing may crash */
    sleep(1);
}
END_TEST

START_TEST(test_seek_after_a_hang_is_refused_and_close_frees_nothing)
{
    stoker_cursor cursor = {.size = sizeof cursor};
    stoker_batch *batch;
    double took;
    int rc;
    stoker_loader *loader =
        play("hang_.jpg", STOKER_IO_PREAD, STOKER_RAISE, &rc, &took);

    stoker_loader_cursor(loader, &cursor);
    ck_assert_int_eq(stoker_loader_seek(loader, &cursor, &err), -ETIMEDOUT);
    ck_assert_int_eq(stoker_loader_seek(loader, &cursor, &err), -ETIMEDOUT);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, 5000, &err),
                     -ETIMEDOUT);
    ck_assert_msg(strstr(err.text, "hangs in a read"), "%s", err.text);
    ck_assert_int_eq(stoker_loader_close(&loader), -ETIMEDOUT);
    abort_connection();
    sleep(1); /* the lost worker comes back meanwhile */
}
END_TEST

static void setup(void)
{
    if (!is_mounted() && mount_slow() != 0)
        ck_abort_msg("cannot mount again");
}

static void teardown(void)
{
    abort_connection();
    umount2(mount_at, MNT_DETACH);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

int main(void)
{
    Suite *suite = suite_create("fuse");
    TCase *tc = tcase_create("faults");

    strcpy(top, "/tmp/stoker_fuse_XXXXXX");
    if (!mkdtemp(top))
        return EXIT_FAILURE;
    snprintf(mount_at, sizeof mount_at, "%s/at", top);
    snprintf(source, sizeof source, "%s/photo.jpg", top);
    mkdir(mount_at, 0755);
    if (mount_slow() != 0) {
        fprintf(stderr, "SKIPPED: no FUSE mount is possible here (root and "
                        "/dev/fuse are needed)\n");
        return 77;
    }
    teardown();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_failing_storage_is_a_sentence, 0,
                        2 * (int)(sizeof rows / sizeof rows[0]));
    tcase_add_loop_test(
        tc, test_hang_ends_with_the_files_name_and_close_returns, 0, 4);
    tcase_add_test(tc,
                   test_seek_after_a_hang_is_refused_and_close_frees_nothing);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(source);
    rmdir(mount_at);
    rmdir(top);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
