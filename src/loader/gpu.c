/* CUDA's share of a home: opening, registering buffer by buffer, the thread
 * that hands marked buffers back, and the careful end. */
#include "loader/gpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "loader/home.h"
#include "sync/wait.h"

enum { SLICE_NS = 100000000 };

static int load_kernel(struct stk_gpu *gpu, const stoker_options *opt,
                       const struct stk_program *output, stoker_error *err)
{
    struct stk_cuda_visit visit;

    gpu->has_device = true;
    gpu->device.cuda = &gpu->cuda;
    if (output->dtype == STOKER_U8 || !opt->device_normalize)
        return 0;
    int rc = stk_cuda_enter(&gpu->cuda, &visit, err);
    if (rc < 0)
        return rc;
    uint32_t plane =
        output->layout == STOKER_NCHW
            ? (uint32_t)output->out_height * (uint32_t)output->out_width
            : 1;
    rc = stk_device_load_kernel(&gpu->device, output->table, plane,
                                output->dtype == STOKER_F32 ? 4 : 2, err);
    if (rc == -ENOTSUP) {
        snprintf(gpu->reason, sizeof gpu->reason,
                 "normalised on the host: %.90s", err->text);
        rc = 0;
    }
    stk_cuda_leave(&gpu->cuda, &visit);
    return rc;
}

static int open_driver(struct stk_gpu *gpu, const stoker_options *opt,
                       stoker_error *err)
{
    struct stk_cuda *cuda = &gpu->cuda;

    int rc = stk_cuda_open(
        cuda, opt->device >= 0 ? opt->device : opt->pin_device, err);
    if (rc < 0 || opt->guard != STOKER_GUARD_CONTEXT || cuda->cuCtxRecordEvent)
        return rc;
    stk_cuda_close(cuda);
    return stk_fail(err, -ENOTSUP,
                    "guard: events of a whole context need driver 12.5, this "
                    "is %d.%d",
                    cuda->driver_version / 1000,
                    cuda->driver_version % 1000 / 10);
}

int stk_gpu_open(struct stk_gpu **out, const stoker_options *opt,
                 const struct stk_program *output, char *reason,
                 size_t reason_bytes, stoker_error *err)
{
    *out = NULL;
    reason[0] = '\0';
    if (opt->pin == STOKER_PIN_OFF && opt->device < 0)
        return 0;
    struct stk_gpu *gpu = stk_calloc_aligned(1, sizeof *gpu);
    if (!gpu)
        return stk_fail(err, -ENOMEM, "gpu: no memory");
    gpu->is_required = opt->pin == STOKER_PIN_REQUIRE || opt->device >= 0;
    int rc = open_driver(gpu, opt, err);
    if (rc < 0) {
        snprintf(reason, reason_bytes, "not pinned: %.100s", err->text);
        rc = gpu->is_required ? rc : 0;
        stk_free(gpu);
        return rc;
    }
    if (opt->device >= 0)
        rc = load_kernel(gpu, opt, output, err);
    if (rc < 0) {
        stk_cuda_close(&gpu->cuda);
        stk_free(gpu);
        return rc;
    }
    *out = gpu;
    return 0;
}

int stk_gpu_open_buffers(struct stk_gpu *gpu, const stoker_options *opt,
                         size_t raw_bytes, size_t image_bytes,
                         stoker_error *err)
{
    struct stk_cuda_visit visit;
    uint32_t n =
        (uint32_t)(gpu->has_device ? opt->n_device_buffers : opt->n_slots);

    int rc = stk_guard_open(&gpu->guard, &gpu->cuda, n,
                            opt->guard == STOKER_GUARD_CONTEXT, err);
    if (rc < 0 || !gpu->has_device)
        return rc;
    gpu->acquired_ns = stk_calloc(n, sizeof *gpu->acquired_ns);
    if (!gpu->acquired_ns)
        return stk_fail(err, -ENOMEM, "gpu: no memory");
    rc = stk_cuda_enter(&gpu->cuda, &visit, err);
    if (rc < 0)
        return rc;
    rc = stk_device_open(&gpu->device, &gpu->cuda, n, raw_bytes, image_bytes,
                         err);
    stk_cuda_leave(&gpu->cuda, &visit);
    return rc;
}

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

void stk_gpu_reason(struct stk_gpu *gpu, char *text, size_t bytes)
{
    /* Acquire: partner is the release of register_buffers; passes the error
     * on, which nobody writes after the first buffer that failed. */
    unsigned tried = atomic_load_explicit(&gpu->n_tried, memory_order_acquire);

    if (tried > atomic_load_explicit(&gpu->n_pinned, memory_order_relaxed))
        snprintf(text, bytes, "not pinned: %.100s", gpu->error.text);
    else
        snprintf(text, bytes, "%s", gpu->reason);
}

static void gpu_free(struct stk_gpu *gpu)
{
    stk_free(gpu->acquired_ns);
    stk_free(gpu);
}

bool stk_gpu_close(struct stk_gpu *gpu, const struct stk_arena *arena)
{
    struct stk_cuda_visit visit;
    struct stk_cuda *cuda = &gpu->cuda;
    unsigned n_pinned = atomic_load(&gpu->n_pinned);
    stoker_error err;

    if (stk_cuda_is_gone(cuda))
        return true; /* the process is ending: its end frees the rest */
    if (stk_cuda_enter(cuda, &visit, &err) < 0) {
        if (n_pinned > 0)
            return false;
        stk_guard_forget(&gpu->guard);
        stk_cuda_close(cuda);
        gpu_free(gpu);
        return true;
    }
    /* Copies that nobody marked may still be reading. */
    bool is_quiet = cuda->cuCtxSynchronize() == CUDA_SUCCESS;
    for (uint32_t i = 0; is_quiet && !gpu->is_foreign && i < n_pinned; i++)
        is_quiet = cuda->cuMemHostUnregister(stk_arena_buffer(arena, i)) ==
                   CUDA_SUCCESS;
    if (is_quiet && gpu->has_device)
        stk_device_close(&gpu->device);
    stk_guard_close(&gpu->guard);
    stk_cuda_leave(cuda, &visit);
    stk_cuda_close(cuda);
    if (is_quiet || n_pinned == 0)
        gpu_free(gpu);
    return is_quiet || n_pinned == 0;
}
