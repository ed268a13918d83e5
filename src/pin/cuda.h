/* The CUDA driver, found at run time: libcuda.so.1 and nothing else.  Types
 * and values are those of the driver API's stable binary interface (cuda.h);
 * no CUDA is needed to build. */
#ifndef STK_CUDA_H
#define STK_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef int CUresult;
typedef int CUdevice;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef unsigned long long CUdeviceptr;

enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_DEINITIALIZED = 4,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_CONTEXT_IS_DESTROYED = 709,
    CUDA_ERROR_NOT_READY = 600,
    CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED = 712,
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
    CU_MEMHOSTREGISTER_PORTABLE = 1,
    CU_MEMORYTYPE_HOST = 1,
    CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2,
    CU_EVENT_BLOCKING_SYNC = 1,
    CU_EVENT_DISABLE_TIMING = 2,
    CU_STREAM_NON_BLOCKING = 1,
    CU_STREAM_PER_THREAD = 2, /* a handle, not a flag */
    CU_STREAM_CAPTURE_MODE_RELAXED = 2,
    CU_DEVICE_ATTRIBUTE_PCI_BUS_ID = 33,
    CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID = 34,
    CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID = 50,
};

/* name, arguments; the symbols carry the version suffix that cuda.h maps
 * them to, as later ones differ in meaning. */
