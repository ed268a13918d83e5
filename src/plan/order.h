/* An epoch's order: a keyed permutation of 0 ... n-1, computed one index at a
 * time.  Pure; no list of n is ever made. */
#ifndef STK_ORDER_H
#define STK_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/* Bounds that the fields of a draw's counter can hold (base/rng.c). */
#define STK_MAX_ITEMS  ((int64_t)1 << 48)
#define STK_MAX_EPOCHS ((int64_t)1 << 40)

enum { STK_ORDER_ROUNDS = 8, STK_MAX_ATTEMPTS = 255 };

/* Immutable after stk_order_init(). */
struct stk_order {
    uint64_t n;
    uint64_t key[STK_ORDER_ROUNDS];
    uint32_t low_bits, high_bits; /* of the Feistel network's two halves */
    bool shuffle;                 /* false: position p holds id p */
};

/* n in 1 ... STK_MAX_ITEMS, epoch in 0 ... STK_MAX_EPOCHS-1. */
void stk_order_init(struct stk_order *order, uint64_t seed, int64_t epoch,
                    int64_t n, bool shuffle);

/* The id at a position; position in 0 ... n-1. */
int64_t stk_order_id(const struct stk_order *order, int64_t position);

/* The id that stands in at a position for a bad one: uniform, with repeats,
 * a function of its arguments alone.  attempt in 1 ... STK_MAX_ATTEMPTS. */
int64_t stk_order_substitute(uint64_t seed, int64_t epoch, int64_t n,
                             int64_t position, int32_t attempt);

#endif
