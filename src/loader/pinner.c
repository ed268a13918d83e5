/* The thread that registers buffer by buffer and then, in host mode, hands
 * marked ones back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "loader/gpu.h"
#include "loader/home.h"
#include "sync/wait.h"

enum { SLICE_NS = 100000000 };

/* Before anything is registered: does the locked-memory limit cover it?  Only
 * a note, as not every driver counts against it. */
static void check_limit(struct stk_gpu *gpu, size_t bytes)
{
    struct rlimit limit;

    gpu->limit_note[0] = '\0';
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)
        snprintf(gpu->limit_note, sizeof gpu->limit_note,
                 "; the locked-memory limit (ulimit -l) is %zu KB, the "
                 "batches have %zu KB",
                 (size_t)limit.rlim_cur >> 10, bytes >> 10);
}

static void explain_limit(struct stk_gpu *gpu)
{
    size_t used = strlen(gpu->error.text);

    snprintf(gpu->error.text + used, sizeof gpu->error.text - used, "%s",
             gpu->limit_note);
}

/* Registers one buffer, or finds that the caller has pinned his arena, by
 * whatever call: then all of it, and not by us. */
static int register_buffer(struct stk_gpu *gpu, const struct stk_home *home,
                           uint32_t i)
{
    const struct stk_arena *arena = &home->arena;
    void *data = stk_arena_buffer(arena, i);
    bool is_pinned = !home->memory.mapped &&
                     stk_cuda_is_pinned(&gpu->cuda, data, arena->buffer_bytes);

    if (i == 0)
        gpu->is_foreign = is_pinned;
    if (is_pinned != gpu->is_foreign)
        return stk_fail(&gpu->error, -EINVAL,
                        "arena: CUDA has pinned a part of its %u batches; "
                        "pin all or none",
                        arena->n_buffers);
    if (is_pinned)
        return 0;
    int rc =
        stk_cuda_check(&gpu->cuda,
                       gpu->cuda.cuMemHostRegister(data, arena->buffer_bytes,
                                                   CU_MEMHOSTREGISTER_PORTABLE),
                       "cuMemHostRegister", &gpu->error);
    if (rc < 0)
        explain_limit(gpu);
    return rc;
}

/* Until the first batch is out, or the loader stops. */
static void wait_begun(struct stk_gpu *gpu)
{
    while (!atomic_load_explicit(&gpu->is_begun, memory_order_relaxed) &&
           !atomic_load_explicit(&gpu->is_stopped, memory_order_relaxed))
        stk_wait(&gpu->is_begun, 0, stk_now_ns() + SLICE_NS);
}

static void begin(struct stk_gpu *gpu)
{
    /* Relaxed: a hint to the pinner, nothing is passed on. */
    if (!atomic_load_explicit(&gpu->is_begun, memory_order_relaxed)) {
        atomic_store_explicit(&gpu->is_begun, 1, memory_order_relaxed);
        stk_wake(&gpu->is_begun);
    }
}

static void register_buffers(struct stk_gpu *gpu, struct stk_home *home)
{
    const struct stk_arena *arena = &home->arena;

    /* Relaxed, both: only this thread writes n_tried, and a stop that is seen
     * late costs one buffer more.  The next life goes on where this ends. */
    uint32_t i = atomic_load_explicit(&gpu->n_tried, memory_order_relaxed);
    if (i == 0)
        check_limit(gpu, arena->buffer_bytes * arena->n_buffers);
    for (; i < arena->n_buffers &&
           !atomic_load_explicit(&gpu->is_stopped, memory_order_relaxed);
         i++) {
        if (i > 0)
            wait_begun(gpu);
        int64_t start = stk_now_ns();
        if (gpu->error.code == 0 && register_buffer(gpu, home, i) == 0)
            atomic_fetch_add_explicit(&gpu->n_pinned, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&gpu->register_ns, stk_now_ns() - start,
                                  memory_order_relaxed);
        /* Release: partner is the acquire of stk_gpu_wait_pinned; passes on
         * the registration, n_pinned and the error. */
        atomic_fetch_add_explicit(&gpu->n_tried, 1, memory_order_release);
        stk_wake(&gpu->n_tried);
    }
}

