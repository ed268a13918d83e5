/* Blocks that grow while something is built, then stay. */
#ifndef STK_GROW_H
#define STK_GROW_H

#include <stddef.h>
#include <stdint.h>

/* Owned by one thread; all zeros is empty. */
struct stk_grow {
    void *data;
    size_t n, room; /* bytes */
};

/* Adds n bytes at the end, zeros when bytes is NULL.  data may move.
 * Returns 0 or -ENOMEM; nothing has changed then. */
int stk_grow_add(struct stk_grow *grow, const void *bytes, size_t n);

/* Hands the block over, cut to what is used; *grow is empty then.  NULL when
 * nothing was added. */
void *stk_grow_take(struct stk_grow *grow);

void stk_grow_fini(struct stk_grow *grow);

#endif
