/* The shared part of the GPU tests. */
#include "gpu_rig.h"

#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct rig rig;

static void find(const char *name, void *at)
{
    void *found = dlsym(rig.driver, name);
    ck_assert_msg(found != NULL, "libcuda.so.1 is not the stand-in: no %s",
                  name);
    memcpy(at, &found, sizeof found);
}

/* Asked by LeakSanitizer at the end, which dies itself when it looks at a
 * thread that was left behind and is just ending. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return rig.may_leave;
}

void rig_setup(void)
{
    photos_make(&rig.photos, 64);
    rig.ds = photos_dataset(&rig.photos);
    rig.driver = dlopen("libcuda.so.1", RTLD_NOW);
    ck_assert_msg(rig.driver != NULL, "the stand-in is not in LD_LIBRARY_PATH");
    find("standin_counts", &rig.get_counts);
    find("standin_fail", &rig.fail_call);
    find("standin_pace", &rig.pace);
    find("standin_capture", &rig.capture);
    find("standin_capture_stream", &rig.capture_stream);
    find("standin_calls", &rig.calls);
    find("standin_waits", &rig.waits);
    find("standin_hold", &rig.hold);
    find("standin_wait_held", &rig.wait_held);
    find("standin_spare", &rig.spare);
    find("standin_forgive_depth", &rig.forgive_depth);
    find("standin_shut_down", &rig.shut_down);
    find("cuMemcpyDtoHAsync_v2", &rig.copy_back);
    ck_assert_int_eq(stk_cuda_open(&rig.user, 0, &rig.err), 0);
    rig.user.cuCtxPushCurrent(rig.user.context);
}

void rig_teardown(void)
{
    CUcontext popped;

    rig.fail_call(NULL, 0, 0, 0);
    if (!rig.may_leave)
        ck_assert_int_eq(rig_counts().depth, 1);
    rig.user.cuCtxPopCurrent(&popped);
    stk_cuda_close(&rig.user);
    if (!rig.may_leave)
        ck_assert_int_eq(rig_counts().live_objects, 0);
    stoker_dataset_free(rig.ds);
    photos_free(&rig.photos);
}

struct standin_counts rig_counts(void)
{
    struct standin_counts counts;
    rig.get_counts(&counts);
    return counts;
}

stoker_options rig_options(int device, int dtype)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f};
    static const float std[3] = {0.229f, 0.224f, 0.225f};
    stoker_options opt = photos_options(rig.list);

    if (dtype != STOKER_U8) {
        rig.list[1] = stoker_normalize(mean, std);
        opt.n_transforms = 2;
        opt.dtype = dtype;
    }
    opt.batch_size = ROWS;
    opt.device = device;
    if (device < 0)
        opt.pin = STOKER_PIN_REQUIRE;
    return opt;
}

stoker_loader *rig_open(const stoker_options *opt)
{
    stoker_loader *loader = NULL;
    int rc = stoker_loader_open(&loader, rig.ds, opt, &rig.err);
    ck_assert_msg(rc == 0, "open: %s", rig.err.text);
    return loader;
}

stoker_batch *rig_next(stoker_loader *loader)
{
    stoker_batch *batch;
    int rc;

    while ((rc = stoker_loader_next(loader, &batch, 20000, &rig.err)) ==
           STOKER_END)
        ;
    ck_assert_msg(rc == 0, "next: %d %s", rc, rig.err.text);
    return batch;
}

stoker_tensor rig_tensor(const stoker_batch *batch, const char *name)
{
    stoker_tensor t = {.size = sizeof t};
    ck_assert_int_eq(stoker_batch_tensor(batch, name, &t), 0);
    return t;
}

void rig_copy_and_forget(stoker_batch *batch, CUdeviceptr to, CUstream stream)
{
    void *capsule, *data;
    void (*deleter)(void *);

    ck_assert_int_eq(stoker_batch_dlpack(batch, "image", 0, &capsule, &rig.err),
                     0);
    stoker_batch_release(batch);
    /* DLManagedTensor: a DLTensor of 48 bytes that begins with its data, the
     * context, the deleter. */
    memcpy(&data, capsule, sizeof data);
    memcpy(&deleter, (char *)capsule + 56, sizeof deleter);
    rig.spare(1);
    ck_assert_int_eq(rig.user.cuMemcpyHtoDAsync(to, data, IMAGE, stream), 0);
    rig.spare(0);
    deleter(capsule);
}
