/* Pinned and device batches against the strict stand-in for libcuda.so.1:
 * the same pixels, forks, captures, old drivers.  test_reuse.c shows that no
 * slot is written too early, test_failures.c what a failing driver does. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu_rig.h"
#include "loader/feed.h"
#include "run_suite.h"

/* The kernel gathers from the host's table: the same bits. */
static void check_parity(int dtype, int layout)
{
    static uint8_t got[IMAGE * 4];
    stoker_options opt = rig_options(0, dtype);
    CUstream stream;

    opt.layout = layout;
    rig.user.cuStreamCreate(&stream, 1);
    stoker_loader *there = rig_open(&opt);
    opt.device = -1;
    stoker_loader *here = rig_open(&opt);
    for (int i = 0; i < 12; i++) {
        stoker_batch *a = rig_next(there), *b = rig_next(here);
        stoker_tensor x = rig_tensor(a, "image"), y = rig_tensor(b, "image");
        size_t bytes = IMAGE * (dtype == STOKER_U8    ? 1
                                : dtype == STOKER_F32 ? 4
                                                      : 2);
        ck_assert_int_eq(x.dtype, dtype);
        ck_assert_int_eq(stoker_batch_acquire(a, stream, &rig.err), 0);
        rig.copy_back(got, (CUdeviceptr)(uintptr_t)x.data, bytes, stream);
        rig.user.cuStreamSynchronize(stream);
        ck_assert_mem_eq(got, y.data, bytes);
        stoker_tensor label = rig_tensor(a, "label");
        rig.copy_back(got, (CUdeviceptr)(uintptr_t)label.data, ROWS * 8,
                      stream);
        rig.user.cuStreamSynchronize(stream);
        ck_assert_mem_eq(got, rig_tensor(b, "label").data, ROWS * 8);
        stoker_batch_release_on(a, stream, &rig.err);
        stoker_batch_release(b);
    }
    stoker_loader_close(&there);
    stoker_loader_close(&here);
    rig.user.cuStreamDestroy(stream);
}

