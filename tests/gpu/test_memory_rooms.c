/* Where batches lie: huge pages, the caller's arena, pages that cannot be
 * pinned; and consumers that sleep, capture graphs, or leave in a hurry. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu_rig.h"

static stoker_stats stats_of(stoker_loader *loader)
{
    stoker_stats stats = {.size = sizeof stats};
    stoker_loader_stats(loader, &stats);
    return stats;
}

/* Every pixel of a few batches is its row's id. */
static void check_pixels(stoker_loader *loader)
{
    for (int i = 0; i < 8; i++) {
        stoker_batch *batch = rig_next(loader);
        const uint8_t *image = rig_tensor(batch, "image").data;
        const int64_t *id = rig_tensor(batch, "id").data;
        for (int k = 0; k < IMAGE; k++)
            ck_assert_int_eq(image[k], id[k / ROW]);
        stoker_batch_release(batch);
    }
}

START_TEST(test_every_kind_of_page_holds_the_same_pixels)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    opt.huge_pages = _i;
    opt.numa_node = _i == 2 ? 0 : -1;
    stoker_loader *loader = rig_open(&opt);
    check_pixels(loader);
    if (_i == 2) /* either there are such pages, or it says why not */
        printf("hugetlb: %s\n", stats_of(loader).memory_reason);
    stoker_loader_close(&loader);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_memory_that_cannot_be_pinned_is_plain_and_says_why)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    opt.pin = STOKER_PIN_AUTO;
    rig.fail_call("cuMemHostRegister", 1 + _i, 2, 1);
    stoker_loader *loader = rig_open(&opt);
    check_pixels(loader);
    stoker_stats stats = stats_of(loader);
    ck_assert_msg(strstr(stats.pin_reason, "not pinned: cuMemHostRegister"),
                  "%s", stats.pin_reason);
    stoker_loader_close(&loader);
    rig.fail_call("cuMemHostRegister", 1 + _i, 2, 1);
    opt.pin = STOKER_PIN_REQUIRE;
    loader = rig_open(&opt);
    stoker_batch *batch;
    int rc = 0;
    for (int i = 0; i < 8 && rc == 0; i++) {
        rc = stoker_loader_next(loader, &batch, 20000, &rig.err);
        if (rc == 0)
            stoker_batch_release(batch);
    }
    ck_assert_int_lt(rc, 0);
    ck_assert_msg(strstr(rig.err.text, "cuMemHostRegister"), "%s",
                  rig.err.text);
    stoker_loader_close(&loader);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

/* A driver that refuses to pin: the limit that may be why is named. */
START_TEST(test_limit_on_locked_memory_is_explained)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    struct rlimit small = {64 << 10, 64 << 10};
    stoker_stats stats = {.size = sizeof stats};

    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &small), 0);
    stoker_loader *loader = rig_open(&opt); /* by itself no reason to fail */
    stoker_batch_release(rig_next(loader));
    stoker_loader_stats(loader, &stats);
    ck_assert_str_eq(stats.pin_reason, "");
    stoker_loader_close(&loader);
    rig.fail_call("cuMemHostRegister", 1, 2, 1);
    opt.pin = STOKER_PIN_AUTO;
    loader = rig_open(&opt);
    stoker_batch_release(rig_next(loader));
    stoker_loader_stats(loader, &stats);
    ck_assert_msg(strstr(stats.pin_reason, "OUT_OF_MEMORY") &&
                      strstr(stats.pin_reason, "ulimit -l) is 64 KB"),
                  "%s", stats.pin_reason);
    stoker_loader_close(&loader);
}
END_TEST

START_TEST(test_arena_that_the_caller_registered_stays_registered)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    size_t bytes;

    ck_assert_int_eq(stoker_arena_bytes(&opt, &bytes, &rig.err), 0);
    void *arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    opt.arena = arena;
    opt.arena_bytes = bytes;
    if (_i)
        ck_assert_int_eq(rig.user.cuMemHostRegister(arena, bytes, 1), 0);
    stoker_loader *loader = rig_open(&opt);
    check_pixels(loader);
    stoker_batch *batch = rig_next(loader);
    ck_assert_int_eq(rig_tensor(batch, "image").pinned, 1);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
    if (_i) /* still there: the stand-in would call it a violation */
        ck_assert_int_eq(rig.user.cuMemHostUnregister(arena), 0);
    munmap(arena, bytes);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

