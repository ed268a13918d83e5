/* A strict stand-in for libcuda.so.1: streams are FIFOs with random delays,
 * device memory is host memory, and what a driver would forgive is counted.
 * Each copy checksums its source when enqueued and again when executed: a
 * difference means that a slot was written too early. */
#include "standin_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool covers(const struct region *list, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (int i = 0; i < MAX_REGIONS; i++)
        if (list[i].data && p >= list[i].data &&
            p + bytes <= list[i].data + list[i].bytes)
            return true;
    return false;
}

static int add(struct region *list, const void *data, size_t bytes)
{
    for (int i = 0; i < MAX_REGIONS; i++)
        if (!list[i].data) {
            list[i] = (struct region){data, bytes};
            si.counts.live_objects++;
            return OK;
        }
    return NO_MEMORY;
}

static size_t size_of(const struct region *list, const void *data)
{
    for (int i = 0; i < MAX_REGIONS; i++)
        if (list[i].data == data)
            return list[i].bytes;
    return 0;
}

static bool drop(struct region *list, const void *data)
{
    for (int i = 0; i < MAX_REGIONS; i++)
        if (list[i].data == data) {
            list[i].data = NULL;
            si.counts.live_objects--;
            return true;
        }
    return false;
}

API int cuInit(unsigned flags)
{
    (void)flags;
    BEGIN("cuInit", false);
    END(OK);
}

API int cuDriverGetVersion(int *version)
{
    BEGIN("cuDriverGetVersion", false);
    const char *old = getenv("STANDIN_DRIVER");
    *version = old ? atoi(old) : 12050;
    END(OK);
}

API int cuGetErrorName(int code, const char **name)
{
    BEGIN("cuGetErrorName", false);
    *name = code == NO_MEMORY   ? "CUDA_ERROR_OUT_OF_MEMORY"
            : code == 100       ? "CUDA_ERROR_NO_DEVICE"
            : code == NOT_READY ? "CUDA_ERROR_NOT_READY"
            : code == 719       ? "CUDA_ERROR_LAUNCH_FAILED"
            : code == 4         ? "CUDA_ERROR_DEINITIALIZED"
                                : "CUDA_ERROR_UNKNOWN";
    END(OK);
}

API int cuDeviceGetCount(int *n)
{
    BEGIN("cuDeviceGetCount", false);
    *n = 1;
    END(OK);
}

API int cuDeviceGet(int *out, int ordinal)
{
    BEGIN("cuDeviceGet", false);
    *out = ordinal;
    END(OK);
}

API int cuDeviceGetName(char *name, int n, int device)
{
    (void)device;
    BEGIN("cuDeviceGetName", false);
    snprintf(name, (size_t)n, "stand-in");
    END(OK);
}

API int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)device;
    BEGIN("cuDeviceGetAttribute", false);
    /* "domain bus device", hexadecimal: attributes 50, 33, 34. */
    int id[3] = {0, 0, 0};
    const char *place = getenv("STANDIN_PCI");
    if (place)
        sscanf(place, "%x:%x:%x", &id[0], &id[1], &id[2]);
    *value = attribute == 50   ? id[0]
             : attribute == 33 ? id[1]
             : attribute == 34 ? id[2]
                               : 0;
    END(OK);
}

API int cuDevicePrimaryCtxRetain(void **out, int device)
{
    (void)device;
    BEGIN("cuDevicePrimaryCtxRetain", false);
    si.n_retained++;
    si.counts.live_objects++;
    *out = &si.counts;
    END(OK);
}

API int cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    BEGIN("cuDevicePrimaryCtxRelease", false);
    if (si.n_retained-- == 0)
        violation("primary context released too often");
    si.counts.live_objects--;
    END(OK);
}

API int cuCtxPushCurrent_v2(void *context)
{
    BEGIN("cuCtxPushCurrent", false);
    if (context != &si.counts || si.n_retained == 0)
        violation("pushed a context that is none");
    watch_thread();
    mine.depth++;
    END(OK);
}

API int cuCtxPopCurrent_v2(void **context)
{
    BEGIN("cuCtxPopCurrent", true);
    *context = &si.counts;
    mine.depth--;
    END(OK);
}

