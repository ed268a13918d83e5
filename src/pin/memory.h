/* Memory for batches: plain pages, huge pages, or the caller's own. */
#ifndef STK_MEMORY_H
#define STK_MEMORY_H

#include "base/error.h"

struct stk_memory {
    uint8_t *data;
    size_t bytes;
    size_t mapped_bytes; /* 0: the caller's arena */
    void *mapped;
    char reason[128]; /* why not the pages or the node asked for, or "" */
};

/* Reserves bytes aligned to 2 MiB, not yet touched; or takes opt->arena after
 * checking its size and alignment.  node: the NUMA node to prefer, -1: where
 * the threads run; a hint.  Visible to forked children, hugetlb pages as they
 * change. Returns 0, -ENOMEM, -EINVAL. */
int stk_memory_open(struct stk_memory *memory, const stoker_options *opt,
                    size_t bytes, int node, stoker_error *err);

void stk_memory_close(struct stk_memory *memory);

#endif
