/* The loader over a file system that really fails (fuse_slow): stalls, EIO,
 * ESTALE, short files, sizes that lie, by both engines. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuse_rig.h"
#include "photos.h"
#include "seen.h"

static stoker_error err;
static stoker_transform crop;

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

/* Whose close() hangs is not whose read has waited longest. */
START_TEST(test_of_many_files_the_hanging_one_is_named)
{
    enum { N = 8 };
    stoker_options opt = photos_options(&crop);
    stoker_item items[N];
    char paths[N][128];
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;

    for (int i = 0; i < N; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s_%d.jpg", mount_at,
                 i == N / 2 ? "close" : "slow", i);
        items[i] = (stoker_item){.path = paths[i], .length = -1};
    }
    opt.io = engine(_i);
    opt.batch_size = N;
    opt.shuffle = 0;
    opt.n_workers = 1;
    opt.stall_timeout_ms = STALL_MS;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, N, sizeof *items, &err), 0);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    stoker_dataset_free(ds);
    int rc = stoker_loader_next(loader, &batch, 20000, &err);
    ck_assert_msg(rc == -ETIMEDOUT && strstr(err.text, paths[N / 2]), "%d %s",
                  rc, err.text);
    ck_assert_int_eq(stoker_loader_close(&loader), -ETIMEDOUT);
    cut_off();
    sleep(1); /* the lost worker comes back meanwhile */
}
END_TEST

/* The second try falls into a moment in which the worker only looks for what
 * has been read, because it has photos in memory to go on with: enough of them
 * for longer than the pause before that try. */
START_TEST(test_hang_of_a_second_try_is_told_while_others_are_ready)
{
    enum { N_ROWS = 100, N_BATCHES = 64, N = N_ROWS * N_BATCHES };
    static stoker_item items[N];
    static struct photos photos;
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    char path[128];

    photos_make(&photos, 1);
    for (int i = 0; i < N; i++)
        items[i] = photos.items[0];
    snprintf(path, sizeof path, "%s/again_.jpg", mount_at);
    items[0] = (stoker_item){.path = path, .length = -1};
    opt.io = engine(_i);
    opt.batch_size = N_ROWS;
    opt.n_slots = N_BATCHES;
    opt.huge_pages = 0;
    opt.shuffle = 0;
    opt.n_workers = 1;
    opt.stall_timeout_ms = STALL_MS;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, N, sizeof *items, &err), 0);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    stoker_dataset_free(ds);
    int rc = stoker_loader_next(loader, &batch, 5000, &err);
    ck_assert_msg(rc == -ETIMEDOUT && strstr(err.text, "again_.jpg: stalled"),
                  "%d %s", rc, err.text);
    ck_assert_int_eq(stoker_loader_close(&loader), -ETIMEDOUT);
    cut_off();
    sleep(1); /* the lost worker comes back meanwhile */
}
END_TEST

/* 16 workers with 8 reads each, all in flight, would need 144. */
START_TEST(test_many_workers_leave_descriptors_to_the_program)
{
    enum { N = 400 };
    static stoker_item items[N];
    const struct rlimit few = {64, 64};
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    stoker_stats stats = {.size = sizeof stats};
    char path[128];
    int rc;

    snprintf(path, sizeof path, "%s/slow_.jpg", mount_at);
    for (int i = 0; i < N; i++)
        items[i] = (stoker_item){.path = path, .length = -1};
    opt.io = engine(_i);
    opt.n_workers = 16;
    opt.retry_ms = 1;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, N, sizeof *items, &err), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    stoker_dataset_free(ds);
    while ((rc = stoker_loader_next(loader, &batch, 20000, &err)) == 0)
        stoker_batch_release(batch);
    ck_assert_msg(rc == STOKER_END, "%d %s", rc, err.text);
    stoker_loader_stats(loader, &stats);
    ck_assert_int_eq(stats.n_retries, 0);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
}
END_TEST

/* Asks again and again, as a monitor does. */
struct monitor {
    stoker_loader *loader;
    atomic_int n_answers, is_over;
};

static void *ask_stats(void *self)
{
    struct monitor *monitor = self;
    stoker_stats stats = {.size = sizeof stats};

    while (!atomic_load(&monitor->is_over)) {
        stoker_loader_stats(monitor->loader, &stats);
        atomic_fetch_add(&monitor->n_answers, 1);
        usleep(STALL_MS * 1000 / 50);
    }
    return NULL;
}

/* One line is tried, however many are bad, and other threads' questions are
 * answered while it hangs. */
