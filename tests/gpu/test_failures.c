/* What the driver may do to a loader: fail at any call of any entry point,
 * lose its device, shut down before us.  Nothing hangs, nothing is written too
 * early, and plain memory goes on. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu_rig.h"
#include "run_suite.h"

enum { N_BATCHES = 6 };

static const struct mode {
    const char *name;
    int device, dtype, pin, guard;
    bool has_arena;
} modes[] = {
    {"host", -1, STOKER_U8, STOKER_PIN_REQUIRE, STOKER_GUARD_STREAMS, false},
    {"host, if it can", -1, STOKER_U8, STOKER_PIN_AUTO, STOKER_GUARD_STREAMS,
     true},
    {"host, context", -1, STOKER_U8, STOKER_PIN_REQUIRE, STOKER_GUARD_CONTEXT,
     false},
    {"device", 0, STOKER_U8, STOKER_PIN_OFF, STOKER_GUARD_STREAMS, false},
    {"device, kernel", 0, STOKER_F16, STOKER_PIN_OFF, STOKER_GUARD_STREAMS,
     false},
    {"device, context", 0, STOKER_U8, STOKER_PIN_OFF, STOKER_GUARD_CONTEXT,
     false},
};
enum { N_MODES = sizeof modes / sizeof modes[0] };

static stoker_options options_of(const struct mode *mode)
{
    stoker_options opt = rig_options(mode->device, mode->dtype);

    opt.pin = mode->pin;
    opt.guard = mode->guard;
    opt.n_slots = opt.n_device_buffers = 2;
    opt.huge_pages = 0;
    opt.n_workers = 1;
    opt.stall_timeout_ms = 5000;
    return opt;
}

/* Of one run: its streams and what its late readers saw. */
struct run {
    CUstream stream;
    CUdeviceptr to;
    uint8_t got[N_BATCHES][IMAGE];
    int64_t want[N_BATCHES][ROWS];
    int n; /* batches whose pixels are due */
};

/* Device mode: the late copy back of a batch that was handed out, acquired and
 * released without an error holds its own pixels. */
static int use_on_device(struct run *run, stoker_batch *batch, bool is_u8)
{
    stoker_tensor image = rig_tensor(batch, "image");

    memcpy(run->want[run->n], rig_tensor(batch, "id").data,
           sizeof run->want[0]);
    int rc = stoker_batch_acquire(batch, run->stream, &rig.err);
    if (rc == 0) {
        rig.spare(1);
        rig.copy_back(run->got[run->n], (CUdeviceptr)(uintptr_t)image.data,
                      IMAGE, run->stream);
        rig.spare(0);
        run->n += is_u8;
    }
    int second =
        stoker_batch_release_on(batch, run->stream, rc < 0 ? NULL : &rig.err);
    return rc < 0 ? rc : second;
}

static int play(struct run *run, stoker_loader *loader, const struct mode *mode)
{
    stoker_batch *batch;
    int rc = 0;

    for (int i = 0; i < N_BATCHES && rc >= 0; i++) {
        rc = stoker_loader_mark(loader, run->stream, &rig.err);
        if (rc == 0)
            rc = stoker_loader_next(loader, &batch, 20000, &rig.err);
        if (rc)
            break;
        if (mode->device >= 0)
            rc = use_on_device(run, batch, mode->dtype == STOKER_U8);
        else if (rig_tensor(batch, "image").pinned)
            rig_copy_and_forget(batch, run->to, run->stream);
        else
            stoker_batch_release(batch);
    }
    return rc;
}

static void check_pixels(const struct run *run)
{
    for (int i = 0; i < run->n; i++)
        for (int k = 0; k < IMAGE; k++)
            ck_assert_int_eq(run->got[i][k], run->want[i][k / ROW]);
}

