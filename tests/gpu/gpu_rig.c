/* The shared part of the GPU tests. */
#include "gpu_rig.h"

#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct rig rig;

void rig_setup(void)
{
    photos_make(&rig.photos, 64);
    rig.ds = photos_dataset(&rig.photos);
    rig.driver = dlopen("libcuda.so.1", RTLD_NOW);
    ck_assert_msg(rig.driver != NULL, "the stand-in is not in LD_LIBRARY_PATH");
    *(void **)&rig.get_counts = dlsym(rig.driver, "standin_counts");
    *(void **)&rig.fail_call = dlsym(rig.driver, "standin_fail");
    *(void **)&rig.pace = dlsym(rig.driver, "standin_pace");
    *(void **)&rig.capture = dlsym(rig.driver, "standin_capture");
    *(void **)&rig.capture_stream = dlsym(rig.driver, "standin_capture_stream");
    *(void **)&rig.copy_back = dlsym(rig.driver, "cuMemcpyDtoHAsync_v2");
    ck_assert_msg(rig.get_counts && rig.fail_call && rig.pace && rig.capture &&
                      rig.capture_stream && rig.copy_back,
                  "libcuda.so.1 is not the stand-in");
    ck_assert_int_eq(stk_cuda_open(&rig.user, 0, &rig.err), 0);
    rig.user.cuCtxPushCurrent(rig.user.context);
}

void rig_teardown(void)
{
    CUcontext popped;

    rig.fail_call(NULL, 0, 0, 0);
    rig.user.cuCtxPopCurrent(&popped);
    stk_cuda_close(&rig.user);
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
    ck_assert_int_eq(rig.user.cuMemcpyHtoDAsync(to, data, IMAGE, stream), 0);
    deleter(capsule);
}
