/* Plain and huge pages.  The rest of pin/ registers what is made here.
 * Nothing is touched here: a buffer's pages come when it is registered, or
 * when the workers write its first rows.  So the first batch waits for one
 * buffer's pages whatever the ring's size. */
#include "pin/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    HUGE_PAGE = 2 << 20,
    PAGE = 4096,
    MAX_NODES = 1024,
    PREFERRED = 1,       /* MPOL_PREFERRED of linux/mempolicy.h */
    HUGE_2MB = 21 << 26, /* MAP_HUGE_2MB: log2 of the size, MAP_HUGE_SHIFT */
};

static int take_arena(struct stk_memory *memory, const stoker_options *opt,
                      size_t bytes, stoker_error *err)
{
    if ((uintptr_t)opt->arena % PAGE != 0)
        return stk_fail(err, -EINVAL, "arena: not aligned to %d bytes", PAGE);
    if (opt->arena_bytes < bytes)
        return stk_fail(err, -EINVAL,
                        "arena: %zu bytes, but these batches need %zu",
                        opt->arena_bytes, bytes);
    memory->data = opt->arena;
    memory->bytes = bytes;
    return 0;
}

/* A policy for pages that are not there yet; where the kernel knows no such
 * call, or the node does not exist, they come from where the threads run. */
static void prefer_node(struct stk_memory *memory, int node)
{
    enum { BITS = 8 * sizeof(unsigned long) };
    unsigned long mask[MAX_NODES / BITS] = {0};

    if (node < 0 || node >= MAX_NODES)
        return;
    mask[node / BITS] = 1ul << (node % BITS);
    /* One more than there are bits: the kernel takes one off. */
    if (syscall(SYS_mbind, memory->data, memory->bytes, PREFERRED, mask,
                MAX_NODES + 1, 0) < 0)
        snprintf(memory->reason, sizeof memory->reason,
                 "numa_node: %d cannot be had (%s)", node, strerror(errno));
}

/* Whole 2 MiB pages of the administrator's pool, reserved at once: where
 * there are too few, mmap fails and not a later write.  Shared: the pool has
 * no page for a copy on write, and a forked child that looked would be killed;
 * so it sees what the parent goes on to write. */
static bool map_hugetlb(struct stk_memory *memory, size_t bytes)
{
    size_t total;

    if (stk_add_overflows(bytes, HUGE_PAGE - 1, &total))
        return false;
    total -= total % HUGE_PAGE;
    void *mapped =
        mmap(NULL, total, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | HUGE_2MB, -1, 0);
    if (mapped == MAP_FAILED) {
        snprintf(memory->reason, sizeof memory->reason,
                 "transparent huge pages: %zu MB of hugetlb pages are not "
                 "free (%s)",
                 total >> 20, strerror(errno));
        return false;
    }
    memory->mapped = mapped;
    memory->mapped_bytes = total;
    memory->data = mapped;
    return true;
}

/* Buffers that all the machine's memory could not hold are refused, as the
 * kernel would end a process that fills them; 0: it does not say. */
static size_t physical_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t bytes;

    if (pages <= 0 || page <= 0 ||
        stk_mul_overflows((size_t)pages, (size_t)page, &bytes))
        return 0;
    return bytes;
}

static int map_plain(struct stk_memory *memory, size_t bytes, stoker_error *err)
{
    size_t total, machine = physical_bytes();

    if (stk_add_overflows(bytes, HUGE_PAGE, &total))
        return stk_fail(err, -ENOMEM, "batches: %zu bytes is too much", bytes);
    if (machine && bytes > machine)
        return stk_fail(err, -ENOMEM,
                        "batches: %zu bytes, but this machine has %zu: fewer "
                        "rows, slots or pixels are needed",
                        bytes, machine);
    void *mapped = mmap(NULL, total, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return stk_fail(err, -ENOMEM, "batches: no memory for %zu bytes",
                        total);
    memory->mapped = mapped;
    memory->mapped_bytes = total;
    memory->data = (uint8_t *)stk_round_up((size_t)mapped, HUGE_PAGE);
    return 0;
}

int stk_memory_open(struct stk_memory *memory, const stoker_options *opt,
                    size_t bytes, int node, stoker_error *err)
{
    int rc = 0;

    memset(memory, 0, sizeof *memory);
    if (opt->arena)
        return take_arena(memory, opt, bytes, err);
    if (opt->huge_pages < 2 || !map_hugetlb(memory, bytes)) {
        rc = map_plain(memory, bytes, err);
        if (rc == 0 && opt->huge_pages &&
            madvise(memory->data, bytes, MADV_HUGEPAGE) < 0)
            snprintf(memory->reason, sizeof memory->reason,
                     "small pages: the kernel has no transparent huge ones "
                     "(%s)",
                     strerror(errno));
    }
    memory->bytes = bytes;
    if (rc == 0)
        prefer_node(memory, node);
    return rc;
}

void stk_memory_close(struct stk_memory *memory)
{
    if (memory->mapped)
        munmap(memory->mapped, memory->mapped_bytes);
    memset(memory, 0, sizeof *memory);
}
