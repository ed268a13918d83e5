/* SipHash-2-4-128 after the paper and its authors' definition of the longer
 * output; bytes are put together by shifts, so byte order does not matter. */
#include "base/hash.h"

#include <string.h>

const uint8_t stk_hash_key[16] = "stoker hash key";
const uint8_t stk_hash_key_id[16] = "stoker id digest";

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline uint64_t load_le64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
           (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
           (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static void store_le64(uint8_t *p, uint64_t x)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(x >> 8 * i);
}

static inline void mix(struct stk_hash *h, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        h->v0 += h->v1;
        h->v1 = rotate(h->v1, 13) ^ h->v0;
        h->v0 = rotate(h->v0, 32);
        h->v2 += h->v3;
        h->v3 = rotate(h->v3, 16) ^ h->v2;
        h->v0 += h->v3;
        h->v3 = rotate(h->v3, 21) ^ h->v0;
        h->v2 += h->v1;
        h->v1 = rotate(h->v1, 17) ^ h->v2;
        h->v2 = rotate(h->v2, 32);
    }
}

static inline void absorb(struct stk_hash *h, uint64_t word)
{
    h->v3 ^= word;
    mix(h, 2);
    h->v0 ^= word;
}

void stk_hash_begin(struct stk_hash *hash, const uint8_t key[16])
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    hash->v0 = k0 ^ 0x736f6d6570736575u; /* "somepseudorandomlygenerated..." */
    hash->v1 = k1 ^ 0x646f72616e646f6du ^ 0xee; /* 0xee: 128 bits out */
    hash->v2 = k0 ^ 0x6c7967656e657261u;
    hash->v3 = k1 ^ 0x7465646279746573u;
    hash->tail = 0;
    hash->n = 0;
}

/* n < 8 bytes, the first lowest. */
static uint64_t load_few(const uint8_t *p, size_t n)
{
    uint64_t x = 0;
    for (size_t i = n; i > 0; i--)
        x = x << 8 | p[i - 1];
    return x;
}

void stk_hash_add(struct stk_hash *hash, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    const unsigned held = (unsigned)(hash->n & 7), shift = 8 * held;
    struct stk_hash h = *hash; /* in registers */

    h.n += n;
    if (held) {
        /* Each word is what is held and the first bytes of the next eight. */
        for (; n >= 8; n -= 8, p += 8) {
            uint64_t word = load_le64(p);
            absorb(&h, h.tail | word << shift);
            h.tail = word >> (64 - shift);
        }
        uint64_t rest = load_few(p, n);
        h.tail |= rest << shift;
        if (held + n >= 8) {
            absorb(&h, h.tail);
            h.tail = rest >> (64 - shift);
        }
    } else {
        for (; n >= 8; n -= 8, p += 8)
            absorb(&h, load_le64(p));
        h.tail = load_few(p, n);
    }
    *hash = h;
}

void stk_hash_add_u64(struct stk_hash *hash, uint64_t value)
{
    uint8_t bytes[8];
    store_le64(bytes, value);
    stk_hash_add(hash, bytes, sizeof bytes);
}

void stk_hash_end(struct stk_hash *hash, uint8_t out[16])
{
    absorb(hash, hash->tail | hash->n << 56);
    hash->v2 ^= 0xee;
    mix(hash, 4);
    store_le64(out, hash->v0 ^ hash->v1 ^ hash->v2 ^ hash->v3);
    hash->v1 ^= 0xdd;
    mix(hash, 4);
    store_le64(out + 8, hash->v0 ^ hash->v1 ^ hash->v2 ^ hash->v3);
}

void stk_hash128(const void *bytes, size_t n, uint8_t out[16])
{
    struct stk_hash hash;
    stk_hash_begin(&hash, stk_hash_key);
    stk_hash_add(&hash, bytes, n);
    stk_hash_end(&hash, out);
}
