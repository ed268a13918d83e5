/* Pinned and device batches against the strict stand-in for libcuda.so.1:
 * no slot is written before its last reader has finished, mutants that leave
 * a wait out are caught, and every driver call may fail. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../api/photos.h"
#include "loader/loader.h"
#include "standin.h"

enum { ROW = 192, ROWS = 8, IMAGE = ROWS * ROW };

static struct photos photos;
static stoker_dataset *ds;
static stoker_transform list[2];
static stoker_error err;
static void *driver;
static standin_counts_fn *get_counts;
static standin_fail_fn *fail_call;
static standin_pace_fn *pace;
static standin_capture_fn *capture;
static struct stk_cuda user; /* the consumer's own view of the driver */

static void setup(void)
{
    photos_make(&photos, 64);
    ds = photos_dataset(&photos);
    driver = dlopen("libcuda.so.1", RTLD_NOW);
    ck_assert_msg(driver != NULL, "the stand-in is not in LD_LIBRARY_PATH");
    *(void **)&get_counts = dlsym(driver, "standin_counts");
    *(void **)&fail_call = dlsym(driver, "standin_fail");
    *(void **)&pace = dlsym(driver, "standin_pace");
    *(void **)&capture = dlsym(driver, "standin_capture");
    ck_assert_msg(get_counts && fail_call && pace && capture,
                  "libcuda.so.1 is not the stand-in");
    ck_assert_int_eq(stk_cuda_open(&user, 0, &err), 0);
    user.cuCtxPushCurrent(user.context);
}

static void teardown(void)
{
    CUcontext popped;
    fail_call(NULL, 0, 0, 0);
    user.cuCtxPopCurrent(&popped);
    stk_cuda_close(&user);
    stoker_dataset_free(ds);
    photos_free(&photos);
}

static struct standin_counts counts(void)
{
    struct standin_counts c;
    get_counts(&c);
    return c;
}

static stoker_options options(int device, int dtype)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f};
    static const float std[3] = {0.229f, 0.224f, 0.225f};
    stoker_options opt = photos_options(list);

    if (dtype != STOKER_U8) {
        list[1] = stoker_normalize(mean, std);
        opt.n_transforms = 2;
        opt.dtype = dtype;
    }
    opt.batch_size = ROWS;
    opt.device = device;
    if (device < 0)
        opt.pin = STOKER_PIN_REQUIRE;
    return opt;
}

static stoker_loader *open_with(const stoker_options *opt)
{
    stoker_loader *loader = NULL;
    int rc = stoker_loader_open(&loader, ds, opt, &err);
    ck_assert_msg(rc == 0, "open: %s", err.text);
    return loader;
}

static stoker_batch *next(stoker_loader *loader)
{
    stoker_batch *batch;
    int rc;
    while ((rc = stoker_loader_next(loader, &batch, 20000, &err)) == STOKER_END)
        ;
    ck_assert_msg(rc == 0, "next: %d %s", rc, err.text);
    return batch;
}

static stoker_tensor tensor_of(const stoker_batch *batch, const char *name)
{
    stoker_tensor t = {.size = sizeof t};
    ck_assert_int_eq(stoker_batch_tensor(batch, name, &t), 0);
    return t;
}

/* What torch does: a view, an asynchronous copy on the current stream, and
 * the view dies while the copy may still wait. */
static void copy_and_forget(stoker_batch *batch, CUdeviceptr to,
                            CUstream stream)
{
    struct managed {
        void *data;
    } * view;
    void *capsule;

    ck_assert_int_eq(stoker_batch_dlpack(batch, "image", 0, &capsule, &err), 0);
    view = capsule;
    stoker_batch_release(batch);
    ck_assert_int_eq(user.cuMemcpyHtoDAsync(to, view->data, IMAGE, stream), 0);
    /* DLManagedTensor: a DLTensor of 48 bytes, the context, the deleter. */
    void (*deleter)(void *);
    memcpy(&deleter, (char *)capsule + 56, sizeof deleter);
    deleter(capsule);
}

/* Host mode as a consumer of n batches; the early reuses that were seen. */
static int64_t run_host(int n, void (*mutate)(struct stk_cuda *))
{
    stoker_options opt = options(-1, STOKER_U8);
    opt.n_slots = 3;
    stoker_loader *loader = open_with(&opt);
    int64_t before = counts().early_reuses;
    CUdeviceptr to;
    CUstream stream;

    if (mutate)
        mutate(&loader->home->gpu->cuda);
    user.cuMemAlloc(&to, IMAGE);
    user.cuStreamCreate(&stream, 1);
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(stoker_loader_mark(loader, stream, &err), 0);
        stoker_batch *batch = next(loader);
        ck_assert_int_eq(tensor_of(batch, "image").pinned, 1);
        copy_and_forget(batch, to, stream);
    }
    user.cuStreamSynchronize(stream);
    stoker_loader_close(&loader);
    user.cuStreamDestroy(stream);
    user.cuMemFree(to);
    return counts().early_reuses - before;
}