API int cuCtxGetCurrent(void **context)
{
    BEGIN("cuCtxGetCurrent", false);
    *context = mine.depth ? &si.counts : NULL;
    END(OK);
}

API int cuCtxGetDevice(int *device)
{
    BEGIN("cuCtxGetDevice", true);
    *device = 0;
    END(OK);
}

API int cuMemHostRegister_v2(void *data, size_t bytes, unsigned flags)
{
    (void)flags;
    BEGIN("cuMemHostRegister", true);
    if (covers(si.registered, data, 1))
        END(ALREADY_REGISTERED);
    si.counts.registered_bytes += (int64_t)bytes;
    int code = add(si.registered, data, bytes);
    pthread_mutex_unlock(&si.lock);
    /* Registering faults every page in; where the kernel has no such advice,
     * whoever writes first pays. */
    if (!getenv("STANDIN_LAZY"))
        madvise(data, bytes, 23 /* MADV_POPULATE_WRITE */);
    return code;
}

API int cuMemHostUnregister(void *data)
{
    BEGIN("cuMemHostUnregister", true);
    if (in_use(data, size_of(si.registered, data)))
        violation("memory unregistered while a copy reads it");
    if (!drop(si.registered, data))
        violation("memory unregistered that was not registered");
    END(OK);
}

/* Asked for the kind of memory only (2): 1 host, 2 device. */
API int cuPointerGetAttribute(void *out, int attribute, unsigned long long data)
{
    void *p = (void *)(uintptr_t)data;
    BEGIN("cuPointerGetAttribute", true);
    int kind = covers(si.registered, p, 1)  ? 1
               : covers(si.allocated, p, 1) ? 2
                                            : 0;
    if (attribute != 2 || !kind)
        END(INVALID);
    memcpy(out, &kind, sizeof kind);
    END(OK);
}

API int cuMemAlloc_v2(unsigned long long *out, size_t bytes)
{
    BEGIN("cuMemAlloc", true);
    void *data = aligned_alloc(256, (bytes + 255) / 256 * 256 + 256);
    memset(data, 0xA5, bytes);
    *out = (unsigned long long)(uintptr_t)data;
    END(add(si.allocated, data, bytes));
}

API int cuMemFree_v2(unsigned long long data)
{
    void *p = (void *)(uintptr_t)data;
    BEGIN("cuMemFree", true);
    if (in_use(p, size_of(si.allocated, p)))
        violation("device memory freed while in use");
    if (!drop(si.allocated, p))
        violation("device memory freed twice");
    else
        free(p);
    END(OK);
}

API int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t bytes)
{
    BEGIN("cuMemcpyHtoD", true);
    memcpy((void *)(uintptr_t)to, from, bytes);
    END(OK);
}

API int cuThreadExchangeStreamCaptureMode(int *mode)
{
    BEGIN("cuThreadExchangeStreamCaptureMode", false);
    int old = mine.relaxed ? 2 : 0;
    mine.relaxed = *mode == 2;
    *mode = old;
    END(OK);
}

API int cuStreamIsCapturing(void *stream, int *status)
{
    BEGIN("cuStreamIsCapturing", true);
    *status = si.captured && stream == si.captured;
    END(OK);
}

API int cuStreamBeginCapture_v2(void *stream, int mode)
{
    BEGIN("cuStreamBeginCapture", true);
    if (si.captured || si.is_capturing)
        END(INVALID);
    si.captured = stream;
    si.is_capturing = mode == 0; /* global: other threads are looked at, too */
    si.capture_is_broken = false;
    END(OK);
}

API int cuStreamEndCapture(void *stream, void **graph)
{
    BEGIN("cuStreamEndCapture", true);
    if (si.captured != stream)
        END(INVALID);
    si.captured = NULL;
    si.is_capturing = 0;
    *graph = si.capture_is_broken ? NULL : &si.captured;
    END(si.capture_is_broken ? 901 /* CUDA_ERROR_STREAM_CAPTURE_INVALIDATED */
                             : OK);
}

API int cuGraphDestroy(void *graph)
{
    BEGIN("cuGraphDestroy", true);
    END(graph == &si.captured ? OK : INVALID);
}
