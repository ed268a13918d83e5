/* Leases and named tensors. */
#include "loader/batch.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

stoker_batch *stk_batch_make(struct stk_home *home, uint32_t buffer,
                             const struct stk_program *output,
                             struct stk_columns *rows, int64_t n_rows)
{
    size_t n = (size_t)n_rows;
    size_t head = stk_round_up(sizeof(stoker_batch), STK_CACHE_LINE);
    stoker_batch *batch = stk_calloc_aligned(1, head + stk_columns_bytes(n));

    if (!batch)
        return NULL;
    stk_columns_lay(&batch->rows, (uint8_t *)batch + head, n);
    stk_columns_move(&batch->rows, rows, n);
    atomic_init(&batch->n_shares, 1);
    atomic_init(&batch->n_image_shares, 1);
    batch->home = stk_home_retain(home);
    batch->buffer = buffer;
    batch->device_buffer = -1;
    atomic_init(&batch->was_seen, 0);
    batch->image = stk_arena_buffer(&home->arena, buffer);
    batch->dtype = output->dtype;
    batch->layout = output->layout;
    batch->height = output->out_height;
    batch->width = output->out_width;
    batch->info.size = sizeof batch->info;
    batch->info.n_rows = n_rows;
    return batch;
}

void stk_batch_retain(stoker_batch *batch, bool image)
{
    /* Relaxed: whoever retains holds a share already. */
    atomic_fetch_add_explicit(&batch->n_shares, 1, memory_order_relaxed);
    if (image)
        atomic_fetch_add_explicit(&batch->n_image_shares, 1,
                                  memory_order_relaxed);
}

/* The last image share is gone: the buffer goes back, at once where no
 * stream of a GPU can be reading it. */
static void give_back(stoker_batch *batch)
{
    struct stk_home *home = batch->home;
    struct stk_gpu *gpu = home->gpu;

    if (!stk_home_is_ours(home))
        return; /* a forked child: ring and guard are the parent's */
    if (batch->is_lost)
        return; /* better lost than overwritten */
    if (!gpu)
        stk_home_return(home, batch->buffer);
    else if (batch->device_buffer >= 0)
        stk_guard_die(&gpu->guard, (uint32_t)batch->device_buffer);
    else if (gpu->has_device) /* never copied: the loader was closed */
        stk_home_return(home, batch->buffer);
    /* Relaxed: the counts of shares order this after the hand-over.  From
     * memory that is not registered the driver copies before it returns. */
    else if (atomic_load_explicit(&batch->was_seen, memory_order_relaxed) &&
             stk_gpu_is_pinned(gpu, batch->buffer))
        stk_guard_die(&gpu->guard, batch->buffer);
    else {
        stk_guard_unlease(&gpu->guard, batch->buffer);
        stk_home_return(home, batch->buffer);
    }
}

void stk_batch_drop(stoker_batch *batch, bool image)
{
    /* Acq_rel twice: the last one out passes on what all others did. */
    if (image && atomic_fetch_sub_explicit(&batch->n_image_shares, 1,
                                           memory_order_acq_rel) == 1) {
        give_back(batch);
        stk_home_release(batch->home);
    }
    if (atomic_fetch_sub_explicit(&batch->n_shares, 1, memory_order_acq_rel) ==
        1) {
        stk_columns_forget(&batch->rows, (size_t)batch->info.n_rows);
        stk_free(batch);
    }
}

static void set_shape(stoker_tensor *out, int dtype, int n_dims,
                      const int64_t *shape)
{
    int64_t stride = 1;

    out->dtype = dtype;
    out->n_dims = n_dims;
    for (int i = n_dims - 1; i >= 0; i--) {
        out->shape[i] = shape[i];
        out->strides[i] = stride;
        stride *= shape[i];
    }
}

/* Tensors that lie in the device buffer, when there is one. */
static void set_device(const stoker_batch *batch, stoker_tensor *out, size_t at)
{
    /* Small tensors in host memory outlive the image, and with it the home. */
    if (at && batch->device_buffer < 0)
        return;
    const struct stk_gpu *gpu = batch->home->gpu;
    if (!gpu)
        return;
    if (batch->device_buffer < 0) {
        out->pinned = stk_gpu_is_pinned(gpu, batch->buffer);
        return;
    }
    out->device = gpu->cuda.ordinal;
    if (at) /* the tail stays where it was copied, behind the raw image */
        out->data =
            (uint8_t *)(uintptr_t)gpu->device.buffers[batch->device_buffer]
                .raw +
            at;
}

int stk_batch_tensor(const stoker_batch *batch, const char *name,
                     stoker_tensor *out)
{
    stoker_tensor full = {.size = sizeof full, .device = -1};
    const int64_t n = batch->info.n_rows;
    const int64_t h = batch->height, w = batch->width;

    if (strcmp(name, "image") == 0) {
        full.name = "image";
        full.data = batch->image;
        set_shape(&full, batch->dtype, 4,
                  batch->layout == STOKER_NCHW ? (int64_t[]){n, 3, h, w}
                                               : (int64_t[]){n, h, w, 3});
        set_device(batch, &full, 0);
    } else if (strcmp(name, "label") == 0) {
        full.name = "label";
        full.data = batch->rows.label;
        set_shape(&full, STOKER_I64, 1, &n);
        set_device(batch, &full, batch->label_at);
    } else if (strcmp(name, "id") == 0) {
        full.name = "id";
        full.data = batch->rows.id;
        set_shape(&full, STOKER_I64, 1, &n);
    } else if (strcmp(name, "valid") == 0) {
        full.name = "valid";
        full.data = batch->rows.valid;
        set_shape(&full, STOKER_U8, 1, &n);
        set_device(batch, &full, batch->valid_at);
    } else if (strcmp(name, "window") == 0) {
        full.name = "window";
        full.data = batch->rows.window;
        set_shape(&full, STOKER_I32, 2, (int64_t[]){n, 4});
    } else if (strcmp(name, "flip") == 0) {
        full.name = "flip";
        full.data = batch->rows.flip;
        set_shape(&full, STOKER_U8, 1, &n);
    } else {
        return -ENOENT;
    }
    size_t size = out->size < sizeof full ? out->size : sizeof full;
    full.size = out->size;
    memcpy(out, &full, size);
    return 0;
}
