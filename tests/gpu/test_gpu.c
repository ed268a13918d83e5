/* Pinned and device batches against the strict stand-in for libcuda.so.1:
 * the same pixels, forks, captures, old drivers.  test_reuse.c shows that no
 * slot is written too early, test_failures.c what a failing driver does. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu_rig.h"

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

START_TEST(test_forked_child_makes_no_driver_call)
{
    stoker_options opt = rig_options(0, STOKER_U8);
    stoker_loader *loader = rig_open(&opt);
    stoker_batch *batch = rig_next(loader);
    pid_t child = fork();

    if (child == 0) {
        stoker_batch *mine;
        int rc = stoker_loader_next(loader, &mine, 10, &rig.err);
        stoker_batch_release(batch);
        stoker_loader_close(&loader);
        _exit(rc == -EOWNERDEAD && rig_counts().violations == 0 ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
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
    tcase_add_test(tc, test_forked_child_makes_no_driver_call);
    tcase_add_test(tc, test_old_driver_and_missing_device_are_named);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
