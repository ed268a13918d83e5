/* The door to libcuda.so.1. */
#include "pin/cuda.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { OLDEST_DRIVER = 11000 }; /* CUDA 11: every symbol above exists */

/* false: the library has no such symbol, and *at stays NULL. */
static bool find(const struct stk_cuda *cuda, const char *name, void *at)
{
    void *found = dlsym(cuda->library, name);

    /* POSIX: a function's address fits a data pointer. */
    memcpy(at, &found, sizeof found);
    return found != NULL;
}

static int load(struct stk_cuda *cuda, stoker_error *err)
{
    memset(cuda, 0, sizeof *cuda);
    cuda->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!cuda->library)
        return stk_fail(err, -ENODEV, "no CUDA driver: %s", dlerror());
    const struct {
        const char *name;
        void *at;
    } calls[] = {
#define ENTRY(name, symbol, arguments) {symbol, &cuda->name},
        STK_CUDA_CALLS(ENTRY)
#undef ENTRY
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (!find(cuda, calls[i].name, calls[i].at)) {
            stk_fail(err, -ENODEV, "the CUDA driver is too old: it has no %s",
                     calls[i].name);
            dlclose(cuda->library);
            cuda->library = NULL;
            return -ENODEV;
        }
    }
#define FIND(name, symbol, arguments) find(cuda, symbol, &cuda->name);
    STK_CUDA_LATER_CALLS(FIND)
#undef FIND
    return 0;
}

int stk_cuda_check(const struct stk_cuda *cuda, CUresult code, const char *call,
                   stoker_error *err)
{
    const char *name = NULL;

    if (code == CUDA_SUCCESS)
        return 0;
    if (cuda->cuGetErrorName(code, &name) != CUDA_SUCCESS || !name)
        name = "unknown error";
    int rc = code == CUDA_ERROR_OUT_OF_MEMORY ? -ENOMEM
             : code == CUDA_ERROR_NO_DEVICE   ? -ENODEV
                                              : -EIO;
    return stk_fail_at(err, STOKER_STAGE_DEVICE, -1,
                       stk_fail(err, rc, "%s: %s (%d)", call, name, code));
}

static int init(struct stk_cuda *cuda, stoker_error *err)
{
    int rc = stk_cuda_check(cuda, cuda->cuInit(0), "cuInit", err);
    if (rc == 0)
        rc = stk_cuda_check(cuda,
                            cuda->cuDriverGetVersion(&cuda->driver_version),
                            "cuDriverGetVersion", err);
    if (rc == 0 && cuda->driver_version < OLDEST_DRIVER)
        rc = stk_fail(
            err, -ENODEV, "the CUDA driver is too old: %d.%d, 11.0 is needed",
            cuda->driver_version / 1000, cuda->driver_version % 1000 / 10);
    return rc;
}

static int pick_device(struct stk_cuda *cuda, int ordinal, stoker_error *err)
{
    CUcontext current = NULL;
    int n = 0;

    /* What comes with a later driver is used from there on only. */
    if (cuda->driver_version < 12050)
        cuda->cuCtxRecordEvent = NULL;

    int rc = stk_cuda_check(cuda, cuda->cuDeviceGetCount(&n),
                            "cuDeviceGetCount", err);
    if (rc < 0)
        return rc;
    if (n == 0 || ordinal >= n)
        return stk_fail(err, -ENODEV, "no CUDA device %d: there are %d",
                        ordinal < 0 ? 0 : ordinal, n);
    CUdevice device = 0;
    if (ordinal < 0 && cuda->cuCtxGetCurrent(&current) == CUDA_SUCCESS &&
        current && cuda->cuCtxGetDevice(&device) == CUDA_SUCCESS)
        ordinal = device;
    cuda->ordinal = ordinal < 0 ? 0 : ordinal;
    return stk_cuda_check(cuda, cuda->cuDeviceGet(&cuda->device, cuda->ordinal),
                          "cuDeviceGet", err);
}

int stk_cuda_open(struct stk_cuda *cuda, int ordinal, stoker_error *err)
{
    int64_t start = stk_now_ns();

    int rc = load(cuda, err);
    if (rc < 0)
        return rc;
    rc = init(cuda, err);
    if (rc == 0)
        rc = pick_device(cuda, ordinal, err);
    int64_t context_start = stk_now_ns();
    if (rc == 0)
        rc = stk_cuda_check(
            cuda, cuda->cuDevicePrimaryCtxRetain(&cuda->context, cuda->device),
            "cuDevicePrimaryCtxRetain", err);
    cuda->context_ns = stk_now_ns() - context_start;
    if (rc < 0) {
        cuda->context = NULL;
        stk_cuda_close(cuda);
    }
    cuda->init_ns = stk_now_ns() - start;
    return rc;
}

