/* What a loader with CUDA has besides: registered buffers, the guard that
 * keeps them from being written too early, device buffers.  Part of the home,
 * so that leases outlive the loader here too. */
#ifndef STK_GPU_H
#define STK_GPU_H

#include <stdatomic.h>

#include "augment/program.h"
#include "flow/arena.h"
#include "flow/ring.h"
#include "loader/guard.h"
#include "pin/device.h"
#include "sync/thread.h"

struct stk_home;

struct stk_gpu {
    struct stk_cuda cuda;
    struct stk_guard guard; /* of host buffers; with a device, of its own */
    struct stk_device device;
    bool has_device;
    bool is_foreign;  /* the caller registered his arena: it stays so */
    bool is_required; /* pin="require" or a device: failing is an error */
    /* The pinner registers buffer 0 while the first reads run, and the others
     * when the first batch is out: faulting them in would take the CPU from
     * it. */
    struct stk_thread pinner;
    atomic_uint n_tried;   /* buffers that were registered, or not */
    atomic_uint n_pinned;  /* of these, from the first on */
    atomic_uint is_begun;  /* the first batch has been taken */
    atomic_int is_stopped; /* the pinner's */
    atomic_llong register_ns, copy_ns, copy_wait_ns;
    atomic_llong bytes_copied, n_copies, stream_wait_ns;
    /* A device buffer's: when its batch was acquired although the copy still
     * ran; 0: not yet, -1: the copy is done. */
    atomic_llong *acquired_ns;
    stoker_error error;   /* why not all; valid once n_tried says so */
    char limit_note[112]; /* what the limit on locked memory has to do with it,
                             "" where nothing; the pinner's */
    char reason[128];     /* why not pinned, or where the kernel is not run */
};

/* Finds the driver for opt->pin or opt->device and, with a device, loads the
 * kernel that makes `output` of bytes.  *gpu stays NULL where pinning was only
 * wished for and there is no driver; reason then says why.
 * Returns 0 or the error of what was required. */
int stk_gpu_open(struct stk_gpu **gpu, const stoker_options *opt,
                 const struct stk_program *output, char *reason,
                 size_t reason_bytes, stoker_error *err);

/* Device buffers of raw_bytes, and the guard over what is leased. */
int stk_gpu_open_buffers(struct stk_gpu *gpu, const stoker_options *opt,
                         size_t raw_bytes, size_t image_bytes,
                         stoker_error *err);

/* pinner.c: starts registering home's buffers and then, in host mode, handing
 * marked ones back. */
int stk_gpu_start(struct stk_gpu *gpu, struct stk_home *home,
                  stoker_error *err);
/* 0, or -ETIMEDOUT: the driver hangs. */
int stk_gpu_stop(struct stk_gpu *gpu, int64_t deadline_ns);

/* Waits until a buffer has been registered (or not).  Returns 0,
 * STOKER_TIMEOUT, or the error where pinning is required. */
int stk_gpu_wait_pinned(struct stk_gpu *gpu, uint32_t buffer,
                        int64_t deadline_ns, stoker_error *err);
bool stk_gpu_is_pinned(const struct stk_gpu *gpu, uint32_t buffer);

/* Why not all is pinned, or where the kernel is not run; "" when all is as
 * asked, or not yet known.  Any thread. */
void stk_gpu_reason(struct stk_gpu *gpu, char *text, size_t bytes);

/* The arena is about to be unmapped.  false: the GPU may still read it, and
 * everything must stay. */
bool stk_gpu_close(struct stk_gpu *gpu, const struct stk_arena *arena);

#endif