static void *map_arena(stoker_options *opt)
{
    ck_assert_int_eq(stoker_arena_bytes(opt, &opt->arena_bytes, &rig.err), 0);
    opt->arena = mmap(NULL, opt->arena_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return opt->arena;
}

/* One life of a loader whose n-th driver call fails; what it ended with. */
static int live(struct run *run, const struct mode *mode, int n, int code,
                bool for_ever)
{
    stoker_options opt = options_of(mode);
    stoker_loader *loader = NULL;

    run->n = 0;
    if (mode->has_arena)
        map_arena(&opt);
    rig.fail_call("*", n, code, for_ever);
    int rc = stoker_loader_open(&loader, rig.ds, &opt, &rig.err);
    if (rc == 0)
        rc = play(run, loader, mode);
    rig.spare(1);
    rig.user.cuStreamSynchronize(run->stream);
    rig.spare(0);
    if (loader)
        ck_assert_msg(stoker_loader_close(&loader) == 0, "%s: close, call %d",
                      mode->name, n);
    rig.fail_call(NULL, 0, 0, 0);
    ck_assert_msg(rc != STOKER_TIMEOUT && rc != -EBUSY,
                  "%s: starves when call %d fails", mode->name, n);
    if (rc < 0)
        ck_assert_msg(rig.err.text[0] != '\0', "%s: call %d", mode->name, n);
    check_pixels(run);
    return rc;
}

static void begin_run(struct run *run)
{
    rig.may_leave = true;
    rig.forgive_depth();
    setenv("STANDIN_LAZY", "1", 1);
    rig.pace(4, 20, 0);
    rig.user.cuStreamCreate(&run->stream, 1);
    rig.user.cuMemAlloc(&run->to, IMAGE);
}

START_TEST(test_any_driver_call_may_fail_in_any_mode)
{
    static const int codes[] = {719, 2}; /* a failed launch, no memory */
    const struct mode *mode = &modes[_i % N_MODES];
    const bool for_ever = _i / N_MODES;
    struct run run;
    int n = 0, n_tried = 0, n_errors = 0;
    int64_t before;

    begin_run(&run);
    do {
        before = rig.calls(NULL, 0);
        /* In a short run every third, once the loader is open. */
        n += n > 30 && !getenv("STOKER_LONG") ? 3 : 1;
        n_tried++;
        n_errors += live(&run, mode, n, codes[n % 2], for_ever) < 0;
        ck_assert_msg(rig_counts().violations == 0, "%s: call %d", mode->name,
                      n);
    } while (rig.calls(NULL, 0) - before >= n);
    printf("%s, %s: %d of %d calls made to fail, %d errors\n", mode->name,
           for_ever ? "for ever" : "once", n_tried, n, n_errors);
    ck_assert_int_gt(n, 20);
}
END_TEST

/* Every entry point that the library has, named by its own table, has really
 * been made to fail: alone, also in what doctor asks. */
START_TEST(test_each_entry_point_of_the_table_can_fail)
{
    static const char *const names[] = {
#define NAME(name, symbol, arguments) #name,
        STK_CUDA_CALLS(NAME) STK_CUDA_LATER_CALLS(NAME)
#undef NAME
    };
    static const char *const unused[] = {"cuEventQuery"};
    stoker_device_info info = {.size = sizeof info};
    stoker_system system = {.size = sizeof system};
    struct run run;

    begin_run(&run);
    rig.pace(4, 0, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int m = 0; m < N_MODES; m++) {
            stoker_options opt = options_of(&modes[m]);
            stoker_loader *loader = NULL;
            run.n = 0;
            if (modes[m].has_arena)
                map_arena(&opt);
            rig.fail_call(names[i], 1, 719, 0);
            if (stoker_loader_open(&loader, rig.ds, &opt, &rig.err) == 0)
                play(&run, loader, &modes[m]);
            if (loader)
                ck_assert_int_eq(stoker_loader_close(&loader), 0);
            rig.fail_call(NULL, 0, 0, 0);
        }
        /* Slow: it registers 64 MB. */
        if (getenv("STOKER_LONG") || rig.calls(names[i], 1) == 0) {
            rig.fail_call(names[i], 1, 719, 0);
            stoker_device_measure(0, &info, &rig.err);
            stoker_system_get(&system);
            rig.fail_call(NULL, 0, 0, 0);
        }
        /* Some are called only after another one has failed. */
        for (int n = 1; n < 80 && rig.calls(names[i], 1) == 0; n++)
            live(&run, &modes[3], n, 719, true);
        if (rig.calls(names[i], 1) == 0) {
            bool is_known = false;
            for (size_t k = 0; k < sizeof unused / sizeof unused[0]; k++)
                is_known = is_known || strcmp(names[i], unused[k]) == 0;
            ck_assert_msg(is_known, "%s was never made to fail", names[i]);
        }
    }
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

static void check_plain(int pin, const char *reason)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    stoker_stats stats = {.size = sizeof stats};

    opt.pin = pin;
    stoker_loader *loader = rig_open(&opt);
    for (int i = 0; i < 10; i++) {
        stoker_batch *batch = rig_next(loader);
        const uint8_t *image = rig_tensor(batch, "image").data;
        const int64_t *id = rig_tensor(batch, "id").data;
        for (int k = 0; k < IMAGE; k++)
            ck_assert_int_eq(image[k], id[k / ROW]);
        stoker_batch_release(batch);
    }
    stoker_loader_stats(loader, &stats);
    ck_assert_msg(strstr(stats.pin_reason, reason), "%s", stats.pin_reason);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
}

/* The device falls away in the middle, with copies in flight and a batch held:
 * one clear error, again at each call; close comes back; others go on. */