START_TEST(test_stats_answer_while_a_ledger_hangs)
{
    static struct photos photos;
    stoker_options opt = photos_options(&crop);
    struct monitor monitor = {0};
    stoker_batch *batch;
    pthread_t thread;
    char path[128];

    photos_make(&photos, 20);
    for (int i = 3; i < 13; i++)
        photos_break(&photos, i);
    stoker_dataset *ds = photos_dataset(&photos);
    snprintf(path, sizeof path, "%s/hang_", mount_at);
    opt.on_error = STOKER_MASK;
    opt.batch_size = 20;
    opt.ledger_path = path;
    opt.stall_timeout_ms = STALL_MS;
    ck_assert_int_eq(stoker_loader_open(&monitor.loader, ds, &opt, &err), 0);
    pthread_create(&thread, NULL, ask_stats, &monitor);
    double start = now();
    ck_assert_int_eq(stoker_loader_next(monitor.loader, &batch, 20000, &err),
                     -ETIMEDOUT);
    ck_assert_double_lt(now() - start, STALL_MS / 1000.0 + 2);
    ck_assert_int_gt(atomic_load(&monitor.n_answers), 10);
    atomic_store(&monitor.is_over, 1);
    pthread_join(thread, NULL);
    stoker_loader_close(&monitor.loader);
    stoker_dataset_free(ds);
    cut_off();
    sleep(1); /* the lost thread comes back meanwhile */
}
END_TEST

static bool is_open(const char *path)
{
    char at[64], link[256];
    bool found = false;

    for (int fd = 0; fd < 256 && !found; fd++) {
        snprintf(at, sizeof at, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(at, link, sizeof link - 1);
        found = n > 0 && (size_t)n == strlen(path) &&
                strncmp(link, path, (size_t)n) == 0;
    }
    return found;
}

/* The ledger's open, write or close: an error, and close returns; its
 * descriptor goes when the storage is back. */
START_TEST(test_a_ledger_that_hangs_is_told)
{
    static const char *const names[] = {"opens_", "hang_", "close_"};
    static struct photos photos;
    stoker_options opt = photos_options(&crop);
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    char path[128], words[160];

    photos_make(&photos, 20);
    photos_break(&photos, 3);
    stoker_dataset *ds = photos_dataset(&photos);
    snprintf(path, sizeof path, "%s/%s", mount_at, names[_i]);
    snprintf(words, sizeof words, "ledger %s: stalled", path);
    opt.on_error = STOKER_MASK;
    opt.ledger_path = path;
    opt.stall_timeout_ms = STALL_MS;
    int rc = stoker_loader_open(&loader, ds, &opt, &err);
    while (rc == 0 &&
           (rc = stoker_loader_next(loader, &batch, 20000, &err)) == 0)
        stoker_batch_release(batch);
    stoker_dataset_free(ds);
    ck_assert_msg(_i == 2 ? rc == STOKER_END
                          : rc == -ETIMEDOUT && strstr(err.text, words),
                  "%d %s", rc, err.text);
    double start = now();
    ck_assert_int_eq(loader ? stoker_loader_close(&loader) : 0, 0);
    ck_assert_double_lt(now() - start, STALL_MS / 1000.0 + 2);
    if (_i == 1)
        seen("ledger hangs", rc, err.text);
    ck_assert(is_open(path) == (_i == 1));
    cut_off();
    start = now();
    while (is_open(path) && now() - start < 10)
        usleep(10000);
    ck_assert(!is_open(path));
    sleep(1); /* the lost thread ends meanwhile */
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

int main(void)
{
    Suite *suite = suite_create("fuse");
    TCase *tc = tcase_create("faults");

    tcase_add_loop_test(tc, test_failing_storage_is_a_sentence, 0,
                        2 * (int)(sizeof rows / sizeof rows[0]));
    tcase_add_loop_test(
        tc, test_hang_ends_with_the_files_name_and_close_returns, 0, 4);
    tcase_add_loop_test(
        tc, test_hang_of_a_second_try_is_told_while_others_are_ready, 0, 2);
    tcase_add_loop_test(tc, test_many_workers_leave_descriptors_to_the_program,
                        0, 2);
    tcase_add_loop_test(tc, test_of_many_files_the_hanging_one_is_named, 0, 2);
    tcase_add_loop_test(tc, test_a_ledger_that_hangs_is_told, 0, 3);
    tcase_add_test(tc, test_stats_answer_while_a_ledger_hangs);
    tcase_add_test(tc,
                   test_seek_after_a_hang_is_refused_and_close_frees_nothing);
    return fuse_rig_run(suite, tc);
}
