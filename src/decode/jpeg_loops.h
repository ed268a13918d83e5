/* The hot loops of entropy decoding.  A template: jpeg_loops_plain.c and its
 * siblings for CPU levels each include it once (AVX's behind immintrin.h), and
 * what a level can do better follows from the macros of its instruction set.
 *
 * What makes it fast.  Time goes by the chain from one look-up to the next,
 * shift, load, shift; so the number of bits is a load of its own, from a
 * table of bytes, and the refill hides behind that load: the index is taken
 * from bits that are there already.  An entry holds up to three symbols, of
 * which the last needs only its code and sign inside the index; its magnitude
 * is cut out of the stream beside the chain.  EOB makes the coefficient's
 * index leave the block, so that a look-up has one branch.
 *
 * Bits.  A refill makes at least 56.  DC takes at most 31 and leaves 25; an
 * AC look-up takes at most STK_SKIP_BITS + STK_AC_SIZE = 22, two of them leave
 * 12 of a refill's 56: enough for the next index.
 *
 * Stores.  k is 1 ... 63 before a look-up.  Earlier values go to k and k + 1.
 * The last value goes to ((k + advance) & 127) - 1: an entry advances by 1 ...
 * 18, by STK_RARE (k is then 65 ... 127), or by STK_EOB after 0 ... 2 (130 ...
 * 194, masked 2 ... 66).  Hence stores reach from coefficient 1 to 126; those
 * behind 63 are the next block's, which is cleared when its turn comes, or the
 * caller's slack. */
#ifndef STK_JPEG_LOOPS_H
#define STK_JPEG_LOOPS_H

#include "decode/jpeg_build.h"

#define INLINE      static inline __attribute__((always_inline))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

struct reader {
    uint64_t acc, n_bits;
    const uint8_t *p;
};

INLINE void refill(struct reader *r)
{
    uint64_t next;
    memcpy(&next, r->p, 8);
    r->acc |= be64toh(next) >> (r->n_bits & 63);
    r->p += (63 - r->n_bits) >> 3;
    r->n_bits |= 56;
}

INLINE void drop(struct reader *r, unsigned n)
{
    r->acc <<= n & 63;
    r->n_bits -= n;
}

/* what: first bit (64 - n of the entry) and, << 8, how many bits. */
INLINE uint32_t cut(uint64_t acc, uint32_t what)
{
#if defined(__BMI__)
    return (uint32_t)__builtin_ia32_bextr_u64(acc, what);
#else
    return (uint32_t)(acc >> (what & 63)) & ((1u << (what >> 8 & 15)) - 1);
#endif
}

/* Two signed bytes become two coefficients. */
INLINE void put_two(int16_t *out, const uint8_t *entry)
{
#if defined(__AVX2__)
    /* The load is of 8 bytes: 4 of this entry and 4 of what is behind, the
     * next entry or the table's n_bits. */
    __m128i two = _mm_cvtepi8_epi16(_mm_loadl_epi64((const void *)(entry + 4)));
    memcpy(out, &(int){_mm_cvtsi128_si32(two)}, sizeof(int));
#else
    out[0] = (int8_t)entry[4];
    out[1] = (int8_t)entry[5];
#endif
}

/* Not memset(), of which gcc makes a call. */
INLINE void clear_block(int16_t *out)
{
    for (int i = 0; i < 64; i += VECTOR / 2)
        *(bytes *)(out + i) = (bytes){0};
}

INLINE int dc_difference(uint64_t acc, uint32_t entry)
{
    return (int16_t)(cut(acc, entry & 0xfff) + (entry >> 16));
}

/* One look-up; true when k left 1 ... 63. */
INLINE bool look_up(struct reader *r, const struct stk_value_table *table,
                    int16_t *out, uint64_t *k, uint64_t *old, unsigned *n,
                    unsigned *step, bool refill_now)
{
    uint64_t index = r->acc >> (64 - STK_AC_BITS);
    const uint8_t *entry = (const uint8_t *)&table->entry[index];
    uint16_t what, add;

    *n = table->n_bits[index];
    if (refill_now)
        refill(r);
    *old = r->acc;
    drop(r, *n);
    put_two(out + *k, entry);
    memcpy(&what, entry, 2);
    memcpy(&add, entry + 2, 2);
    /* Loads of their own cost less than shifts of one. */
    *step = *(const volatile uint8_t *)(entry + 7);
    *k += *step;
    (out - 1)[*k & 127] = (int16_t)(cut(*old, le16toh(what)) + le16toh(add));
    return *k >= 64;
}

