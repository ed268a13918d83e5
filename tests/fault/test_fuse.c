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

/* Without its server the kernel answers every hanging call with an error. */
static void cut_off(void)
{
    if (server <= 0)
        return;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
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
    cut_off(); /* the lost worker wakes: nothing may crash */
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
    cut_off();
    sleep(1); /* the lost worker comes back meanwhile */
}
END_TEST

static int check(stoker_checker *checker, int64_t id, double *took)
{
    stoker_image_info info = {.size = sizeof info};
    double start = now();

    int rc = stoker_checker_check(checker, id, &info, &err);
    *took = now() - start;
    return rc;
}

/* Items 0 ... 4 hang, 5 is good. */
static stoker_checker *open_checker(void)
{
    static const char *const names[] = {"opens_.jpg", "hang_a.jpg",
                                        "hang_b.jpg", "hang_c.jpg",
                                        "hang_d.jpg", "good.jpg"};
    stoker_options opt = photos_options(&crop);
    stoker_item items[6] = {{.path = NULL}};
    stoker_checker *checker = NULL;
    stoker_dataset *ds = NULL;
    char paths[6][128];

    for (int i = 0; i < 6; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", mount_at, names[i]);
        items[i] = (stoker_item){.path = paths[i], .length = -1};
    }
    opt.stall_timeout_ms = STALL_MS;
    opt.retry_ms = 10;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, 6, sizeof items[0], &err), 0);
    ck_assert_int_eq(stoker_checker_open(&checker, ds, &opt, &err), 0);
    stoker_dataset_free(ds);
    return checker;
}

START_TEST(test_checker_leaves_what_hangs_and_goes_on)
{
    stoker_checker *checker = open_checker();
    double took;

    for (int id = 0; id < 4; id++) {
        ck_assert_int_eq(check(checker, id, &took), -ETIMEDOUT);
        ck_assert_msg(strstr(err.text, id ? "hang_" : "opens_") &&
                          strstr(err.text, "stalled"),
                      "%s", err.text);
        ck_assert_int_eq(err.id, id);
        ck_assert_double_lt(took, STALL_MS / 1000.0 + 1);
        if (id == 3)
            break;
        ck_assert_msg(check(checker, 5, &took) == 0, "%s", err.text);
    }
    /* Four hang: no fifth is risked, the good one neither. */
    ck_assert_int_eq(check(checker, 4, &took), -ETIMEDOUT);
    ck_assert_msg(strstr(err.text, "hang_d.jpg: not looked at"), "%s",
                  err.text);
    ck_assert_double_lt(took, STALL_MS / 2000.0);
    ck_assert_int_eq(check(checker, 5, &took), -ETIMEDOUT);
    cut_off(); /* they come back: it looks again */
    int rc = 0;
    for (int i = 0; i < 500; i++) {
        rc = check(checker, 5, &took);
        if (!strstr(err.text, "not looked at"))
            break;
        usleep(10000); /* another process's answer: nothing to wait on */
    }
    ck_assert_msg(rc < 0 && rc != -ETIMEDOUT, "%d %s", rc, err.text);
    stoker_checker_close(&checker);
}
END_TEST

START_TEST(test_checker_closes_over_a_hang)
{
    stoker_checker *checker = open_checker();
    double took;

    ck_assert_int_eq(check(checker, 1, &took), -ETIMEDOUT);
    stoker_checker_close(&checker);
    cut_off(); /* the reader wakes: nothing may crash */
    sleep(1);
}
END_TEST

#if defined(STOKER_COMMAND)
static void link_photo(const char *name)
{
    char from[256], to[256];

    snprintf(from, sizeof from, "%s/%s", mount_at, name);
    snprintf(to, sizeof to, "%s/photos/class/%s", top, name);
    ck_assert_int_eq(symlink(from, to), 0);
}

/* The kernel keeps a process that hangs in FUSE until that is answered: so
 * the report is read first, and then the mount is cut off. */
START_TEST(test_scan_names_what_hangs_and_ends)
{
    char command[512], line[512], stalled[512] = "", sum[512] = "";

    snprintf(command, sizeof command, "mkdir -p %s/photos/class", top);
    ck_assert_int_eq(system(command), 0);
    link_photo("good.jpg");
    link_photo("hang_.jpg");
    link_photo("opens_.jpg");
    snprintf(command, sizeof command,
             "ASAN_OPTIONS=detect_leaks=0 %s scan %s/photos --jobs 1 "
             "--stall-timeout 1",
             STOKER_COMMAND, top);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    while (!sum[0] && fgets(line, sizeof line, f)) {
        if (strstr(line, "hang_.jpg: stalled"))
            strcpy(stalled, line);
        if (strstr(line, "images, "))
            strcpy(sum, line);
    }
    cut_off();
    int status = pclose(f);
    snprintf(command, sizeof command, "rm -r %s/photos", top);
    ck_assert_int_eq(system(command), 0);
    ck_assert_msg(stalled[0] && strstr(sum, "3 images, 2 bad"), "'%s' '%s'",
                  stalled, sum);
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    stalled[strcspn(stalled, "\n")] = '\0';
    seen("scan of a hang", -ETIMEDOUT, stalled + strspn(stalled, " "));
}
END_TEST
#endif

static void setup(void)
{
    if (is_mounted())
        return;
    umount2(mount_at, MNT_DETACH); /* what a failed test left */
    if (mount_slow() != 0)
        ck_abort_msg("cannot mount again");
}

static void teardown(void)
{
    cut_off();
    umount2(mount_at, MNT_DETACH);
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
    tcase_add_test(tc, test_checker_leaves_what_hangs_and_goes_on);
    tcase_add_test(tc, test_checker_closes_over_a_hang);
#if defined(STOKER_COMMAND)
    tcase_add_test(tc, test_scan_names_what_hangs_and_ends);
#endif
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