START_TEST(test_lost_device_ends_the_run_and_nothing_else)
{
    const struct mode *mode = &modes[_i % N_MODES];
    const int code = _i / N_MODES ? 2 : 719;
    struct run run = {0};
    stoker_batch *batch, *held;
    int rc = 0;

    begin_run(&run);
    rig.pace(11, 2000, 0);
    stoker_options opt = options_of(mode);
    opt.n_slots = opt.n_device_buffers = 3;
    if (mode->has_arena)
        map_arena(&opt);
    stoker_loader *loader = rig_open(&opt);
    held = rig_next(loader);
    ck_assert_int_eq(play(&run, loader, mode), 0);
    rig.fail_call("*", 1, code, 1);
    for (int i = 0; i < 40 && rc >= 0; i++) {
        rc = stoker_loader_next(loader, &batch, 20000, &rig.err);
        ck_assert_int_ne(rc, STOKER_TIMEOUT);
        if (rc == 0)
            stoker_batch_release(batch);
    }
    ck_assert_int_lt(rc, 0);
    ck_assert_msg(strstr(rig.err.text, "cu"), "%s", rig.err.text);
    ck_assert_int_lt(stoker_loader_next(loader, &batch, 20000, &rig.err), 0);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    stoker_batch_release(held);
    check_plain(STOKER_PIN_OFF, "");
    check_plain(STOKER_PIN_AUTO, "not pinned: cu");
    rig.fail_call(NULL, 0, 0, 0);
    opt = options_of(mode);
    opt.arena = NULL;
    loader = rig_open(&opt);
    run.n = 0;
    ck_assert_int_eq(play(&run, loader, mode), 0);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    ck_assert_int_eq(rig_counts().early_reuses, 0);
}
END_TEST

/* At the process's end the driver may go first; its streams, too. */
START_TEST(test_driver_that_has_shut_down_counts_as_done)
{
    const struct mode *mode = &modes[_i];
    struct run run = {0};

    begin_run(&run);
    stoker_options opt = options_of(mode);
    stoker_loader *loader = rig_open(&opt);
    stoker_batch *held = rig_next(loader);
    rig.shut_down();
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    stoker_batch_release(held);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

struct sleeper {
    stoker_loader *loader;
    int rc;
    stoker_error err;
};

static void *sleep_in_next(void *self)
{
    struct sleeper *sleeper = self;
    stoker_batch *batch;

    sleeper->rc =
        stoker_loader_next(sleeper->loader, &batch, -1, &sleeper->err);
    if (sleeper->rc == 0)
        stoker_batch_release(batch);
    return NULL;
}

static bool sleeps(struct stk_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    bool found = guard->n_waiting > 0;
    pthread_mutex_unlock(&guard->lock);
    return found;
}

/* All batches are held, one dies while the consumer sleeps for as long as it
 * takes, and no event can be recorded for it. */
START_TEST(test_mark_that_fails_while_the_consumer_sleeps_is_told)
{
    const struct mode *mode = &modes[_i];
    struct run run = {0};
    struct sleeper sleeper = {0};
    pthread_t thread;
    stoker_batch *held[2];

    begin_run(&run);
    stoker_options opt = options_of(mode);
    opt.pin = mode->device < 0 ? STOKER_PIN_REQUIRE : STOKER_PIN_OFF;
    stoker_loader *loader = sleeper.loader = rig_open(&opt);
    for (int i = 0; i < 2; i++)
        held[i] = rig_next(loader);
    pthread_create(&thread, NULL, sleep_in_next, &sleeper);
    while (!sleeps(&loader->home->gpu->guard))
        sched_yield();
    rig.fail_call(mode->guard ? "cuCtxRecordEvent" : "cuEventRecord", 1, 719,
                  1);
    stoker_batch_release(held[0]);
    pthread_join(thread, NULL);
    ck_assert_int_lt(sleeper.rc, 0);
    ck_assert_msg(strstr(sleeper.err.text, "RecordEvent") ||
                      strstr(sleeper.err.text, "EventRecord"),
                  "%s", sleeper.err.text);
    rig.fail_call(NULL, 0, 0, 0);
    stoker_batch_release(held[1]);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("failures");
    TCase *tc = tcase_create("failures");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    tcase_add_loop_test(tc, test_any_driver_call_may_fail_in_any_mode, 0,
                        2 * N_MODES);
    tcase_add_test(tc, test_each_entry_point_of_the_table_can_fail);
    tcase_add_loop_test(tc, test_lost_device_ends_the_run_and_nothing_else, 0,
                        2 * N_MODES);
    tcase_add_loop_test(tc, test_driver_that_has_shut_down_counts_as_done, 0,
                        N_MODES);
    tcase_add_loop_test(
        tc, test_mark_that_fails_while_the_consumer_sleeps_is_told, 0, N_MODES);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
