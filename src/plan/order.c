/* The permutation: an alternating Feistel network on the least power of two
 * that holds n, with cycle walking back into 0 ... n-1 (Black and Rogaway,
 * "Ciphers with arbitrary finite domains", 2002).  A change of any constant
 * here needs a new STOKER_PLANNER_VERSION. */
#include "plan/order.h"

#include "base/rng.h"

/* Below 2^6 the halves are too small for eight rounds to reach all orders
 * about equally often; cycle walking pays for it (tests/unit/test_order.c). */
enum { MIN_BITS = 6 };

/* splitmix64's multipliers (Steele, Lea and Flood, OOPSLA 2014). */
#define MULTIPLIER_1 0xbf58476d1ce4e5b9u
#define MULTIPLIER_2 0x94d049bb133111ebu

static uint64_t round_value(uint64_t half, uint64_t key)
{
    uint64_t x = (half + key) * MULTIPLIER_1;
    x = (x ^ x >> 32 ^ key) * MULTIPLIER_2;
    return x ^ x >> 31;
}

void stk_order_init(struct stk_order *order, uint64_t seed, int64_t epoch,
                    int64_t n, bool shuffle)
{
    *order = (struct stk_order){.n = (uint64_t)n, .shuffle = shuffle};
    if (!shuffle)
        return;
    uint32_t bits = MIN_BITS;
    while ((uint64_t)1 << bits < order->n)
        bits++;
    order->low_bits = bits / 2;
    order->high_bits = bits - bits / 2;
    /* n is part of the key: a data set that grew has another order. */
    for (uint32_t i = 0; i < STK_ORDER_ROUNDS / 2; i++) {
        struct stk_draw draw = stk_rng_draw(seed, (uint64_t)epoch, order->n - 1,
                                            STK_STREAM_ORDER, i);
        order->key[2 * i] = (uint64_t)draw.word[1] << 32 | draw.word[0];
        order->key[2 * i + 1] = (uint64_t)draw.word[3] << 32 | draw.word[2];
    }
}

int64_t stk_order_id(const struct stk_order *order, int64_t position)
{
    if (!order->shuffle)
        return position;

    const uint64_t low_mask = ((uint64_t)1 << order->low_bits) - 1;
    const uint64_t high_mask = ((uint64_t)1 << order->high_bits) - 1;
    uint64_t x = (uint64_t)position;
    do {
        uint64_t low = x & low_mask, high = x >> order->low_bits;
        for (int i = 0; i < STK_ORDER_ROUNDS; i += 2) {
            /* The upper bits of a product are the well mixed ones. */
            low ^= round_value(high, order->key[i]) >> 32 & low_mask;
            high ^= round_value(low, order->key[i + 1]) >> 32 & high_mask;
        }
        x = high << order->low_bits | low;
    } while (x >= order->n);
    return (int64_t)x;
}

int64_t stk_order_substitute(uint64_t seed, int64_t epoch, int64_t n,
                             int64_t position, int32_t attempt)
{
    struct stk_draw draw =
        stk_rng_draw(seed, (uint64_t)epoch, (uint64_t)position,
                     STK_STREAM_REFILL, (uint32_t)attempt);
    return (int64_t)stk_rng_below(draw.word[1], draw.word[0], (uint64_t)n);
}
