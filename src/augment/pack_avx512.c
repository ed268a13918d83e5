/* How the horizontal pass with AVX-512 wants its weights: a form that fits the
 * distances of taps, and digits in the order of its bytes. */
#include "augment/place_avx512.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    MOST_NEAR = 36, /* taps beyond which no four at a time are taken */
    MOST_LONG = 72, /* nor eight */
    MOST_WHOLE = 8 * STK_WHOLE_EIGHTS,
};

/* The first byte that a group reads: its first tap, or so much in front of it
 * that nothing behind the slack is read.  Returns the largest distance. */
static int32_t base_of(const struct stk_axis *axis, size_t i, size_t n,
                       int32_t window, int32_t *base)
{
    int32_t quads = (axis->taps + 3) / 4;
    int32_t limit = axis->in + STK_STRIP_SLACK - window - 4 * (quads - 1);
    int32_t a = axis->first[i], b = axis->first[i + n - 1];
    *base = a < b ? a : b; /* they rise, or fall where mirrored */
    if (*base > limit)
        *base = limit;
    return (a < b ? b : a) - *base;
}

/* true where each n outputs' first taps begin within a window less the bytes
 * that are taken at once. */
static bool fits(const struct stk_axis *axis, size_t n, int32_t window,
                 int32_t taken)
{
    int32_t base;
    for (size_t i = 0; i < axis->padded; i += n)
        if (base_of(axis, i, n, window, &base) > window - taken)
            return false;
    return true;
}

static int32_t choose(const struct stk_axis *axis)
{
    if (axis->taps <= MOST_NEAR && fits(axis, 16, 64, 4))
        return axis->taps <= 2 ? STK_PAIRS : STK_NARROW;
    if (axis->taps <= MOST_NEAR && fits(axis, 16, 128, 4))
        return STK_WIDE;
    if (axis->taps <= MOST_WHOLE &&
        fits(axis, 8, 128, (axis->taps + 7) / 8 * 8))
        return STK_WHOLE;
    if (axis->taps <= MOST_LONG && fits(axis, 8, 128, 8))
        return STK_LONG;
    return STK_FAR;
}

/* Adds tap t (0 ... 3) of a quad to its three vectors of digits. */
INLINE void add_digits(__m512i digit[3], __m512i k, int t)
{
    for (int e = 0; e < 3; e++) {
        __m512i low = _mm512_and_si512(k, _mm512_set1_epi32(255));
        low = _mm512_sll_epi32(low, _mm_cvtsi32_si128(8 * t));
        digit[e] = _mm512_or_si512(digit[e], low);
        k = _mm512_add_epi32(k, _mm512_set1_epi32(128));
        k = _mm512_srai_epi32(k, 8);
    }
}

static void pack_near(struct stk_axis *axis)
{
    size_t step = stk_group16_bytes(axis), n = axis->padded;
    int32_t window = axis->packing == STK_WIDE ? 128 : 64;
    __m512i low_bits = _mm512_set1_epi32(2047);
    for (size_t i = 0; i < n; i += 16) {
        struct stk_group16 *g =
            (struct stk_group16 *)(void *)(axis->packed + i / 16 * step);
        base_of(axis, i, 16, window, &g->base[0]);
        __m512i at = _mm512_sub_epi32(_mm512_load_si512(axis->first + i),
                                      _mm512_set1_epi32(g->base[0]));
        const int32_t *k = axis->weight + i;
        if (axis->packing == STK_PAIRS) {
            __m512i next = _mm512_add_epi32(at, _mm512_set1_epi32(1));
            __m512i a = _mm512_load_si512(k), b = _mm512_setzero_si512();
            if (axis->taps > 1)
                b = _mm512_load_si512(k + n);
            g->pick = _mm512_or_si512(at, _mm512_slli_epi32(next, 16));
            g->weight[0] = _mm512_mask_blend_epi16(
                0xaaaaaaaa, _mm512_srai_epi32(a, 11),
                _mm512_slli_epi32(_mm512_srai_epi32(b, 11), 16));
            g->weight[1] = _mm512_or_si512(
                _mm512_and_si512(a, low_bits),
                _mm512_slli_epi32(_mm512_and_si512(b, low_bits), 16));
            continue;
        }
        at = _mm512_mullo_epi32(at, _mm512_set1_epi32(0x01010101));
        g->pick = _mm512_add_epi8(at, _mm512_set1_epi32(0x03020100));
        for (int32_t t = 0; t < axis->taps; t++, k += n) {
            __m512i *digit = g->weight + t / 4 * 3;
            if (t % 4 == 0)
                digit[0] = digit[1] = digit[2] = _mm512_setzero_si512();
            add_digits(digit, _mm512_load_si512(k), t % 4);
        }
    }
}

