/* CUDA's share of a home: opening and the careful end. */
#include "loader/gpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

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
