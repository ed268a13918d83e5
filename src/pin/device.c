/* Calls of the driver in the order that a copy needs them. */
#include "pin/device.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "pin/gather_ptx.h"

#define TRY(device, call, name)                                                \
    do {                                                                       \
        int rc_ = stk_cuda_check((device)->cuda, (call), (name), err);         \
        if (rc_ < 0)                                                           \
            return rc_;                                                        \
    } while (0)

enum { THREADS_A_BLOCK = 256, TABLE_BYTES = 3 * 256 * 4 };

static int load_kernel(struct stk_device *device, const uint32_t table[3][256],
                       stoker_error *err)
{
    const struct stk_cuda *cuda = device->cuda;

    TRY(device, cuda->cuModuleLoadData(&device->module, stk_gather_ptx),
        "cuModuleLoadData");
    TRY(device,
        cuda->cuModuleGetFunction(&device->gather, device->module,
                                  "stk_gather"),
        "cuModuleGetFunction");
    TRY(device, cuda->cuMemAlloc(&device->table, TABLE_BYTES), "cuMemAlloc");
    TRY(device, cuda->cuMemcpyHtoD(device->table, table, TABLE_BYTES),
        "cuMemcpyHtoD");
    return 0;
}

static void unload_kernel(struct stk_device *device)
{
    if (device->table)
        device->cuda->cuMemFree(device->table);
    if (device->module)
        device->cuda->cuModuleUnload(device->module);
    device->table = 0;
    device->module = NULL;
    device->has_kernel = false;
}

int stk_device_load_kernel(struct stk_device *device,
                           const uint32_t table[3][256], uint32_t plane,
                           uint32_t element_bytes, stoker_error *err)
{
    int rc = load_kernel(device, table, err);
    if (rc < 0) {
        unload_kernel(device);
        return rc == -ENOMEM ? rc : -ENOTSUP;
    }
    device->plane = plane;
    device->element_bytes = element_bytes;
    device->has_kernel = true;
    return 0;
}

static int open_buffer(struct stk_device *device,
                       struct stk_device_buffer *buffer, stoker_error *err)
{
    const struct stk_cuda *cuda = device->cuda;

    TRY(device, cuda->cuMemAlloc(&buffer->raw, device->raw_bytes),
        "cuMemAlloc");
    if (device->has_kernel)
        TRY(device, cuda->cuMemAlloc(&buffer->image, device->image_bytes),
            "cuMemAlloc");
    else
        buffer->image = buffer->raw;
    TRY(device, cuda->cuEventCreate(&buffer->begun, CU_EVENT_BLOCKING_SYNC),
        "cuEventCreate");
    TRY(device, cuda->cuEventCreate(&buffer->copied, CU_EVENT_BLOCKING_SYNC),
        "cuEventCreate");
    return 0;
}

int stk_device_open(struct stk_device *device, const struct stk_cuda *cuda,
                    uint32_t n, size_t raw_bytes, size_t image_bytes,
                    stoker_error *err)
{
    device->cuda = cuda;
    device->raw_bytes = raw_bytes;
    device->image_bytes = image_bytes;
    device->buffers = stk_calloc(n, sizeof *device->buffers);
    if (!device->buffers)
        return stk_fail(err, -ENOMEM, "device: no memory");
    device->n = n;
    TRY(device, cuda->cuStreamCreate(&device->stream, CU_STREAM_NON_BLOCKING),
        "cuStreamCreate");
    for (uint32_t i = 0; i < n; i++) {
        int rc = open_buffer(device, &device->buffers[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run_kernel(struct stk_device *device,
                      struct stk_device_buffer *buffer, uint64_t n_elements,
                      stoker_error *err)
{
    void *arguments[] = {&buffer->raw, &buffer->image, &device->table,
                         &n_elements,  &device->plane, &device->element_bytes};
    uint64_t blocks = (n_elements + THREADS_A_BLOCK - 1) / THREADS_A_BLOCK;

    TRY(device,
        device->cuda->cuLaunchKernel(device->gather, (unsigned)blocks, 1, 1,
                                     THREADS_A_BLOCK, 1, 1, 0, device->stream,
                                     arguments, NULL),
        "cuLaunchKernel");
    return 0;
}

int stk_device_copy(struct stk_device *device, uint32_t index, const void *host,
                    size_t bytes, uint64_t n_elements, const CUevent *events,
                    int n_events, stoker_error *err)
{
    const struct stk_cuda *cuda = device->cuda;
    struct stk_device_buffer *buffer = &device->buffers[index];

    /* The buffer's last readers first: their streams pass before ours. */
    for (int i = 0; i < n_events; i++)
        TRY(device, cuda->cuStreamWaitEvent(device->stream, events[i], 0),
            "cuStreamWaitEvent");
    TRY(device, cuda->cuEventRecord(buffer->begun, device->stream),
        "cuEventRecord");
    TRY(device,
        cuda->cuMemcpyHtoDAsync(buffer->raw, host, bytes, device->stream),
        "cuMemcpyHtoDAsync");
    if (device->has_kernel) {
        int rc = run_kernel(device, buffer, n_elements, err);
        if (rc < 0)
            return rc;
    }
    TRY(device, cuda->cuEventRecord(buffer->copied, device->stream),
        "cuEventRecord");
    return 0;
}

int stk_device_sync(struct stk_device *device, uint32_t index, int64_t *copy_ns,
                    stoker_error *err)
{
    const struct stk_cuda *cuda = device->cuda;
    struct stk_device_buffer *buffer = &device->buffers[index];
    float ms = 0;

    TRY(device, cuda->cuEventSynchronize(buffer->copied), "cuEventSynchronize");
    TRY(device, cuda->cuEventElapsedTime(&ms, buffer->begun, buffer->copied),
        "cuEventElapsedTime");
    *copy_ns = (int64_t)((double)ms * 1e6);
    return 0;
}

bool stk_device_is_quiet(struct stk_device *device)
{
    return device->cuda->cuStreamSynchronize(device->stream) == CUDA_SUCCESS;
}

void stk_device_close(struct stk_device *device)
{
    const struct stk_cuda *cuda = device->cuda;

    for (uint32_t i = 0; i < device->n; i++) {
        struct stk_device_buffer *buffer = &device->buffers[i];
        if (buffer->begun)
            cuda->cuEventDestroy(buffer->begun);
        if (buffer->copied)
            cuda->cuEventDestroy(buffer->copied);
        if (buffer->image && buffer->image != buffer->raw)
            cuda->cuMemFree(buffer->image);
        if (buffer->raw)
            cuda->cuMemFree(buffer->raw);
    }
    if (cuda)
        unload_kernel(device);
    if (device->stream)
        cuda->cuStreamDestroy(device->stream);
    stk_free(device->buffers);
    memset(device, 0, sizeof *device);
}