void stk_cuda_close(struct stk_cuda *cuda)
{
    if (!cuda->library)
        return;
    if (cuda->context)
        cuda->cuDevicePrimaryCtxRelease(cuda->device);
    /* The library stays loaded: a driver does not survive dlclose, and the
     * application may be using it. */
    cuda->context = NULL;
    cuda->library = NULL;
}

int stk_cuda_enter(const struct stk_cuda *cuda, struct stk_cuda_visit *visit,
                   stoker_error *err)
{
    CUcontext popped;

    visit->capture_mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    int rc = stk_cuda_check(cuda, cuda->cuCtxPushCurrent(cuda->context),
                            "cuCtxPushCurrent", err);
    if (rc < 0)
        return rc;
    rc = stk_cuda_check(
        cuda, cuda->cuThreadExchangeStreamCaptureMode(&visit->capture_mode),
        "cuThreadExchangeStreamCaptureMode", err);
    if (rc < 0)
        cuda->cuCtxPopCurrent(&popped);
    return rc;
}

void stk_cuda_leave(const struct stk_cuda *cuda, struct stk_cuda_visit *visit)
{
    CUcontext popped;

    cuda->cuThreadExchangeStreamCaptureMode(&visit->capture_mode);
    cuda->cuCtxPopCurrent(&popped);
}

bool stk_cuda_folder(const struct stk_cuda *cuda, char *path, size_t bytes)
{
    static const int asked[] = {CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID,
                                CU_DEVICE_ATTRIBUTE_PCI_BUS_ID,
                                CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID};
    int id[3] = {0, 0, 0};

    for (int i = 0; i < 3; i++)
        if (cuda->cuDeviceGetAttribute(&id[i], asked[i], cuda->device) !=
            CUDA_SUCCESS)
            return false;
    int n = snprintf(path, bytes, "/sys/bus/pci/devices/%04x:%02x:%02x.0",
                     (unsigned)id[0], (unsigned)id[1], (unsigned)id[2]);
    return n > 0 && (size_t)n < bytes;
}

int stk_cuda_numa_node(const struct stk_cuda *cuda)
{
    char folder[64], path[96];
    int node = -1;

    if (!stk_cuda_folder(cuda, folder, sizeof folder))
        return -1;
    snprintf(path, sizeof path, "%s/numa_node", folder);
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    if (fscanf(f, "%d", &node) != 1)
        node = -1;
    fclose(f);
    return node;
}

bool stk_cuda_is_pinned(const struct stk_cuda *cuda, const void *data,
                        size_t bytes)
{
    const uintptr_t ends[] = {(uintptr_t)data, (uintptr_t)data + bytes - 1};

    for (int i = 0; i < 2; i++) {
        int kind = 0;
        if (cuda->cuPointerGetAttribute(&kind, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                        ends[i]) != CUDA_SUCCESS ||
            kind != CU_MEMORYTYPE_HOST)
            return false;
    }
    return true;
}

bool stk_cuda_is_gone(const struct stk_cuda *cuda)
{
    CUcontext popped;
    CUresult code = cuda->cuCtxPushCurrent(cuda->context);

    if (code == CUDA_SUCCESS)
        cuda->cuCtxPopCurrent(&popped);
    return code == CUDA_ERROR_DEINITIALIZED ||
           code == CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

int stk_cuda_describe(int *driver_version, int *n_devices, char *lines,
                      size_t bytes, stoker_error *err)
{
    struct stk_cuda cuda;
    size_t used = 0;

    *driver_version = *n_devices = 0;
    lines[0] = '\0';
    int rc = load(&cuda, err);
    if (rc == 0)
        rc = init(&cuda, err);
    if (rc < 0)
        return rc;
    *driver_version = cuda.driver_version;
    rc = stk_cuda_check(&cuda, cuda.cuDeviceGetCount(n_devices),
                        "cuDeviceGetCount", err);
    for (int i = 0; rc == 0 && i < *n_devices && used + 1 < bytes; i++) {
        char name[96] = "";
        CUdevice device;
        if (cuda.cuDeviceGet(&device, i) == CUDA_SUCCESS)
            cuda.cuDeviceGetName(name, sizeof name, device);
        int n = snprintf(lines + used, bytes - used, "cuda:%d %s\n", i, name);
        used += n < 0 ? 0 : (size_t)n;
    }
    return rc;
}