/* Device mode: late copies back on the consumer's stream must find the
 * batch's own pixels; returns how many batches were wrong. */
static int64_t run_device(int n, void (*mutate)(struct stk_cuda *),
                          bool do_acquire)
{
    enum { KEEP = 64 };
    static uint8_t got[KEEP][IMAGE];
    static int64_t want[KEEP][ROWS];
    stoker_options opt = options(0, STOKER_U8);
    stoker_loader *loader = open_with(&opt);
    int64_t before = counts().early_reuses, n_wrong = 0;
    CUstream stream;

    if (mutate)
        mutate(&loader->home->gpu->cuda);
    user.cuStreamCreate(&stream, 1);
    int (*copy_back)(void *, CUdeviceptr, size_t, CUstream);
    *(void **)&copy_back = dlsym(driver, "cuMemcpyDtoHAsync_v2");
    for (int done = 0; done < n; done += KEEP) {
        for (int i = 0; i < KEEP; i++) {
            stoker_batch *batch = next(loader);
            stoker_tensor image = tensor_of(batch, "image");
            ck_assert_int_eq(image.device, 0);
            memcpy(want[i], tensor_of(batch, "id").data, sizeof want[i]);
            if (do_acquire)
                ck_assert_int_eq(stoker_batch_acquire(batch, stream, &err), 0);
            ck_assert_int_eq(copy_back(got[i],
                                       (CUdeviceptr)(uintptr_t)image.data,
                                       IMAGE, stream),
                             0);
            ck_assert_int_eq(stoker_batch_release_on(batch, stream, &err), 0);
        }
        user.cuStreamSynchronize(stream);
        for (int i = 0; i < KEEP; i++) {
            bool good = true;
            for (int k = 0; k < IMAGE; k++)
                good = good && got[i][k] == want[i][k / ROW];
            n_wrong += !good;
        }
    }
    stoker_loader_close(&loader);
    user.cuStreamDestroy(stream);
    return n_wrong + counts().early_reuses - before;
}

static int n_batches(int many)
{
    return getenv("STOKER_LONG") ? many : many / 20;
}

START_TEST(test_pinned_slots_wait_for_the_consumers_copies)
{
    pace(7, 300, 0);
    ck_assert_int_eq(run_host(n_batches(10000), NULL), 0);
    ck_assert_int_eq(counts().violations, 0);
}
END_TEST

START_TEST(test_device_buffers_wait_for_the_consumers_stream)
{
    pace(8, 300, 0);
    ck_assert_int_eq(run_device(n_batches(10000), NULL, true), 0);
    ck_assert_int_eq(counts().violations, 0);
}
END_TEST

static CUresult no_event_wait(CUevent event)
{
    (void)event;
    return CUDA_SUCCESS;
}

static CUresult no_stream_wait(CUstream stream, CUevent event, unsigned flags)
{
    (void)stream, (void)event, (void)flags;
    return CUDA_SUCCESS;
}

static CUresult no_record(CUevent event, CUstream stream)
{
    (void)event, (void)stream;
    return CUDA_SUCCESS;
}

static void without_event_wait(struct stk_cuda *cuda)
{
    cuda->cuEventSynchronize = no_event_wait;
}

static void without_stream_wait(struct stk_cuda *cuda)
{
    cuda->cuStreamWaitEvent = no_stream_wait;
}

static void without_records(struct stk_cuda *cuda)
{
    cuda->cuEventRecord = no_record;
}

START_TEST(test_every_mutant_without_a_wait_is_caught)
{
    pace(9, 3000, 0);
    ck_assert_int_gt(run_host(128, without_event_wait), 0);
    ck_assert_int_gt(run_host(128, without_records), 0);
    ck_assert_int_gt(run_device(128, without_event_wait, true), 0);
    ck_assert_int_gt(run_device(128, without_stream_wait, true), 0);
    ck_assert_int_gt(run_device(128, without_records, true), 0);
    ck_assert_int_gt(run_device(128, NULL, false), 0);
}
END_TEST