/* Eight outputs a group: eight taps of each are a qword. */
static void pack_long(struct stk_axis *axis)
{
    size_t step = stk_group16_bytes(axis), n = axis->padded;
    __m512i eight = _mm512_set1_epi64(0x0706050403020100);
    __m512i byte0 =
        _mm512_set4_epi64(0x0808080808080808, 0, 0x0808080808080808, 0);
    for (size_t i = 0; i < n; i += 8) {
        struct stk_group16 *g =
            (struct stk_group16 *)(void *)(axis->packed + i / 8 * step);
        base_of(axis, i, 8, 128, &g->base[0]);
        __m512i at = _mm512_cvtepi32_epi64(_mm256_sub_epi32(
            _mm256_load_si256((const __m256i *)(axis->first + i)),
            _mm256_set1_epi32(g->base[0])));
        g->pick = _mm512_add_epi8(_mm512_shuffle_epi8(at, byte0), eight);
        const int32_t *weight = axis->weight + i;
        for (int32_t t = 0; t < axis->taps; t++, weight += n) {
            __m512i *digit = g->weight + t / 8 * 3;
            if (t % 8 == 0)
                digit[0] = digit[1] = digit[2] = _mm512_setzero_si512();
            __m512i k = _mm512_cvtepi32_epi64(
                _mm256_load_si256((const __m256i *)weight));
            for (int e = 0; e < 3; e++) {
                __m512i low = _mm512_and_si512(k, _mm512_set1_epi64(255));
                low = _mm512_sll_epi64(low, _mm_cvtsi32_si128(t % 8 * 8));
                digit[e] = _mm512_or_si512(digit[e], low);
                k = _mm512_add_epi64(k, _mm512_set1_epi64(128));
                k = _mm512_srai_epi64(k, 8);
            }
        }
    }
}

/* Each output's first tap moves to the left where 16 bytes a step would read
 * behind the slack; weights move with it. */
static void pack_far(struct stk_axis *axis)
{
    size_t step = stk_group16_bytes(axis), n = axis->padded;
    int32_t chunks = (axis->taps + 15) / 16;
    int32_t limit = axis->in + STK_STRIP_SLACK - 16 * chunks;
    for (size_t i = 0; i < n; i++) {
        uint8_t *group = axis->packed + i / 16 * step;
        struct stk_far16 *g = (struct stk_far16 *)(void *)group;
        size_t o = i % 16;
        int32_t moved = axis->first[i] > limit ? axis->first[i] - limit : 0;
        g->first[o] = axis->first[i] - moved;
        /* Of four outputs, this one's 16 bytes in each vector. */
        int8_t *digit =
            (int8_t *)g->weight + o / 4 * (size_t)chunks * 3 * 64 + o % 4 * 16;
        for (int32_t s = 0; s < 16 * chunks; s++) {
            int32_t t = s - moved, k = 0;
            if (t >= 0 && t < axis->count[i])
                k = axis->weight[(size_t)t * n + i];
            for (size_t e = 0; e < 3; e++) {
                digit[((size_t)s / 16 * 3 + e) * 64 + (size_t)s % 16] =
                    (int8_t)(k & 255);
                k = (k + 128) >> 8;
            }
        }
    }
}

void stk_pack_avx512(struct stk_axis *axis)
{
    axis->packing = choose(axis);
    if (axis->packing == STK_FAR)
        pack_far(axis);
    else if (axis->packing == STK_WHOLE || axis->packing == STK_LONG)
        pack_long(axis);
    else
        pack_near(axis);
}
