/* Shared ownership: a count of owners, the last of which takes down.  Apart
 * from what is counted because atomics stay in the rooms where threads meet. */
#ifndef STK_REFCOUNT_H
#define STK_REFCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>

struct stk_refcount {
    atomic_uint n_owners;
};

static inline void stk_refcount_init(struct stk_refcount *count)
{
    atomic_init(&count->n_owners, 1);
}

/* Any owner's thread, for a new owner. */
static inline void stk_refcount_take(struct stk_refcount *count)
{
    /* Relaxed: the taker has a share already, so nothing is published. */
    atomic_fetch_add_explicit(&count->n_owners, 1, memory_order_relaxed);
}

/* Gives a share back; true for the last owner, who must take down. */
static inline bool stk_refcount_drop(struct stk_refcount *count)
{
    /* Release pairs with the acquire of the drop that reaches zero: all that
     * any owner did with the object happens before it is taken down. */
    return atomic_fetch_sub_explicit(&count->n_owners, 1,
                                     memory_order_acq_rel) == 1;
}

#endif
