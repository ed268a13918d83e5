/* Philox4x32-10; constants are those of the paper's table 2 and section 4. */
#include "base/rng.h"

static inline void mul_hi_lo(uint32_t a, uint32_t b, uint32_t *hi, uint32_t *lo)
{
    uint64_t product = (uint64_t)a * b;
    *hi = (uint32_t)(product >> 32);
    *lo = (uint32_t)product;
}

struct stk_draw stk_philox4x32(const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k[2] = {key[0], key[1]};

    for (int round = 0; round < 10; round++) {
        uint32_t hi0, lo0, hi1, lo1;
        mul_hi_lo(0xD2511F53u, c[0], &hi0, &lo0);
        mul_hi_lo(0xCD9E8D57u, c[2], &hi1, &lo1);
        c[0] = hi1 ^ c[1] ^ k[0];
        c[1] = lo1;
        c[2] = hi0 ^ c[3] ^ k[1];
        c[3] = lo0;
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    return (struct stk_draw){{c[0], c[1], c[2], c[3]}};
}

/* The counter: 48 bits of id, 8 of block, 40 of epoch, 32 of stream.  The
 * fields do not overlap for ids below 2^48 and epochs below 2^40, which the
 * options' checks guarantee. */
struct stk_draw stk_rng_draw(uint64_t seed, uint64_t epoch, uint64_t id,
                             uint32_t stream, uint32_t block)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {
        (uint32_t)id,
        (uint32_t)(id >> 32 & 0xffff) | (block & 0xff) << 16 |
            (uint32_t)(epoch >> 32 & 0xff) << 24,
        (uint32_t)epoch,
        stream,
    };
    return stk_philox4x32(counter, key);
}