/* The kernel gathers from the host's table: the same bits. */
static void check_parity(int dtype, int layout)
{
    static uint8_t got[IMAGE * 4];
    stoker_options opt = options(0, dtype);
    CUstream stream;

    opt.layout = layout;
    user.cuStreamCreate(&stream, 1);
    stoker_loader *there = open_with(&opt);
    opt.device = -1;
    stoker_loader *here = open_with(&opt);
    int (*copy_back)(void *, CUdeviceptr, size_t, CUstream);
    *(void **)&copy_back = dlsym(driver, "cuMemcpyDtoHAsync_v2");
    for (int i = 0; i < 12; i++) {
        stoker_batch *a = next(there), *b = next(here);
        stoker_tensor x = tensor_of(a, "image"), y = tensor_of(b, "image");
        size_t bytes = IMAGE * (dtype == STOKER_U8    ? 1
                                : dtype == STOKER_F32 ? 4
                                                      : 2);
        ck_assert_int_eq(x.dtype, dtype);
        ck_assert_int_eq(stoker_batch_acquire(a, stream, &err), 0);
        copy_back(got, (CUdeviceptr)(uintptr_t)x.data, bytes, stream);
        user.cuStreamSynchronize(stream);
        ck_assert_mem_eq(got, y.data, bytes);
        stoker_tensor label = tensor_of(a, "label");
        copy_back(got, (CUdeviceptr)(uintptr_t)label.data, ROWS * 8, stream);
        user.cuStreamSynchronize(stream);
        ck_assert_mem_eq(got, tensor_of(b, "label").data, ROWS * 8);
        stoker_batch_release_on(a, stream, &err);
        stoker_batch_release(b);
    }
    stoker_loader_close(&there);
    stoker_loader_close(&here);
    user.cuStreamDestroy(stream);
}

START_TEST(test_pixels_on_the_device_equal_those_on_the_host)
{
    pace(3, 50, 0);
    for (int dtype = STOKER_U8; dtype <= STOKER_F32; dtype++)
        for (int layout = STOKER_NCHW; layout <= STOKER_NHWC; layout++)
            check_parity(dtype, layout);
    ck_assert_int_gt(counts().kernels, 0);
    ck_assert_int_eq(counts().violations, 0);
}
END_TEST

START_TEST(test_kernel_that_cannot_load_is_replaced_by_the_host)
{
    stoker_options opt = options(0, STOKER_F32);
    fail_call("cuModuleLoadData", 1, 209, 1);
    stoker_loader *loader = open_with(&opt);
    stoker_stats stats = {.size = sizeof stats};
    stoker_loader_stats(loader, &stats);
    ck_assert_msg(strstr(stats.pin_reason, "normalised on the host"), "%s",
                  stats.pin_reason);
    stoker_batch *batch = next(loader);
    ck_assert_int_eq(tensor_of(batch, "image").dtype, STOKER_F32);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
    ck_assert_int_eq(counts().violations, 0);
}
END_TEST

START_TEST(test_every_driver_call_may_fail_at_any_time)
{
    static const char *const names[] = {
        "cuInit",
        "cuDriverGetVersion",
        "cuDeviceGetCount",
        "cuDeviceGet",
        "cuDevicePrimaryCtxRetain",
        "cuCtxPushCurrent",
        "cuMemHostRegister",
        "cuMemAlloc",
        "cuMemcpyHtoD",
        "cuMemcpyHtoDAsync",
        "cuStreamCreate",
        "cuStreamWaitEvent",
        "cuEventCreate",
        "cuEventRecord",
        "cuEventSynchronize",
        "cuEventElapsedTime",
        "cuModuleLoadData",
        "cuModuleGetFunction",
        "cuLaunchKernel",
    };
    pace(4, 20, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int n = 1; n <= 6; n++)
            for (int mode = 0; mode < 4; mode++) {
                stoker_options opt = options(mode & 1 ? 0 : -1,
                                             mode & 1 ? STOKER_F16 : STOKER_U8);
                opt.stall_timeout_ms = 5000;
                stoker_loader *loader = NULL;
                stoker_batch *batch;
                fail_call(names[i], n, mode & 2 ? 2 : 719, mode & 2);
                int rc = stoker_loader_open(&loader, ds, &opt, &err);
                for (int k = 0; rc >= 0 && k < 10; k++) {
                    rc = stoker_loader_next(loader, &batch, 5000, &err);
                    if (rc == 0)
                        stoker_batch_release(batch);
                }
                if (rc < 0)
                    ck_assert_msg(err.text[0] != '\0', "%s", names[i]);
                fail_call(NULL, 0, 0, 0);
                if (loader)
                    ck_assert_msg(stoker_loader_close(&loader) == 0, "%s",
                                  names[i]);
            }
    ck_assert_int_eq(counts().violations, 0);
}
END_TEST

