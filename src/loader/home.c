/* The shared life of batch memory. */
#include "loader/home.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "sync/wait.h"

static void home_free(struct stk_home *home)
{
    /* Better lost than overwritten: what a GPU may still read stays. */
    if (home->gpu && !stk_gpu_close(home->gpu, &home->arena))
        return;
    stk_memory_close(&home->memory);
    stk_free(home->places);
    stk_free(home);
}

static int build(struct stk_home *home, const stoker_options *opt,
                 size_t buffer_bytes, stoker_error *err)
{
    uint32_t n = (uint32_t)opt->n_slots;
    size_t total;

    home->places = stk_calloc_aligned(n, sizeof *home->places);
    if (!home->places)
        return stk_fail(err, -ENOMEM, "loader: no memory");
    if (!stk_arena_sizes(buffer_bytes, n, &buffer_bytes, &total))
        return stk_fail(err, -ENOMEM, "batches: too many bytes");
    int node = opt->numa_node;
    if (node < 0 && home->gpu)
        node = stk_cuda_numa_node(&home->gpu->cuda);
    int rc = stk_memory_open(&home->memory, opt, total, node, err);
    home->arena = (struct stk_arena){home->memory.data, buffer_bytes, n};
    return rc;
}

struct stk_home *stk_home_open(const stoker_options *opt, size_t buffer_bytes,
                               struct stk_gpu *gpu, stoker_error *err)
{
    struct stk_home *home = stk_calloc_aligned(1, sizeof *home);

    if (!home) {
        stk_fail(err, -ENOMEM, "loader: no memory");
        if (gpu)
            stk_gpu_close(gpu, NULL);
        return NULL;
    }
    home->gpu = gpu;
    if (build(home, opt, buffer_bytes, err) < 0) {
        home_free(home);
        return NULL;
    }
    atomic_init(&home->n_shares, 1);
    home->pid = getpid();
    stk_ring_init(&home->ring, home->places, (uint32_t)opt->n_slots);
    return home;
}

struct stk_home *stk_home_retain(struct stk_home *home)
{
    /* Relaxed: whoever retains holds a share already. */
    atomic_fetch_add_explicit(&home->n_shares, 1, memory_order_relaxed);
    return home;
}

void stk_home_release(struct stk_home *home)
{
    /* Acq_rel: the last one frees what all the others have used. */
    if (atomic_fetch_sub_explicit(&home->n_shares, 1, memory_order_acq_rel) ==
            1 &&
        stk_home_is_ours(home))
        home_free(home);
}

bool stk_home_is_ours(const struct stk_home *home)
{
    return home->pid == getpid();
}

void stk_home_return(struct stk_home *home, uint32_t buffer)
{
    uint64_t seq = stk_ring_return(&home->ring, buffer);
    stk_wake(&stk_ring_place(&home->ring, seq)->turn);
}
