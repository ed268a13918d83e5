/* Copies ahead: the host buffer is free as soon as its copy is done, the
 * device buffer when the consumer's streams have passed it. */
#include "loader/feed.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { SLICE_MS = 100 };

size_t stk_feed_buffer_bytes(size_t image_bytes, size_t n_rows,
                             size_t *label_at, size_t *valid_at)
{
    *label_at = stk_round_up(image_bytes, 256);
    *valid_at = stk_round_up(*label_at + n_rows * sizeof(int64_t), 256);
    return *valid_at + n_rows;
}

int stk_feed_open(struct stk_feed **out, stoker_loader *loader,
                  stoker_error *err)
{
    pthread_condattr_t attr;
    struct stk_feed *feed = stk_calloc_aligned(1, sizeof *feed);

    if (!feed)
        return stk_fail(err, -ENOMEM, "feed: no memory");
    feed->loader = loader;
    feed->n = (uint32_t)loader->opt.n_device_buffers;
    feed->queue = stk_calloc(feed->n, sizeof *feed->queue);
    if (!feed->queue) {
        stk_free(feed);
        return stk_fail(err, -ENOMEM, "feed: no memory");
    }
    pthread_mutex_init(&feed->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&feed->changed, &attr);
    pthread_condattr_destroy(&attr);
    *out = feed;
    return 0;
}

void stk_feed_close(struct stk_feed *feed)
{
    if (!feed)
        return;
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    stk_free(feed->queue);
    stk_free(feed);
}

static bool is_stopped(struct stk_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    bool stopped = feed->is_stopped;
    pthread_mutex_unlock(&feed->lock);
    return stopped;
}

/* The tail of the host buffer: what goes to the device besides pixels. */
static void write_tail(const stoker_loader *loader, const stoker_batch *batch)
{
    size_t n = (size_t)batch->info.n_rows;

    memcpy(batch->image + loader->label_at, batch->rows.label,
           n * sizeof(int64_t));
    memcpy(batch->image + loader->valid_at, batch->rows.valid, n);
}

