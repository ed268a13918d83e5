/* Device memory for batches and the one stream that fills it.  No threads
 * here: the feed calls these, one at a time. */
#ifndef STK_DEVICE_H
#define STK_DEVICE_H

#include <stdbool.h>

#include "pin/cuda.h"

struct stk_device_buffer {
    CUdeviceptr raw;       /* what is copied: image rows, then the tail */
    CUdeviceptr image;     /* raw itself, or what the kernel makes of it */
    CUevent begun, copied; /* with timing; copied: the image is complete */
};

struct stk_device {
    const struct stk_cuda *cuda;
    CUstream stream;
    uint32_t n;
    struct stk_device_buffer *buffers;
    size_t raw_bytes;   /* of a whole copy */
    size_t image_bytes; /* of the finished images, when the kernel runs */
    bool has_kernel;
    CUmodule module;
    CUfunction gather;
    CUdeviceptr table;
    uint32_t plane, element_bytes; /* see gather_ptx.h */
};

/* Loads the kernel and its table; -ENOTSUP with the reason when the driver
 * cannot: the host's table does the work then.  Context current. */
int stk_device_load_kernel(struct stk_device *device,
                           const uint32_t table[3][256], uint32_t plane,
                           uint32_t element_bytes, stoker_error *err);

/* Stream and n buffers of raw_bytes (and image_bytes with a kernel).
 * Context current.  Half-made is closed by stk_device_close(). */
int stk_device_open(struct stk_device *device, const struct stk_cuda *cuda,
                    uint32_t n, size_t raw_bytes, size_t image_bytes,
                    stoker_error *err);

/* Enqueues: wait for `events`, copy `bytes` from pinned host memory, run the
 * kernel over n_elements bytes, record `copied`.  Context current. */
int stk_device_copy(struct stk_device *device, uint32_t buffer,
                    const void *host, size_t bytes, uint64_t n_elements,
                    const CUevent *events, int n_events, stoker_error *err);

/* Sleeps until the copy is done; *copy_ns: what it took. */
int stk_device_sync(struct stk_device *device, uint32_t buffer,
                    int64_t *copy_ns, stoker_error *err);

/* Waits for all that was enqueued; false: the driver cannot say that it is
 * done. */
bool stk_device_is_quiet(struct stk_device *device);

/* Context current; the stream has been synchronised. */
void stk_device_close(struct stk_device *device);

#endif