/* Host mode: a marked buffer goes home once its events have completed. */
static void hand_back(struct stk_gpu *gpu, struct stk_home *home)
{
    uint32_t slot;
    int rc;

    while ((rc = stk_guard_take_marked(&gpu->guard, stk_now_ns() + SLICE_NS,
                                       &slot)) != STOKER_END) {
        if (rc == STOKER_TIMEOUT)
            continue;
        const struct stk_guarded *s = &gpu->guard.slots[slot];
        stoker_error err;
        rc = 0;
        for (int i = 0; rc == 0 && i < s->n_events; i++)
            rc = stk_cuda_check(&gpu->cuda,
                                gpu->cuda.cuEventSynchronize(s->events[i]),
                                "cuEventSynchronize", &err);
        if (rc < 0) { /* lost device: nothing may be written there again */
            stk_guard_fail(&gpu->guard, &err);
            continue;
        }
        stk_guard_free(&gpu->guard, slot);
        stk_home_return(home, slot);
    }
}

static void *pin(void *self)
{
    struct stk_home *home = self;
    struct stk_gpu *gpu = home->gpu;
    struct stk_cuda_visit visit;
    stoker_error err;

    if (stk_cuda_enter(&gpu->cuda, &visit, &err) < 0) {
        if (atomic_load(&gpu->n_tried) == 0)
            gpu->error = err;
        if (atomic_load(&gpu->n_pinned) || gpu->is_required)
            stk_guard_fail(&gpu->guard, &err);
        atomic_store_explicit(&gpu->n_tried, home->arena.n_buffers,
                              memory_order_release);
        stk_wake(&gpu->n_tried);
        return NULL;
    }
    register_buffers(gpu, home);
    if (!gpu->has_device)
        hand_back(gpu, home);
    stk_cuda_leave(&gpu->cuda, &visit);
    return NULL;
}

int stk_gpu_start(struct stk_gpu *gpu, struct stk_home *home, stoker_error *err)
{
    atomic_store(&gpu->is_stopped, 0);
    stk_guard_go(&gpu->guard);
    int rc = stk_thread_start(&gpu->pinner, "stoker-pin", pin, home);
    return rc < 0
               ? stk_fail(err, rc, "cannot start a thread: %s", strerror(-rc))
               : 0;
}

int stk_gpu_stop(struct stk_gpu *gpu, int64_t deadline_ns)
{
    atomic_store(&gpu->is_stopped, 1);
    stk_wake(&gpu->is_begun);
    stk_guard_stop(&gpu->guard);
    return stk_thread_join(&gpu->pinner, deadline_ns);
}

bool stk_gpu_is_pinned(const struct stk_gpu *gpu, uint32_t buffer)
{
    return buffer < atomic_load_explicit(&gpu->n_pinned, memory_order_relaxed);
}

int stk_gpu_wait_pinned(struct stk_gpu *gpu, uint32_t buffer,
                        int64_t deadline_ns, stoker_error *err)
{
    for (;;) {
        unsigned tried =
            atomic_load_explicit(&gpu->n_tried, memory_order_acquire);
        if (tried > buffer)
            break;
        if (buffer > 0) /* out of turn: a worker was faster with it */
            begin(gpu);
        if (stk_wait(&gpu->n_tried, tried, deadline_ns) < 0)
            return STOKER_TIMEOUT;
    }
    if (stk_gpu_is_pinned(gpu, buffer) || !gpu->is_required) {
        begin(gpu);
        return 0;
    }
    *err = gpu->error;
    return err->code ? err->code
                     : stk_fail(err, -EIO, "pin: the loader was stopped");
}
