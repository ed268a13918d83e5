/* No slot is written before its last reader has finished: long runs with
 * random delays in every mode, and mutants that leave one wait out, each of
 * which the stand-in must catch.  STOKER_LONG=1: 10,000 batches a mode. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu_rig.h"

#if !defined(STK_WATCHES_THREADS)
#define STK_WATCHES_THREADS 0 /* 1: built for the thread sanitizer */
#endif

/* One consumer in host mode and what it, or the loader, leaves out. */
struct host_run {
    void (*mutate)(struct stk_cuda *cuda);
    bool frees_at_once; /* the deleter gives the slot back itself */
    bool forgets_mark;
    bool uses_second_stream, forgets_record;
};

/* The early reuses that were seen in n batches. */
static int64_t run_host(int n, struct host_run run)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    opt.n_slots = 3;
    stoker_loader *loader = rig_open(&opt);
    int64_t before = rig_counts().early_reuses;
    CUdeviceptr to[2]; /* a stream's own */
    CUstream streams[2];

    if (run.mutate)
        run.mutate(&loader->home->gpu->cuda);
    for (int i = 0; i < 2; i++) {
        rig.user.cuMemAlloc(&to[i], IMAGE);
        rig.user.cuStreamCreate(&streams[i], 1);
    }
    for (int i = 0; i < n; i++) {
        int which = run.uses_second_stream && i % 2;
        CUstream used = streams[which];
        if (!run.forgets_mark)
            ck_assert_int_eq(stoker_loader_mark(loader, streams[0], &rig.err),
                             0);
        stoker_batch *batch = rig_next(loader);
        ck_assert_int_eq(rig_tensor(batch, "image").pinned, 1);
        if (used != streams[0] && !run.forgets_record)
            ck_assert_int_eq(stoker_batch_record_stream(batch, used, &rig.err),
                             0);
        if (run.frees_at_once)
            atomic_store(&batch->was_seen, 0);
        rig_copy_and_forget(batch, to[which], used);
    }
    for (int i = 0; i < 2; i++)
        rig.user.cuStreamSynchronize(streams[i]);
    stoker_loader_close(&loader);
    for (int i = 0; i < 2; i++) {
        rig.user.cuStreamDestroy(streams[i]);
        rig.user.cuMemFree(to[i]);
    }
    return rig_counts().early_reuses - before;
}

/* Device mode: late copies back on the consumer's stream must find the
 * batch's own pixels; returns how many batches were wrong. */
static int64_t run_device(int n, void (*mutate)(stoker_loader *), bool acquires,
                          bool releases_on)
{
    enum { KEEP = 64 };
    static uint8_t got[KEEP][IMAGE];
    static int64_t want[KEEP][ROWS];
    stoker_options opt = rig_options(0, STOKER_U8);
    stoker_loader *loader = rig_open(&opt);
    int64_t before = rig_counts().early_reuses, n_wrong = 0;
    CUstream stream;

    if (mutate)
        mutate(loader);
    rig.user.cuStreamCreate(&stream, 1);
    for (int done = 0; done < n; done += KEEP) {
        for (int i = 0; i < KEEP; i++) {
            if (!releases_on)
                stoker_loader_mark(loader, stream, &rig.err);
            stoker_batch *batch = rig_next(loader);
            stoker_tensor image = rig_tensor(batch, "image");
            ck_assert_int_eq(image.device, 0);
            memcpy(want[i], rig_tensor(batch, "id").data, sizeof want[i]);
            if (acquires)
                ck_assert_int_eq(stoker_batch_acquire(batch, stream, &rig.err),
                                 0);
            rig.copy_back(got[i], (CUdeviceptr)(uintptr_t)image.data, IMAGE,
                          stream);
            if (releases_on)
                ck_assert_int_eq(
                    stoker_batch_release_on(batch, stream, &rig.err), 0);
            else
                stoker_batch_release(batch);
        }
        rig.user.cuStreamSynchronize(stream);
        for (int i = 0; i < KEEP; i++) {
            bool good = true;
            for (int k = 0; k < IMAGE; k++)
                good = good && got[i][k] == want[i][k / ROW];
            n_wrong += !good;
        }
    }
    stoker_loader_close(&loader);
    rig.user.cuStreamDestroy(stream);
    return n_wrong + rig_counts().early_reuses - before;
}