#define STK_CUDA_CALLS(X)                                                      \
    X(cuInit, "cuInit", (unsigned flags))                                      \
    X(cuDriverGetVersion, "cuDriverGetVersion", (int *version))                \
    X(cuGetErrorName, "cuGetErrorName", (CUresult code, const char **name))    \
    X(cuDeviceGetCount, "cuDeviceGetCount", (int *n))                          \
    X(cuDeviceGet, "cuDeviceGet", (CUdevice * out, int ordinal))               \
    X(cuDeviceGetName, "cuDeviceGetName", (char *name, int n, CUdevice dev))   \
    X(cuDeviceGetAttribute, "cuDeviceGetAttribute",                            \
      (int *value, int attribute, CUdevice device))                            \
    X(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain",                    \
      (CUcontext * out, CUdevice device))                                      \
    X(cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2",               \
      (CUdevice device))                                                       \
    X(cuCtxPushCurrent, "cuCtxPushCurrent_v2", (CUcontext context))            \
    X(cuCtxPopCurrent, "cuCtxPopCurrent_v2", (CUcontext * context))            \
    X(cuCtxGetCurrent, "cuCtxGetCurrent", (CUcontext * context))               \
    X(cuCtxGetDevice, "cuCtxGetDevice", (CUdevice * device))                   \
    X(cuMemHostRegister, "cuMemHostRegister_v2",                               \
      (void *data, size_t bytes, unsigned flags))                              \
    X(cuMemHostUnregister, "cuMemHostUnregister", (void *data))                \
    X(cuMemAlloc, "cuMemAlloc_v2", (CUdeviceptr * out, size_t bytes))          \
    X(cuMemFree, "cuMemFree_v2", (CUdeviceptr data))                           \
    X(cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2",                               \
      (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))       \
    X(cuMemcpyHtoD, "cuMemcpyHtoD_v2",                                         \
      (CUdeviceptr to, const void *from, size_t bytes))                        \
    X(cuCtxSynchronize, "cuCtxSynchronize", (void))                            \
    X(cuPointerGetAttribute, "cuPointerGetAttribute",                          \
      (void *out, int attribute, CUdeviceptr data))                            \
    X(cuStreamCreate, "cuStreamCreate", (CUstream * out, unsigned flags))      \
    X(cuStreamDestroy, "cuStreamDestroy_v2", (CUstream stream))                \
    X(cuStreamSynchronize, "cuStreamSynchronize", (CUstream stream))           \
    X(cuStreamIsCapturing, "cuStreamIsCapturing",                              \
      (CUstream stream, int *status))                                          \
    X(cuStreamWaitEvent, "cuStreamWaitEvent",                                  \
      (CUstream stream, CUevent event, unsigned flags))                        \
    X(cuEventCreate, "cuEventCreate", (CUevent * out, unsigned flags))         \
    X(cuEventDestroy, "cuEventDestroy_v2", (CUevent event))                    \
    X(cuEventRecord, "cuEventRecord", (CUevent event, CUstream stream))        \
    X(cuEventQuery, "cuEventQuery", (CUevent event))                           \
    X(cuEventSynchronize, "cuEventSynchronize", (CUevent event))               \
    X(cuEventElapsedTime, "cuEventElapsedTime",                                \
      (float *ms, CUevent from, CUevent to))                                   \
    X(cuThreadExchangeStreamCaptureMode, "cuThreadExchangeStreamCaptureMode",  \
      (int *mode))                                                             \
    X(cuModuleLoadData, "cuModuleLoadData",                                    \
      (CUmodule * out, const void *image))                                     \
    X(cuModuleUnload, "cuModuleUnload", (CUmodule module))                     \
    X(cuModuleGetFunction, "cuModuleGetFunction",                              \
      (CUfunction * out, CUmodule module, const char *name))                   \
    X(cuLaunchKernel, "cuLaunchKernel",                                        \
      (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,       \
       unsigned by, unsigned bz, unsigned shared, CUstream stream,             \
       void **arguments, void **extra))

/* Entry points that older drivers lack: NULL there. */
#define STK_CUDA_LATER_CALLS(X)                                                \
    X(cuCtxRecordEvent, "cuCtxRecordEvent",                                    \
      (CUcontext context, CUevent event)) /* 12.5 */

/* One device of the driver with its primary context retained.  Immutable
 * between open and close; any thread. */
struct stk_cuda {
    void *library;
    int32_t ordinal;
    CUdevice device;
    CUcontext context;
    int driver_version;
    int64_t init_ns;    /* loading, cuInit and the context together */
    int64_t context_ns; /* of these, the context */
#define STK_CUDA_FIELD(name, symbol, arguments) CUresult(*name) arguments;
    STK_CUDA_CALLS(STK_CUDA_FIELD)
    STK_CUDA_LATER_CALLS(STK_CUDA_FIELD)
#undef STK_CUDA_FIELD
};

/* Loads the driver, initialises it, retains the primary context of a device
 * (-1: the current context's, else the first).  Never call it before a fork
 * whose child will use CUDA.
 * Returns 0; -ENODEV without a driver or device, -EIO; err says why. */
int stk_cuda_open(struct stk_cuda *cuda, int ordinal, stoker_error *err);
/* DEINITIALIZED at the process's exit counts as done. */
void stk_cuda_close(struct stk_cuda *cuda);

/* Around calls on a thread that is not ours: the context pushed and popped,
 * stream capture of the thread relaxed, so that our event queries never
 * invalidate a graph that is being captured. */
struct stk_cuda_visit {
    int capture_mode;
};
int stk_cuda_enter(const struct stk_cuda *cuda, struct stk_cuda_visit *visit,
                   stoker_error *err);
void stk_cuda_leave(const struct stk_cuda *cuda, struct stk_cuda_visit *visit);

/* true for host memory that CUDA has pinned, whoever did it.  Context current.
 */
bool stk_cuda_is_pinned(const struct stk_cuda *cuda, const void *data,
                        size_t bytes);

/* true when the driver has shut down, as it does at the process's exit. */
bool stk_cuda_is_gone(const struct stk_cuda *cuda);

/* "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY" as an error; 0 for success. */
int stk_cuda_check(const struct stk_cuda *cuda, CUresult code, const char *call,
                   stoker_error *err);

/* The kernel's folder of the device, "/sys/bus/pci/devices/0000:01:00.0". */
bool stk_cuda_folder(const struct stk_cuda *cuda, char *path, size_t bytes);

/* The NUMA node that the device's slot hangs at, or -1: unknown or only one. */
int stk_cuda_numa_node(const struct stk_cuda *cuda);

/* For doctor: driver version and a line a device, without a context. */
int stk_cuda_describe(int *driver_version, int *n_devices, char *lines,
                      size_t bytes, stoker_error *err);

#endif
