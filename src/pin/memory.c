/* Plain and huge pages.  The rest of pin/ registers what is made here. */
#include "pin/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { HUGE_PAGE = 2 << 20, PAGE = 4096 };

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

int stk_memory_open(struct stk_memory *memory, const stoker_options *opt,
                    size_t bytes, stoker_error *err)
{
    size_t total;

    memset(memory, 0, sizeof *memory);
    if (opt->arena)
        return take_arena(memory, opt, bytes, err);
    if (stk_add_overflows(bytes, HUGE_PAGE, &total))
        return stk_fail(err, -ENOMEM, "batches: %zu bytes is too much", bytes);
    void *mapped = mmap(NULL, total, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return stk_fail(err, -ENOMEM, "batches: no memory for %zu bytes",
                        total);
    memory->mapped = mapped;
    memory->mapped_bytes = total;
    memory->data = (uint8_t *)stk_round_up((size_t)mapped, HUGE_PAGE);
    memory->bytes = bytes;
    if (opt->huge_pages)
        madvise(memory->data, bytes, MADV_HUGEPAGE); /* a hint: may fail */
    return 0;
}

void stk_memory_close(struct stk_memory *memory)
{
    if (memory->mapped)
        munmap(memory->mapped, memory->mapped_bytes);
    memset(memory, 0, sizeof *memory);
}