static void push(struct stk_feed *feed, stoker_batch *batch)
{
    pthread_mutex_lock(&feed->lock);
    feed->queue[(feed->first + feed->n_queued++) % feed->n] = batch;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

/* Copies one batch into a leased device buffer and queues it while the copy
 * runs; comes back when the host buffer may be written again. */
static int copy(struct stk_feed *feed, stoker_batch *batch, uint32_t slot,
                stoker_error *err)
{
    stoker_loader *loader = feed->loader;
    struct stk_gpu *gpu = loader->home->gpu;
    const struct stk_guarded *guarded = &gpu->guard.slots[slot];
    uint32_t host = batch->buffer;
    int64_t copy_ns = 0;

    write_tail(loader, batch);
    uint64_t n_elements =
        (uint64_t)batch->info.n_rows * loader->program.sample_bytes;
    int rc =
        stk_device_copy(&gpu->device, slot, batch->image, loader->buffer_bytes,
                        n_elements, guarded->events, guarded->n_events, err);
    if (rc < 0) {
        /* Something may have been enqueued before it failed. */
        batch->is_lost = !stk_device_is_quiet(&gpu->device);
        if (!batch->is_lost)
            stk_guard_unlease(&gpu->guard, slot);
        stk_batch_drop(batch, true);
        return rc;
    }
    stk_batch_move_to_device(batch, slot);
    atomic_store_explicit(&gpu->acquired_ns[slot], 0, memory_order_relaxed);
    push(feed, batch); /* the batch is the consumer's from here on */
    rc = stk_device_sync(&gpu->device, slot, &copy_ns, err);
    int64_t since = atomic_exchange_explicit(&gpu->acquired_ns[slot], -1,
                                             memory_order_relaxed);
    if (since > 0)
        atomic_fetch_add_explicit(&gpu->stream_wait_ns, stk_now_ns() - since,
                                  memory_order_relaxed);
    atomic_fetch_add_explicit(&gpu->copy_ns, copy_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&gpu->n_copies, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&gpu->bytes_copied,
                              (long long)loader->buffer_bytes,
                              memory_order_relaxed);
    /* After a failed copy the host buffer is never written again. */
    if (rc == 0)
        stk_home_return(loader->home, host);
    return rc;
}

static int take_device_buffer(struct stk_feed *feed, uint32_t *slot)
{
    struct stk_gpu *gpu = feed->loader->home->gpu;
    int rc;

    do {
        rc = stk_guard_take_any(
            &gpu->guard, stk_now_ns() + SLICE_MS * INT64_C(1000000), slot);
    } while (rc == STOKER_TIMEOUT && !is_stopped(feed));
    return rc;
}

/* One batch further.  Returns 0, STOKER_END, or what ends the run. */
static int step(struct stk_feed *feed, stoker_error *err)
{
    stoker_loader *loader = feed->loader;
    struct stk_gpu *gpu = loader->home->gpu;
    stoker_batch *batch;
    uint32_t slot;
    int64_t start = stk_now_ns();

    int rc = stk_loader_take(loader, &batch, SLICE_MS, err);
    atomic_fetch_add_explicit(&gpu->copy_wait_ns, stk_now_ns() - start,
                              memory_order_relaxed);
    if (rc)
        return rc == STOKER_TIMEOUT ? 0 : rc;
    rc = stk_gpu_wait_pinned(gpu, batch->buffer, -1, err);
    if (rc == 0)
        rc = take_device_buffer(feed, &slot);
    if (rc) {
        stk_batch_drop(batch, true);
        return rc;
    }
    return copy(feed, batch, slot, err);
}

static void *body(void *self)
{
    struct stk_feed *feed = self;
    struct stk_gpu *gpu = feed->loader->home->gpu;
    struct stk_cuda_visit visit;
    stoker_error err = {0};

    int rc = stk_cuda_enter(&gpu->cuda, &visit, &err);
    if (rc == 0) {
        while (rc == 0 && !is_stopped(feed))
            rc = step(feed, &err);
        stk_cuda_leave(&gpu->cuda, &visit);
    }
    pthread_mutex_lock(&feed->lock);
    if (rc < 0)
        feed->error = err;
    feed->is_over = true;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

int stk_feed_start(struct stk_feed *feed, stoker_error *err)
{
    feed->is_stopped = feed->is_over = false;
    feed->error.code = 0;
    feed->first = feed->n_queued = 0;
    int rc = stk_thread_start(&feed->thread, "stoker-feed", body, feed);
    return rc < 0
               ? stk_fail(err, rc, "cannot start a thread: %s", strerror(-rc))
               : 0;
}

int stk_feed_stop(struct stk_feed *feed, int64_t deadline_ns)
{
    struct stk_gpu *gpu = feed->loader->home->gpu;

    pthread_mutex_lock(&feed->lock);
    feed->is_stopped = true;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    if (stk_thread_join(&feed->thread, deadline_ns) < 0)
        return -ETIMEDOUT;
    for (; feed->n_queued; feed->n_queued--, feed->first++) {
        stoker_batch *batch = feed->queue[feed->first % feed->n];
        uint32_t slot = (uint32_t)batch->device_buffer;
        stk_batch_drop(batch, true);
        stk_guard_unlease(&gpu->guard, slot); /* nobody has seen it */
    }
    return 0;
}

/* Under the lock.  Returns what an empty queue means now. */
static int empty_means(struct stk_feed *feed, bool in_time, int timeout_ms,
                       stoker_error *err)
{
    struct stk_gpu *gpu = feed->loader->home->gpu;

    if (atomic_load(&feed->loader->is_closing))
        return stk_fail(err, -ECANCELED, "the loader is being closed");
    if (feed->error.code) {
        *err = feed->error;
        return err->code;
    }
    if (feed->is_over)
        return STOKER_END;
    if (in_time)
        return 0;
    if (stk_guard_count(&gpu->guard, STK_GUARD_LEASED) < feed->n)
        return STOKER_TIMEOUT;
    return stk_fail(err, -EBUSY,
                    "all %u device batches of this loader are still held "
                    "(%d ms); release some, or raise n_device_buffers",
                    feed->n, timeout_ms);
}

/* Under the lock, which it lets go: as this thread's next call would, what
 * died while it slept, or why that cannot be done. */
static int mark(struct stk_feed *feed, stoker_error *err)
{
    pthread_mutex_unlock(&feed->lock);
    int rc = stk_guard_mark(&feed->loader->home->gpu->guard, NULL, false, err);
    pthread_mutex_lock(&feed->lock);
    return rc;
}

int stk_feed_take(struct stk_feed *feed, stoker_batch **out, int timeout_ms,
                  stoker_error *err)
{
    int64_t end = stk_now_ns() + (int64_t)timeout_ms * 1000000;
    int rc = 0;

    pthread_mutex_lock(&feed->lock);
    while (feed->n_queued == 0 && rc == 0) {
        int64_t now = stk_now_ns();
        bool in_time = timeout_ms < 0 || now < end;
        rc = empty_means(feed, in_time, timeout_ms, err);
        if (rc == 0) {
            int64_t till = now + SLICE_MS * INT64_C(1000000);
            if (timeout_ms >= 0 && end < till)
                till = end;
            struct timespec at = {.tv_sec = (time_t)(till / 1000000000),
                                  .tv_nsec = (long)(till % 1000000000)};
            if (pthread_cond_timedwait(&feed->changed, &feed->lock, &at) != 0)
                rc = mark(feed, err);
        }
    }
    if (feed->n_queued) {
        /* What a mark said meanwhile is said again by the next call's. */
        stk_error_clear(err);
        *out = feed->queue[feed->first % feed->n];
        feed->first++;
        feed->n_queued--;
        rc = 0;
    }
    pthread_mutex_unlock(&feed->lock);
    return rc;
}