START_TEST(test_pixels_on_the_device_equal_those_on_the_host)
{
    rig.pace(3, 50, 0);
    for (int dtype = STOKER_U8; dtype <= STOKER_F32; dtype++)
        for (int layout = STOKER_NCHW; layout <= STOKER_NHWC; layout++)
            check_parity(dtype, layout);
    ck_assert_int_gt(rig_counts().kernels, 0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_kernel_that_cannot_load_is_replaced_by_the_host)
{
    stoker_options opt = rig_options(0, STOKER_F32);
    rig.fail_call("cuModuleLoadData", 1, 209, 1);
    stoker_loader *loader = rig_open(&opt);
    stoker_stats stats = {.size = sizeof stats};
    stoker_loader_stats(loader, &stats);
    ck_assert_msg(strstr(stats.pin_reason, "normalised on the host"), "%s",
                  stats.pin_reason);
    stoker_batch *batch = rig_next(loader);
    ck_assert_int_eq(rig_tensor(batch, "image").dtype, STOKER_F32);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_leases_outlive_close_on_the_device_too)
{
    for (int device = -1; device <= 0; device++) {
        stoker_options opt = rig_options(device, STOKER_U8);
        stoker_loader *loader = rig_open(&opt);
        stoker_batch *a = rig_next(loader), *b = rig_next(loader);
        stoker_loader_close(&loader);
        stoker_batch_release(a);
        stoker_batch_release_on(b, NULL, &rig.err);
    }
    ck_assert_int_eq(rig_counts().violations, 0);
    ck_assert_int_eq(rig_counts().registered_bytes > 0, 1);
}
END_TEST

START_TEST(test_seek_with_copies_in_flight_keeps_the_order)
{
    stoker_options opt = rig_options(0, STOKER_U8);
    stoker_loader *loader = rig_open(&opt);
    stoker_cursor start = {.size = sizeof start};
    int64_t first = -1;

    rig.pace(5, 2000, 0);
    stoker_loader_cursor(loader, &start);
    for (int i = 0; i < 12; i++) {
        stoker_batch *batch = rig_next(loader);
        int64_t id = *(int64_t *)rig_tensor(batch, "id").data;
        first = first < 0 ? id : first;
        ck_assert_int_eq(id, first);
        stoker_batch_release(batch);
        ck_assert_int_eq(stoker_loader_seek(loader, &start, &rig.err), 0);
    }
    stoker_loader_close(&loader);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_graph_capture_is_not_broken_by_our_threads)
{
    rig.pace(6, 200, 0);
    rig.capture(1);
    stoker_options opt = rig_options(0, STOKER_F16);
    stoker_loader *loader = rig_open(&opt);
    for (int i = 0; i < 20; i++)
        stoker_batch_release(rig_next(loader));
    stoker_loader_close(&loader);
    rig.capture(0);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

/* In host mode a copy whose view dies while it waits. */
static void copy_or_release(stoker_batch *batch, CUdeviceptr to)
{
    if (batch->device_buffer < 0)
        rig_copy_and_forget(batch, to, NULL);
    else
        ck_assert_int_eq(stoker_batch_release_on(batch, NULL, NULL), 0);
}

/* With copies in flight: host memory, guarded by streams or by the context, and
 * the device's. */
START_TEST(test_captured_stream_is_refused_and_the_capture_stays_whole)
{
    stoker_options opt = rig_options(0, STOKER_U8);
    stoker_loader *loader = rig_open(&opt);
    CUstream stream;

    rig.user.cuStreamCreate(&stream, 1);
    stoker_batch *batch = rig_next(loader);
    rig.capture_stream(stream);
    ck_assert_int_eq(stoker_batch_acquire(batch, stream, &rig.err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "captured into a graph"));
    rig.capture_stream(NULL);
    ck_assert_int_eq(stoker_batch_acquire(batch, stream, &rig.err), 0);
    ck_assert_int_eq(stoker_batch_release_on(batch, stream, &rig.err), 0);
    stoker_loader_close(&loader);
    rig.user.cuStreamDestroy(stream);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_forked_child_sees_pixels_and_makes_no_driver_call)
{
    stoker_options opt = rig_options(_i / 2 - 1, STOKER_U8);
    opt.guard = _i % 2;
    rig.pace(19, 3000, 0);
    stoker_loader *loader = rig_open(&opt);
    CUdeviceptr to;
    int status;

    rig.user.cuMemAlloc(&to, IMAGE);
    copy_or_release(rig_next(loader), to);
    stoker_batch *batch = rig_next(loader);
    pid_t child = fork();
    if (child == 0) {
        stoker_batch *mine;
        const uint8_t *image = rig_tensor(batch, "image").data;
        const int64_t *id = rig_tensor(batch, "id").data;
        bool is_good = true;
        for (int k = 0; opt.device < 0 && k < IMAGE; k++)
            is_good = is_good && image[k] == id[k / ROW];
        int rc = stoker_loader_next(loader, &mine, 10, &rig.err);
        is_good = is_good && stoker_loader_mark(loader, NULL, NULL) == 0;
        is_good = is_good && stoker_batch_release_on(batch, NULL, NULL) == 0;
        stoker_loader_close(&loader);
        _exit(is_good && rc == -EOWNERDEAD && rig_counts().violations == 0 ? 0
                                                                           : 1);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    copy_or_release(batch, to);
    for (int i = 0; i < 12; i++)
        copy_or_release(rig_next(loader), to);
    rig.user.cuCtxSynchronize();
    stoker_loader_close(&loader);
    rig.user.cuMemFree(to);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

/* A capture that is running anywhere is broken by the context's events only
 * where nobody said that the stream is captured. */
START_TEST(test_context_guard_leaves_a_named_capture_alone)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    CUstream side;

    opt.guard = STOKER_GUARD_CONTEXT;
    opt.n_slots = 4;
    stoker_loader *loader = rig_open(&opt);
    rig.user.cuStreamCreate(&side, 1);
    stoker_batch_release(rig_next(loader));
    rig.capture_stream(side);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(stoker_loader_mark(loader, side, NULL), 0);
        stoker_batch_release(rig_next(loader));
    }
    ck_assert_int_eq(rig_counts().broken_captures, 0);
    /* Said to nobody: the driver refuses, the slots wait, nothing fails. */
    ck_assert_int_eq(stoker_loader_mark(loader, NULL, NULL), 0);
    ck_assert_int_gt(rig_counts().broken_captures, 0);
    rig.capture_stream(NULL);
    for (int i = 0; i < 8; i++)
        stoker_batch_release(rig_next(loader));
    stoker_loader_close(&loader);
    rig.user.cuStreamDestroy(side);
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

START_TEST(test_guard_by_context_wants_a_driver_that_can)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    stoker_loader *loader = NULL;
    stoker_stats stats = {.size = sizeof stats};

    opt.guard = STOKER_GUARD_CONTEXT;
    setenv("STANDIN_DRIVER", "12040", 1);
    ck_assert_int_eq(stoker_loader_open(&loader, rig.ds, &opt, &rig.err),
                     -ENOTSUP);
    ck_assert_msg(strstr(rig.err.text, "need driver 12.5, this is 12.4"), "%s",
                  rig.err.text);
    opt.pin = STOKER_PIN_AUTO;
    loader = rig_open(&opt);
    stoker_batch_release(rig_next(loader));
    stoker_loader_stats(loader, &stats);
    ck_assert_msg(strstr(stats.pin_reason, "not pinned: guard"), "%s",
                  stats.pin_reason);
    stoker_loader_close(&loader);
    unsetenv("STANDIN_DRIVER");
}
END_TEST

START_TEST(test_old_driver_and_missing_device_are_named)
{
    stoker_options opt = rig_options(5, STOKER_U8);
    stoker_loader *loader = NULL;

    setenv("STANDIN_DRIVER", "10020", 1);
    ck_assert_int_eq(stoker_loader_open(&loader, rig.ds, &opt, &rig.err),
                     -ENODEV);
    ck_assert_msg(strstr(rig.err.text, "too old"), "%s", rig.err.text);
    unsetenv("STANDIN_DRIVER");
    ck_assert_int_eq(stoker_loader_open(&loader, rig.ds, &opt, &rig.err),
                     -ENODEV);
    ck_assert_msg(strstr(rig.err.text, "no CUDA device 5"), "%s", rig.err.text);
}
END_TEST

START_TEST(test_device_names_its_place_on_the_bus)
{
    char folder[64], path[96];
    int node = -1;

    setenv("STANDIN_PCI", "0:0:0", 1);
    ck_assert(stk_cuda_folder(&rig.user, folder, sizeof folder));
    ck_assert_str_eq(folder, "/sys/bus/pci/devices/0000:00:00.0");
    snprintf(path, sizeof path, "%s/numa_node", folder);
    FILE *f = fopen(path, "re");
    if (f) {
        ck_assert_int_eq(fscanf(f, "%d", &node), 1);
        fclose(f);
    }
    ck_assert_int_eq(stk_cuda_numa_node(&rig.user), node);
    setenv("STANDIN_PCI", "1:c3:1f", 1);
    ck_assert(stk_cuda_folder(&rig.user, folder, sizeof folder));
    ck_assert_str_eq(folder, "/sys/bus/pci/devices/0001:c3:1f.0");
    ck_assert_int_eq(stk_cuda_numa_node(&rig.user), -1);
}
END_TEST

/* A wait for the GPU that never ends, as of a kernel that hangs: close gives
 * up and leaves that thread with all that is its own. */
START_TEST(test_gpu_that_hangs_does_not_hang_close)
{
    stoker_options opt = rig_options(_i - 1, STOKER_U8);
    stoker_batch *batch;

    rig.may_leave = true;
    opt.n_slots = opt.n_device_buffers = 2;
    opt.stall_timeout_ms = 50;
    rig.hold("cuEventSynchronize", 1);
    stoker_loader *loader = rig_open(&opt);
    for (int i = _i; i < 2; i++) { /* a device's second does not come */
        ck_assert_int_eq(stoker_loader_next(loader, &batch, 20000, &rig.err),
                         0);
        stoker_batch_release(batch);
        stoker_loader_mark(loader, NULL, NULL);
    }
    rig.wait_held();
    ck_assert_int_eq(stoker_loader_next(loader, &batch, 300, &rig.err),
                     STOKER_TIMEOUT);
    struct stk_thread *left =
        _i ? &loader->feed->thread : &loader->home->gpu->pinner;
    ck_assert_int_eq(stoker_loader_close(&loader), -ETIMEDOUT);
    rig.hold(NULL, 0); /* it comes back late and finds everything there */
    while (!atomic_load(&left->is_done))
        sched_yield();
    rig.user.cuCtxSynchronize();
    ck_assert_int_eq(rig_counts().violations, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gpu");
    TCase *tc = tcase_create("gpu");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    tcase_add_test(tc, test_pixels_on_the_device_equal_those_on_the_host);
    tcase_add_test(tc, test_kernel_that_cannot_load_is_replaced_by_the_host);
    tcase_add_test(tc, test_leases_outlive_close_on_the_device_too);
    tcase_add_test(tc, test_seek_with_copies_in_flight_keeps_the_order);
    tcase_add_test(tc, test_graph_capture_is_not_broken_by_our_threads);
    tcase_add_test(tc,
                   test_captured_stream_is_refused_and_the_capture_stays_whole);
    tcase_add_loop_test(
        tc, test_forked_child_sees_pixels_and_makes_no_driver_call, 0, 4);
    tcase_add_test(tc, test_context_guard_leaves_a_named_capture_alone);
    tcase_add_test(tc, test_device_names_its_place_on_the_bus);
    tcase_add_loop_test(tc, test_gpu_that_hangs_does_not_hang_close, 0, 2);
    tcase_add_test(tc, test_guard_by_context_wants_a_driver_that_can);
    tcase_add_test(tc, test_old_driver_and_missing_device_are_named);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
