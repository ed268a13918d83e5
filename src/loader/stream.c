/* Batches and the streams that read them: acquire, record, release on. */
#include <errno.h>

#include "base/clock.h"
#include "loader/batch.h"

/* The guarded slot that the batch's image lies in. */
static uint32_t slot_of(const stoker_batch *batch)
{
    return batch->device_buffer >= 0 ? (uint32_t)batch->device_buffer
                                     : batch->buffer;
}

void stk_batch_move_to_device(stoker_batch *batch, uint32_t device_buffer)
{
    const struct stk_device *device = &batch->home->gpu->device;

    batch->device_buffer = (int32_t)device_buffer;
    batch->image = (uint8_t *)(uintptr_t)device->buffers[device_buffer].image;
}

static int forked(stoker_error *err)
{
    return stk_fail(err, -EOWNERDEAD,
                    "this batch was leased before a fork; CUDA streams are "
                    "the parent's");
}

int stk_batch_record_stream(stoker_batch *batch, void *stream,
                            stoker_error *err)
{
    /* Acquire: partner is the last drop.  The image has gone back, perhaps
     * with its home: there is nothing to guard. */
    if (atomic_load_explicit(&batch->n_image_shares, memory_order_acquire) == 0)
        return 0;
    struct stk_gpu *gpu = batch->home->gpu;
    if (!gpu)
        return 0; /* plain memory: torch's copies from it are synchronous */
    if (!stk_home_is_ours(batch->home))
        return forked(err);
    return stk_guard_add_stream(&gpu->guard, slot_of(batch), stream, err);
}

/* A captured stream may not wait for what lies outside of the graph: the
 * driver would refuse, and the capture would be invalid. */
static int wait_copied(struct stk_gpu *gpu, int32_t buffer, CUstream stream,
                       stoker_error *err)
{
    int status = 0;

    int rc = stk_cuda_check(&gpu->cuda,
                            gpu->cuda.cuStreamIsCapturing(stream, &status),
                            "cuStreamIsCapturing", err);
    if (rc < 0)
        return rc;
    if (status)
        return stk_fail(err, -EINVAL,
                        "acquire: the stream is being captured into a graph; "
                        "take batches outside of the capture");
    return stk_cuda_check(&gpu->cuda,
                          gpu->cuda.cuStreamWaitEvent(
                              stream, gpu->device.buffers[buffer].copied, 0),
                          "cuStreamWaitEvent", err);
}

int stk_batch_acquire(stoker_batch *batch, void *stream, stoker_error *err)
{
    struct stk_gpu *gpu = batch->home->gpu;
    struct stk_cuda_visit visit;
    long long none = 0;

    if (batch->device_buffer < 0)
        return stk_fail(err, -EINVAL, "acquire: the batch is in host memory");
    if (!stk_home_is_ours(batch->home))
        return forked(err);
    int rc = stk_cuda_enter(&gpu->cuda, &visit, err);
    if (rc < 0)
        return rc;
    rc = wait_copied(gpu, batch->device_buffer, stream, err);
    stk_cuda_leave(&gpu->cuda, &visit);
    /* The feed closes what the first one opens.  Relaxed: a counter. */
    if (rc == 0)
        atomic_compare_exchange_strong_explicit(
            &gpu->acquired_ns[batch->device_buffer], &none, stk_now_ns(),
            memory_order_relaxed, memory_order_relaxed);
    return rc < 0 ? rc : stk_batch_record_stream(batch, stream, err);
}

int stk_batch_drop_on(stoker_batch *batch, void *stream, stoker_error *err)
{
    struct stk_gpu *gpu = batch->home->gpu;
    int rc = 0;

    if (!gpu || !stk_home_is_ours(batch->home)) {
        stk_batch_drop(batch, true);
        return 0;
    }
    /* Memory that is not registered: the driver has copied it already. */
    if (batch->device_buffer < 0 && !stk_gpu_is_pinned(gpu, batch->buffer)) {
        stk_batch_drop(batch, true);
        return 0;
    }
    /* Recorded now, not when a later mark comes: the stream may have been
     * given much more by then.  Acquire: what other holders did is behind. */
    if (atomic_load_explicit(&batch->n_image_shares, memory_order_acquire) ==
        1) {
        atomic_store_explicit(&batch->n_image_shares, 0, memory_order_relaxed);
        rc = stk_guard_die_on(&gpu->guard, slot_of(batch), stream, err);
        stk_home_release(batch->home);
        stk_batch_drop(batch, false);
        return rc;
    }
    rc = stk_batch_record_stream(batch, stream, err);
    if (rc < 0) /* nobody would wait for this stream */
        batch->is_lost = true;
    stk_batch_drop(batch, true);
    return rc;
}