INLINE bool decode_block(struct reader *r, const struct stk_block *b,
                         int32_t *dc, int16_t *out)
{
    const struct stk_value_table *table = b->values;
    uint64_t index = r->acc >> (64 - STK_DC_BITS), k = 1, old;
    unsigned n = b->dc->n_bits[index], step;
    uint32_t entry = b->dc->entry[index];

    refill(r);
    clear_block(out);
    int difference = dc_difference(r->acc, entry);
    if (UNLIKELY(!n)) {
        difference = stk_rare_dc(b, r->acc, &n);
        if (!n)
            return false;
    }
    drop(r, n);
    int32_t sum = dc[b->component] += difference;
    out[0] = (int16_t)sum;
    if (UNLIKELY((uint32_t)sum + b->dc_limit > 2 * b->dc_limit))
        return false;
    for (;;) {
        if (!look_up(r, table, out, &k, &old, &n, &step, true) &&
            !look_up(r, table, out, &k, &old, &n, &step, false))
            continue;
        /* Coefficient 63, or EOB at 1 ... 63. */
        if (!UNLIKELY(k != 64 && k - 130 > 62))
            return true;
        r->acc = old;
        r->n_bits += n;
        refill(r);
        struct stk_rare at = {r->acc, r->n_bits, k - step};
        if (!stk_rare_ac(b, &at, out))
            return false;
        r->acc = at.acc;
        r->n_bits = at.n_bits;
        k = at.k;
        if (k >= 64)
            return true;
    }
}

static uint32_t decode_values(struct stk_scan *scan, uint32_t n_mcus,
                              int16_t *out)
{
    struct reader r = {scan->bits.acc, scan->bits.n_bits, scan->bits.p};
    const struct stk_block *b = scan->block, *end = b + scan->n_blocks;
    const uint8_t *limit = scan->limit;
    uint32_t left = n_mcus;

    if (!left || r.p > limit)
        return 0;
    refill(&r);
    do {
        if (UNLIKELY(!decode_block(&r, b, scan->dc, out))) {
            scan->bad = true;
            break;
        }
        out += 64;
        if (++b == end) {
            b = scan->block;
            left--;
            if (!left || r.p > limit)
                break;
        }
    } while (true);
    scan->bits = (struct stk_bits){r.acc, r.n_bits, r.p};
    return n_mcus - left;
}

INLINE bool look_on(struct reader *r, const struct stk_skip_table *table,
                    uint64_t *k, uint64_t *old, unsigned *n, unsigned *step,
                    bool refill_now)
{
    uint64_t index = r->acc >> (64 - STK_SKIP_BITS);

    *n = table->n_bits[index];
    *step = table->advance[index];
    if (refill_now)
        refill(r);
    *old = r->acc;
    drop(r, *n);
    *k += *step;
    return *k >= 64;
}

INLINE bool skip_block(struct reader *r, const struct stk_block *b, int32_t *dc)
{
    const struct stk_skip_table *table = b->skip;
    uint64_t index = r->acc >> (64 - STK_SKIP_BITS), k, old;
    unsigned n = b->skip_first->n_bits[index];
    unsigned step = b->skip_first->advance[index], n_dc;

    refill(r);
    index = r->acc >> (64 - STK_DC_BITS);
    n_dc = b->dc->n_bits[index];
    int difference = dc_difference(r->acc, b->dc->entry[index]);
    if (UNLIKELY(!n_dc)) {
        difference = stk_rare_dc(b, r->acc, &n_dc);
        if (!n_dc)
            return false;
    }
    dc[b->component] += difference;
    k = step;
    if (UNLIKELY(step & STK_RARE)) {
        n = n_dc;
        k = 1;
    }
    drop(r, n);
    while (k < 64) {
        while (!look_on(r, table, &k, &old, &n, &step, true) &&
               !look_on(r, table, &k, &old, &n, &step, false))
            ;
        if (!UNLIKELY(k != 64 && k - 130 > 62))
            return true;
        r->acc = old;
        r->n_bits += n;
        refill(r);
        struct stk_rare at = {r->acc, r->n_bits, k - step};
        if (!stk_rare_ac(b, &at, NULL))
            return false;
        r->acc = at.acc;
        r->n_bits = at.n_bits;
        k = at.k;
    }
    return true;
}