/* The caller pinned only the first batch of his arena, or all but the last. */
START_TEST(test_arena_pinned_in_part_is_refused)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    stoker_stats stats;
    size_t bytes;

    ck_assert_int_eq(stoker_arena_bytes(&opt, &bytes, &rig.err), 0);
    size_t part = _i ? bytes - bytes / 4 : bytes / 4;
    opt.arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    opt.arena_bytes = bytes;
    ck_assert_int_eq(rig.user.cuMemHostRegister(opt.arena, part, 1), 0);
    opt.pin = STOKER_PIN_AUTO;
    stoker_loader *loader = rig_open(&opt);
    check_pixels(loader);
    do
        stats = stats_of(loader);
    while (!stats.pin_reason[0]);
    ck_assert_msg(strstr(stats.pin_reason, "pinned a part"), "%s",
                  stats.pin_reason);
    stoker_loader_close(&loader);
    ck_assert_int_eq(rig.user.cuMemHostUnregister(opt.arena), 0);
    munmap(opt.arena, bytes);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

/* Buffer 0 first; the others behind the first batch, and buffer by buffer. */
START_TEST(test_first_batch_waits_for_its_own_buffer_only)
{
    stoker_options opt = rig_options(_i - 1, STOKER_U8);

    opt.n_slots = 8;
    rig.hold("cuMemHostRegister", 2); /* the second stands still */
    stoker_loader *loader = rig_open(&opt);
    stoker_batch *batch = rig_next(loader);
    rig.wait_held();
    ck_assert_int_eq(rig.calls("cuMemHostRegister", 0), 2);
    if (_i == 0) {
        ck_assert_ptr_eq(rig_tensor(batch, "image").data,
                         loader->home->memory.data);
        ck_assert_int_eq(rig_tensor(batch, "image").pinned, 1);
    }
    rig.hold(NULL, 0);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

static void *release_later(void *batch)
{
    usleep(20000); /* the consumer is asleep in next by then, mostly */
    stoker_batch_release(batch);
    return NULL;
}

START_TEST(test_batch_that_dies_while_the_consumer_sleeps_comes_back)
{
    for (int device = -1; device <= 0; device++) {
        stoker_options opt = rig_options(device, STOKER_U8);
        stoker_batch *held[3], *more;
        pthread_t other;
        opt.n_slots = opt.n_device_buffers = 3;
        stoker_loader *loader = rig_open(&opt);
        for (int i = 0; i < 3; i++)
            held[i] = rig_next(loader);
        pthread_create(&other, NULL, release_later, held[0]);
        /* One call, as long as it takes: nobody marks for it. */
        ck_assert_int_eq(stoker_loader_next(loader, &more, -1, &rig.err), 0);
        pthread_join(other, NULL);
        stoker_batch_release(more);
        stoker_batch_release(held[1]);
        stoker_batch_release(held[2]);
        stoker_loader_close(&loader);
    }
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_slot_of_a_captured_stream_waits_for_the_captures_end)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    stoker_batch *batch;
    CUstream stream;

    opt.n_slots = 2;
    stoker_loader *loader = rig_open(&opt);
    rig.user.cuStreamCreate(&stream, 1);
    ck_assert_int_eq(stoker_loader_mark(loader, stream, &rig.err), 0);
    rig.capture_stream(stream);
    ck_assert_int_eq(stoker_batch_release_on(rig_next(loader), stream, NULL),
                     0);
    stoker_batch_release(rig_next(loader));
    ck_assert_int_eq(stoker_loader_mark(loader, stream, NULL), 0);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, 50, &rig.err),
                     STOKER_TIMEOUT);
    rig.capture_stream(NULL);
    stoker_batch_release(rig_next(loader));
    stoker_loader_close(&loader);
    rig.user.cuStreamDestroy(stream);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_more_streams_than_a_batch_remembers)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    stoker_loader *loader = rig_open(&opt);
    stoker_batch *batch = rig_next(loader);
    CUstream streams[STK_GUARD_STREAMS + 1];

    for (int i = 0; i <= STK_GUARD_STREAMS; i++)
        rig.user.cuStreamCreate(&streams[i], 1);
    for (int i = 0; i < STK_GUARD_STREAMS; i++)
        ck_assert_int_eq(
            stoker_batch_record_stream(batch, streams[i], &rig.err), 0);
    ck_assert_int_lt(
        stoker_batch_record_stream(batch, streams[STK_GUARD_STREAMS], &rig.err),
        0);
    /* The ninth may still be the one that it is released on. */
    ck_assert_int_eq(
        stoker_batch_release_on(batch, streams[STK_GUARD_STREAMS], &rig.err),
        0);
    check_pixels(loader);
    stoker_loader_close(&loader);
    for (int i = 0; i <= STK_GUARD_STREAMS; i++)
        rig.user.cuStreamDestroy(streams[i]);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_device_info_is_measured)
{
    stoker_device_info info = {.size = sizeof info};

    rig.pace(1, 0, 10e9);
    ck_assert_int_eq(stoker_device_measure(0, &info, &rig.err), 0);
    ck_assert_str_eq(info.name, "stand-in");
    ck_assert_int_eq(info.register_bytes, 64 << 20);
    ck_assert_msg(info.copy_bytes_s > 1e8, "%g", info.copy_bytes_s);
    ck_assert_int_lt(stoker_device_measure(7, &info, &rig.err), 0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

static int leaving_device = -1, leaving_guard;

/* Run alone, without a fork: the process ends behind it, with copies in
 * flight and nothing closed. */
START_TEST(test_leave_in_a_hurry)
{
    CUdeviceptr to;

    rig_setup();
    rig.pace(3, 5000, 0);
    stoker_options opt = rig_options(leaving_device, STOKER_U8);
    opt.guard = leaving_guard;
    stoker_loader *loader = rig_open(&opt);
    rig.user.cuMemAlloc(&to, IMAGE);
    for (int i = 0; i < 6; i++)
        if (leaving_device < 0)
            rig_copy_and_forget(rig_next(loader), to, NULL);
        else
            stoker_batch_release_on(rig_next(loader), NULL, &rig.err);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

static int run(TCase *tc, bool forks)
{
    Suite *s = suite_create("memory rooms");
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_set_fork_status(sr, forks ? CK_FORK : CK_NOFORK);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static char *self;

START_TEST(test_process_may_end_with_copies_in_flight)
{
    static char *const how[] = {"leave-host", "leave-context", "leave-device"};
    char *const arguments[] = {self, how[_i], NULL};
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        /* What a process holds when it ends in mid-copy is no leak. */
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
        setenv("TSAN_OPTIONS", "report_thread_leaks=0", 1);
        execv("/proc/self/exe", arguments);
        _exit(127);
    }
    waitpid(child, &status, 0);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
}
END_TEST

int main(int argc, char **argv)
{
    self = argv[0];
    TCase *tc = tcase_create("memory rooms");
    if (argc == 2) {
        leaving_device = strcmp(argv[1], "leave-device") == 0 ? 0 : -1;
        leaving_guard = strcmp(argv[1], "leave-context") == 0;
        tcase_add_test(tc, test_leave_in_a_hurry);
        return run(tc, false);
    }
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    tcase_add_loop_test(tc, test_every_kind_of_page_holds_the_same_pixels, 0,
                        3);
    tcase_add_loop_test(
        tc, test_memory_that_cannot_be_pinned_is_plain_and_says_why, 0, 3);
    tcase_add_loop_test(
        tc, test_arena_that_the_caller_registered_stays_registered, 0, 2);
    tcase_add_loop_test(tc, test_arena_pinned_in_part_is_refused, 0, 2);
    tcase_add_loop_test(tc, test_first_batch_waits_for_its_own_buffer_only, 0,
                        2);
    tcase_add_test(tc,
                   test_batch_that_dies_while_the_consumer_sleeps_comes_back);
    tcase_add_test(tc,
                   test_slot_of_a_captured_stream_waits_for_the_captures_end);
    tcase_add_test(tc, test_more_streams_than_a_batch_remembers);
    tcase_add_test(tc, test_device_info_is_measured);
    tcase_add_test(tc, test_limit_on_locked_memory_is_explained);
    tcase_add_loop_test(tc, test_process_may_end_with_copies_in_flight, 0, 3);
    return run(tc, true);
}