static int n_batches(void)
{
    return getenv("STOKER_LONG") ? 10000 : 500;
}

START_TEST(test_pinned_slots_wait_for_the_consumers_copies)
{
    rig.pace(7, 300, 0);
    ck_assert_int_eq(run_host(n_batches(), (struct host_run){0}), 0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_pinned_slots_wait_for_recorded_streams)
{
    rig.pace(17, 300, 0);
    ck_assert_int_eq(
        run_host(n_batches(), (struct host_run){.uses_second_stream = true}),
        0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_device_buffers_wait_for_the_stream_released_on)
{
    rig.pace(8, 300, 0);
    ck_assert_int_eq(run_device(n_batches(), NULL, true, true), 0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_device_buffers_wait_for_the_stream_marked)
{
    rig.pace(18, 300, 0);
    ck_assert_int_eq(run_device(n_batches(), NULL, true, false), 0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

/* ---- mutants of the loader ---------------------------------------------- */

static CUresult no_event_wait(CUevent event)
{
    (void)event;
    return CUDA_SUCCESS;
}

static CUresult no_record(CUevent event, CUstream stream)
{
    (void)event, (void)stream;
    return CUDA_SUCCESS;
}

static CUstream copier; /* the stream that the loader copies on */

static CUresult no_wait_of_the_copier(CUstream stream, CUevent event,
                                      unsigned flags)
{
    return stream == copier ? CUDA_SUCCESS
                            : rig.user.cuStreamWaitEvent(stream, event, flags);
}

static CUresult no_wait_of_the_consumer(CUstream stream, CUevent event,
                                        unsigned flags)
{
    return stream != copier ? CUDA_SUCCESS
                            : rig.user.cuStreamWaitEvent(stream, event, flags);
}

static void without_event_wait(struct stk_cuda *cuda)
{
    cuda->cuEventSynchronize = no_event_wait;
}

static void without_records(struct stk_cuda *cuda)
{
    cuda->cuEventRecord = no_record;
}

static void host_buffer_before_its_copy(stoker_loader *loader)
{
    without_event_wait(&loader->home->gpu->cuda);
}

static void nothing_recorded(stoker_loader *loader)
{
    without_records(&loader->home->gpu->cuda);
}

static void device_buffer_before_its_reader(stoker_loader *loader)
{
    copier = loader->home->gpu->device.stream;
    loader->home->gpu->cuda.cuStreamWaitEvent = no_wait_of_the_copier;
}

static void batch_before_its_copy(stoker_loader *loader)
{
    copier = loader->home->gpu->device.stream;
    loader->home->gpu->cuda.cuStreamWaitEvent = no_wait_of_the_consumer;
}

START_TEST(test_every_mutant_of_host_mode_is_caught)
{
    static const struct host_run mutants[] = {
        {.mutate = without_event_wait},
        {.mutate = without_records},
        {.frees_at_once = true},
        {.uses_second_stream = true, .forgets_record = true},
        {.forgets_mark = true}, /* of C users: the legacy stream is taken */
    };
    rig.pace(9, 3000, 0);
    ck_assert_int_gt(run_host(128, mutants[_i]), 0);
}
END_TEST

START_TEST(test_every_mutant_of_device_mode_is_caught)
{
    void (*const mutants[])(stoker_loader *) = {
        host_buffer_before_its_copy,
        device_buffer_before_its_reader,
        batch_before_its_copy,
        nothing_recorded,
    };
    rig.pace(9, 3000, 0);
    ck_assert_int_gt(run_device(128, mutants[_i], true, true), 0);
}
END_TEST

START_TEST(test_consumer_that_does_not_acquire_is_caught)
{
    rig.pace(9, 3000, 0);
    ck_assert_int_gt(run_device(128, NULL, false, true), 0);
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
    tcase_add_test(tc, test_device_buffers_wait_for_the_stream_released_on);
    tcase_add_test(tc, test_device_buffers_wait_for_the_stream_marked);
    if (STK_WATCHES_THREADS) {
        puts("SKIPPED: mutants race on purpose, the thread sanitizer would "
             "stop at each");
    } else {
        tcase_add_loop_test(tc, test_every_mutant_of_host_mode_is_caught, 0, 5);
        tcase_add_loop_test(tc, test_every_mutant_of_device_mode_is_caught, 0,
                            4);
        tcase_add_test(tc, test_consumer_that_does_not_acquire_is_caught);
    }
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