START_TEST(test_lost_device_is_an_error_and_host_mode_goes_on)
{
    stoker_options opt = options(0, STOKER_U8);
    stoker_loader *loader = open_with(&opt);
    stoker_batch *batch;
    int rc = 0;

    stoker_batch_release(next(loader));
    fail_call("cuMemcpyHtoDAsync", 1, 719, 1);
    for (int i = 0; i < 20 && rc >= 0; i++) {
        rc = stoker_loader_next(loader, &batch, 5000, &err);
        if (rc == 0)
            stoker_batch_release(batch);
    }
    ck_assert_int_lt(rc, 0);
    ck_assert_msg(strstr(err.text, "cuMemcpyHtoDAsync"), "%s", err.text);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    opt.device = -1;
    opt.pin = STOKER_PIN_OFF;
    loader = open_with(&opt);
    stoker_batch_release(next(loader));
    stoker_loader_close(&loader);
}
END_TEST

START_TEST(test_leases_outlive_close_on_the_device_too)
{
    for (int device = -1; device <= 0; device++) {
        stoker_options opt = options(device, STOKER_U8);
        stoker_loader *loader = open_with(&opt);
        stoker_batch *a = next(loader), *b = next(loader);
        stoker_loader_close(&loader);
        stoker_batch_release(a);
        stoker_batch_release_on(b, NULL, &err);
    }
    ck_assert_int_eq(counts().violations, 0);
    ck_assert_int_eq(counts().registered_bytes > 0, 1);
}
END_TEST

START_TEST(test_seek_with_copies_in_flight_keeps_the_order)
{
    stoker_options opt = options(0, STOKER_U8);
    stoker_loader *loader = open_with(&opt);
    stoker_cursor start = {.size = sizeof start};
    int64_t first = -1;

    pace(5, 2000, 0);
    stoker_loader_cursor(loader, &start);
    for (int i = 0; i < 12; i++) {
        stoker_batch *batch = next(loader);
        int64_t id = *(int64_t *)tensor_of(batch, "id").data;
        first = first < 0 ? id : first;
        ck_assert_int_eq(id, first);
        stoker_batch_release(batch);
        ck_assert_int_eq(stoker_loader_seek(loader, &start, &err), 0);
    }
    stoker_loader_close(&loader);
    ck_assert_int_eq(counts().violations, 0);
}
END_TEST

START_TEST(test_graph_capture_is_not_broken_by_our_threads)
{
    pace(6, 200, 0);
    capture(1);
    stoker_options opt = options(0, STOKER_F16);
    stoker_loader *loader = open_with(&opt);
    for (int i = 0; i < 20; i++)
        stoker_batch_release(next(loader));
    stoker_loader_close(&loader);
    capture(0);
    ck_assert_int_eq(counts().violations, 0);
}
END_TEST

START_TEST(test_forked_child_makes_no_driver_call)
{
    stoker_options opt = options(0, STOKER_U8);
    stoker_loader *loader = open_with(&opt);
    stoker_batch *batch = next(loader);
    pid_t child = fork();

    if (child == 0) {
        stoker_batch *mine;
        int rc = stoker_loader_next(loader, &mine, 10, &err);
        stoker_batch_release(batch);
        stoker_loader_close(&loader);
        _exit(rc == -EOWNERDEAD && counts().violations == 0 ? 0 : 1);
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
    stoker_options opt = options(5, STOKER_U8);
    stoker_loader *loader = NULL;

    setenv("STANDIN_DRIVER", "10020", 1);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), -ENODEV);
    ck_assert_msg(strstr(err.text, "too old"), "%s", err.text);
    unsetenv("STANDIN_DRIVER");
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), -ENODEV);
    ck_assert_msg(strstr(err.text, "no CUDA device 5"), "%s", err.text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gpu");
    TCase *tc = tcase_create("gpu");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_pinned_slots_wait_for_the_consumers_copies);
    tcase_add_test(tc, test_device_buffers_wait_for_the_consumers_stream);
    tcase_add_test(tc, test_every_mutant_without_a_wait_is_caught);
    tcase_add_test(tc, test_pixels_on_the_device_equal_those_on_the_host);
    tcase_add_test(tc, test_kernel_that_cannot_load_is_replaced_by_the_host);
    tcase_add_test(tc, test_every_driver_call_may_fail_at_any_time);
    tcase_add_test(tc, test_lost_device_is_an_error_and_host_mode_goes_on);
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
