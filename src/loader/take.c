/* The end of the ring: waits for the next full batch in order and leases its
 * buffer, for the consumer or for the feed that copies ahead of it. */
#include <errno.h>

#include "base/clock.h"
#include "loader/worker.h"
#include "plan/dataset.h"
#include "sync/pulse.h"
#include "sync/wait.h"

enum { SPIN_NS = 50000, SLICE_NS = 100000000 };

/* A worker that could not open its reader ends the run. */
static int check_failed(stoker_loader *loader, stoker_error *err)
{
    /* Acquire: partner is the release in worker.c's body; passes the text. */
    int failed =
        atomic_load_explicit(&loader->failed_worker, memory_order_acquire);
    if (!failed)
        return 0;
    *err = loader->workers[failed - 1].error;
    return stk_fail_at(err, STOKER_STAGE_READ, -1, err->code);
}

/* A worker that hangs in a system call names its file: of several the one that
 * hangs longest, since others may only wait for a lock that its call holds. */
static int check_stuck(stoker_loader *loader, int64_t now, stoker_error *err)
{
    int64_t limit = (int64_t)loader->opt.stall_timeout_ms * 1000000;
    int64_t first = now - limit - SLICE_NS, id = -1;

    for (int32_t i = 0; i < loader->n_workers; i++) {
        struct stk_worker *worker = &loader->workers[i];
        int64_t since =
            atomic_load_explicit(&worker->stuck_since_ns, memory_order_relaxed);
        if (since && since < loader->awake_ns)
            since = loader->awake_ns;
        int64_t on =
            atomic_load_explicit(&worker->stuck_id, memory_order_relaxed);
        if (!since || since > first || on < 0)
            continue;
        first = since;
        id = on;
    }
    char path[STK_PATH_BYTES];
    if (id < 0 || stk_dataset_name(loader->dataset, id, path, sizeof path) < 0)
        return 0; /* or it has moved on just now */
    stk_fail(err, -ETIMEDOUT,
             "%s: stalled: its storage has not answered for %lld ms", path,
             (long long)((now - first) / 1000000));
    return stk_fail_at(err, STOKER_STAGE_READ, id, -ETIMEDOUT);
}

static int give_up(stoker_loader *loader, int timeout_ms, stoker_error *err)
{
    struct stk_gpu *gpu = loader->home->gpu;

    if (stk_ring_is_armed(&loader->home->ring, loader->seq))
        return STOKER_TIMEOUT;
    /* A copied batch's buffer is back before the next is asked for. */
    if (gpu && gpu->has_device)
        return stk_fail(err, -EIO,
                        "all %u host batches of this loader are lost to "
                        "copies that failed; open another",
                        loader->home->ring.n);
    /* Given back, but a stream has not passed it yet. */
    if (gpu &&
        stk_guard_count(&gpu->guard, STK_GUARD_LEASED) < loader->home->ring.n)
        return STOKER_TIMEOUT;
    return stk_fail(err, -EBUSY,
                    "all %u batches of this loader are still held (%d ms); "
                    "release or copy some, or raise n_slots (prefetch)",
                    loader->home->ring.n, timeout_ms);
}

/* While the consumer sleeps: what died meanwhile is marked as its next call
 * would, for what the pinner cannot do, and to tell why it cannot be done. */
static int look_after(struct stk_gpu *gpu, stoker_error *err)
{
    return gpu->has_device ? stk_guard_check(&gpu->guard, err)
                           : stk_guard_mark(&gpu->guard, NULL, false, err);
}

/* Waits until the next batch is full.  Returns 0, STOKER_TIMEOUT, or what
 * ends the wait. */
static int wait_full(stoker_loader *loader, int timeout_ms, stoker_error *err)
{
    struct stk_ring *ring = &loader->home->ring;
    atomic_uint *turn = &stk_ring_place(ring, loader->seq)->turn;
    int64_t start = stk_now_ns(), now = start;
    int64_t deadline = start + (int64_t)timeout_ms * 1000000;
    int64_t looked = start;

    for (;; now = stk_now_ns()) {
        /* The program was stopped meanwhile: so were its workers. */
        if (now - looked > STK_WATCH_AWAY_NS)
            loader->awake_ns = now;
        looked = now;
        unsigned seen = atomic_load_explicit(turn, memory_order_relaxed);
        if (stk_ring_is_full(ring, loader->seq))
            return 0;
        if (atomic_load(&loader->is_closing))
            return stk_fail(err, -ECANCELED, "the loader is being closed");
        int rc = check_failed(loader, err);
        if (rc == 0)
            rc = check_stuck(loader, now, err);
        if (rc == 0 && loader->home->gpu)
            rc = look_after(loader->home->gpu, err);
        if (rc < 0)
            return rc;
        if (timeout_ms >= 0 && now >= deadline)
            return give_up(loader, timeout_ms, err);
        if (stk_spin(turn, seen, SPIN_NS))
            continue;
        int64_t slice = stk_now_ns() + SLICE_NS;
        stk_wait(turn, seen,
                 timeout_ms >= 0 && deadline < slice ? deadline : slice);
    }
}

/* Host mode with pinned memory: the guard has the buffer from now on. */
static int lease_pinned(stoker_loader *loader, uint32_t buffer, int timeout_ms,
                        stoker_error *err)
{
    struct stk_gpu *gpu = loader->home->gpu;

    if (!gpu || gpu->has_device)
        return 0;
    int64_t deadline = timeout_ms < 0
                           ? STK_NEVER
                           : stk_now_ns() + (int64_t)timeout_ms * 1000000;
    int rc = stk_gpu_wait_pinned(gpu, buffer, deadline, err);
    if (rc == 0)
        stk_guard_lease(&gpu->guard, buffer);
    return rc;
}

int stk_loader_take(stoker_loader *loader, stoker_batch **out, int timeout_ms,
                    stoker_error *err)
{
    struct stk_ring *ring = &loader->home->ring;
    struct stk_gpu *gpu = loader->home->gpu;
    struct stk_step at;

    if (stk_plan_step(&loader->plan, (int64_t)(loader->seq - loader->first_seq),
                      &at) != 0)
        return STOKER_END;
    int rc = wait_full(loader, timeout_ms, err);
    if (rc)
        return rc;
    /* Only now: before it is full, whoever returns a lease writes it. */
    uint32_t buffer = stk_ring_place(ring, loader->seq)->buffer;
    rc = lease_pinned(loader, buffer, timeout_ms, err);
    if (rc)
        return rc;
    stoker_batch *batch =
        stk_batch_make(loader->home, buffer, &loader->output,
                       &loader->rows[loader->seq % ring->n], at.n_rows);
    if (!batch) {
        if (gpu && !gpu->has_device)
            stk_guard_unlease(&gpu->guard, buffer);
        return stk_fail(err, -ENOMEM, "batch: no memory");
    }
    batch->info.epoch = at.epoch;
    batch->info.step = at.step;
    batch->info.first_position = at.first_position;
    batch->info.n_positions = at.n_positions;
    batch->label_at = loader->label_at;
    batch->valid_at = loader->valid_at;
    batch->consumed_after = at.consumed_after;
    batch->is_last_of_epoch = at.is_last_of_epoch;
    loader->seq++;
    *out = batch;
    return 0;
}
