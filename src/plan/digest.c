/* Digests of ids; 128-bit sums by two words with carry. */
#include "plan/digest.h"

#include "base/hash.h"

void stk_digest_sum(uint64_t sum[2], const uint64_t more[2])
{
    uint64_t low = sum[0] + more[0];
    sum[1] += more[1] + (low < sum[0]);
    sum[0] = low;
}

static uint64_t word(const uint8_t bytes[8])
{
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--)
        x = x << 8 | bytes[i];
    return x;
}

static void add_hash(uint64_t sum[2], struct stk_hash *hash)
{
    uint8_t bytes[16];

    stk_hash_end(hash, bytes);
    const uint64_t more[2] = {word(bytes), word(bytes + 8)};
    stk_digest_sum(sum, more);
}

void stk_digest_id(uint64_t sum[2], int64_t id)
{
    struct stk_hash hash;

    stk_hash_begin(&hash, stk_hash_key_id);
    stk_hash_add_u64(&hash, (uint64_t)id);
    add_hash(sum, &hash);
}

void stk_digest_image(uint64_t sum[2], int64_t id, const void *image,
                      size_t bytes)
{
    struct stk_hash hash;

    stk_hash_begin(&hash, stk_hash_key);
    stk_hash_add_u64(&hash, (uint64_t)id);
    stk_hash_add(&hash, image, bytes);
    add_hash(sum, &hash);
}

void stk_digest_range(const struct stk_order *order, int64_t from, int64_t to,
                      stoker_digest *out)
{
    *out = (stoker_digest){.n_good = to - from};
    for (int64_t p = from; p < to; p++)
        stk_digest_id(out->good, stk_order_id(order, p));
}