static uint32_t decode_skip(struct stk_scan *scan, uint32_t n_mcus)
{
    struct reader r = {scan->bits.acc, scan->bits.n_bits, scan->bits.p};
    const struct stk_block *b = scan->block, *end = b + scan->n_blocks;
    const uint8_t *limit = scan->limit;
    uint32_t left = n_mcus;

    if (!left || r.p > limit)
        return 0;
    refill(&r);
    do {
        if (UNLIKELY(!skip_block(&r, b, scan->dc))) {
            scan->bad = true;
            break;
        }
        if (++b == end) {
            b = scan->block;
            left--;
            if (!left || r.p > limit)
                break;
        }
    } while (true);
    scan->bits = (struct stk_bits){r.acc, r.n_bits, r.p};
    return n_mcus - left;
}

/* One byte of data or the end; the way that needs no room beside. */
INLINE bool unstuff_one(struct stk_unstuffing *work)
{
    const uint8_t *in = work->in;
    if (in == work->end ||
        (*in == 0xff && (in + 1 == work->end || in[1] != 0))) {
        work->ended = true;
        return false;
    }
    *work->out++ = *in;
    work->in = in + (*in == 0xff ? 2 : 1);
    return true;
}

#if defined(__AVX512VBMI2__)
/* 64 bytes at a time: a byte behind 0xff is left out when zero, and anything
 * else there is a marker. */
INLINE void unstuff_many(struct stk_unstuffing *work)
{
    const uint8_t *in = work->in, *first = in;
    uint8_t *out = work->out;
    const __m512i ones = _mm512_set1_epi8(-1);
    uint64_t after = 0; /* bit 0: the byte before was 0xff */

    while (work->end - in >= 64 && work->out_end - out >= 64) {
        __m512i v = _mm512_loadu_si512(in);
        uint64_t ff = _mm512_cmpeq_epi8_mask(v, ones);
        uint64_t drops = ff << 1 | after;
        if (UNLIKELY(drops & _mm512_test_epi8_mask(v, v)))
            break; /* a marker: byte by byte to it */
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(~drops, v));
        out += 64 - __builtin_popcountll(drops);
        in += 64;
        after = ff >> 63;
    }
    if (after && in > first) { /* the 0xff goes with what follows it */
        in--;
        out--;
    }
    work->in = in;
    work->out = out;
}
#elif defined(__AVX2__)
INLINE void unstuff_many(struct stk_unstuffing *work)
{
    const uint8_t *in = work->in;
    uint8_t *out = work->out;
    const __m256i ones = _mm256_set1_epi8(-1);

    while (work->end - in >= 34 && work->out_end - out >= 34) {
        __m256i v = _mm256_loadu_si256((const void *)in);
        uint32_t ff =
            (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, ones));
        int n = ff ? __builtin_ctz(ff) : 32;
        _mm256_storeu_si256((void *)out, v);
        in += n;
        out += n;
        if (ff) {
            if (UNLIKELY(in[1] != 0))
                break;
            *out++ = 0xff;
            in += 2;
        }
    }
    work->in = in;
    work->out = out;
}
#else
INLINE void unstuff_many(struct stk_unstuffing *work)
{
    const uint8_t *in = work->in;
    uint8_t *out = work->out;

    while (work->end - in >= 10 && work->out_end - out >= 10) {
        uint64_t v;
        memcpy(&v, in, 8);
        memcpy(out, &v, 8);
        /* The lowest set bit is in the first byte that is 0xff. */
        uint64_t not_v = ~le64toh(v);
        uint64_t ff =
            (not_v - 0x0101010101010101u) & ~not_v & 0x8080808080808080u;
        int n = ff ? __builtin_ctzll(ff) >> 3 : 8;
        in += n;
        out += n;
        if (ff) {
            if (UNLIKELY(in[1] != 0))
                break;
            *out++ = 0xff;
            in += 2;
        }
    }
    work->in = in;
    work->out = out;
}
#endif

static void unstuff(struct stk_unstuffing *work)
{
    unstuff_many(work);
    while (work->out < work->out_end && unstuff_one(work))
        ;
}

#define STK_ENTROPY_LOOPS                                                      \
    {                                                                          \
        unstuff, decode_values, decode_skip, build_values, build_dc,           \
            build_skip, build_skip_first                                       \
    }

#endif
