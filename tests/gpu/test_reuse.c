/* No slot is written before its last reader has finished: long runs with
 * random delays in every mode.  test_mutants.c shows that they would see it.
 * STOKER_LONG=1: 10,000 batches a mode. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "reuse_runs.h"
#include "run_suite.h"

static int n_batches(void)
{
    return getenv("STOKER_LONG") ? 10000 : 500;
}

/* Delays whose seed is the mode's own. */
static void begin(int seed)
{
    rig.pace((uint64_t)seed, 300, 0);
}

static void end(const char *mode, int64_t n_early)
{
    struct standin_counts counts = rig_counts();

    printf("%s: %d batches, %lld copies, %lld early reuses, %lld violations\n",
           mode, n_batches(), (long long)counts.copies, (long long)n_early,
           (long long)counts.violations);
    ck_assert_int_eq(n_early, 0);
    ck_assert_int_eq(counts.violations, 0);
}

START_TEST(test_pinned_slots_wait_for_the_consumers_copies)
{
    begin(7);
    end("host", reuse_run_host(n_batches(), (struct reuse_run){0}));
}
END_TEST

START_TEST(test_pinned_slots_wait_for_recorded_streams)
{
    begin(17);
    end("host, two streams",
        reuse_run_host(n_batches(),
                       (struct reuse_run){.uses_second_stream = true}));
}
END_TEST

/* Nobody marks and nobody names a stream: the context's events see all. */
START_TEST(test_pinned_slots_wait_for_streams_that_nobody_named)
{
    begin(27);
    end("host, guarded by context",
        reuse_run_host(n_batches(),
                       (struct reuse_run){.guard = STOKER_GUARD_CONTEXT,
                                          .uses_second_stream = true,
                                          .forgets_record = true,
                                          .forgets_mark = true}));
}
END_TEST

START_TEST(test_device_buffers_wait_for_the_stream_released_on)
{
    begin(8);
    end("device, release on",
        reuse_run_device(n_batches(), (struct reuse_run){0}));
}
END_TEST

START_TEST(test_device_buffers_wait_for_the_stream_marked)
{
    begin(18);
    end("device, mark",
        reuse_run_device(n_batches(), (struct reuse_run){.uses_mark = true}));
}
END_TEST

START_TEST(test_device_buffers_of_the_kernel_wait_too)
{
    begin(28);
    end("device, kernel",
        reuse_run_device(n_batches(), (struct reuse_run){.is_float = true}));
}
END_TEST

START_TEST(test_device_buffers_wait_for_the_context)
{
    begin(38);
    end("device, guarded by context",
        reuse_run_device(n_batches(),
                         (struct reuse_run){.guard = STOKER_GUARD_CONTEXT}));
}
END_TEST

START_TEST(test_threads_with_streams_of_their_own_share_a_loader)
{
    begin(48 + _i);
    end(_i ? "device, three threads" : "host, three threads",
        reuse_run_threads(n_batches(), _i - 1));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reuse");
    TCase *tc = tcase_create("reuse");
    tcase_set_timeout(tc, 900);
    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    tcase_add_test(tc, test_pinned_slots_wait_for_the_consumers_copies);
    tcase_add_test(tc, test_pinned_slots_wait_for_recorded_streams);
    tcase_add_test(tc, test_pinned_slots_wait_for_streams_that_nobody_named);
    tcase_add_test(tc, test_device_buffers_wait_for_the_stream_released_on);
    tcase_add_test(tc, test_device_buffers_wait_for_the_stream_marked);
    tcase_add_test(tc, test_device_buffers_of_the_kernel_wait_too);
    tcase_add_test(tc, test_device_buffers_wait_for_the_context);
    tcase_add_loop_test(
        tc, test_threads_with_streams_of_their_own_share_a_loader, 0, 2);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
