/* The horizontal pass with AVX2: eight outputs a vector, two taps a dword of
 * words, a weight as 11 + 11 bits; long filters 16 taps of an output. */
#include "augment/place_avx2.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    NEAR, /* 16 bytes hold two taps of four neighbouring outputs */
    FAR,  /* anything: 16 taps of one output a vector */
    HALF = 1 << (STK_WEIGHT_BITS - 1),
    NEAR_PAIRS = 18, /* pairs of taps beyond which all is FAR */
};

/* Eight outputs: where the bytes of each four begin, which are taken, and
 * high and low weights for each pair of taps. */
struct group {
    int32_t base[8]; /* [0] and [1] are used */
    __m256i pick;
    __m256i weight[];
};

/* One output: its first tap; high and low weights of 16 taps. */
struct far_output {
    int32_t first[8]; /* [0] is used */
    __m256i weight[];
};

static size_t group_bytes(const struct stk_axis *axis)
{
    size_t taps = (size_t)axis->taps;
    return axis->packing == FAR ? 32 + (taps + 15) / 16 * 64
                                : 64 + (taps + 1) / 2 * 64;
}

/* The first byte that outputs i ... i + 3 read; nothing behind the slack is.
 * Returns the largest distance of their first taps from it. */
static int32_t base_of(const struct stk_axis *axis, size_t i, int32_t *base)
{
    const int32_t *first = axis->first + i;
    int32_t pairs = (axis->taps + 1) / 2, low = first[0], high = first[0];
    for (size_t k = 1; k < 4; k++) {
        low = first[k] < low ? first[k] : low;
        high = first[k] > high ? first[k] : high;
    }
    int32_t limit = axis->in + STK_STRIP_SLACK - 16 - 2 * (pairs - 1);
    *base = low < limit ? low : limit;
    return high - *base;
}

static int32_t choose(const struct stk_axis *axis)
{
    int32_t base;
    if (axis->taps > 2 * NEAR_PAIRS)
        return FAR;
    for (size_t i = 0; i < axis->padded; i += 4)
        if (base_of(axis, i, &base) > 14)
            return FAR;
    return NEAR;
}

static void pack_near(struct stk_axis *axis)
{
    size_t step = group_bytes(axis), n = axis->padded;
    for (size_t i = 0; i < n; i += 8) {
        uint8_t *packed = axis->packed + i / 8 * step;
        struct group *g = (struct group *)(void *)packed;
        uint8_t pick[32];
        memset(pick, 0x80, sizeof pick);
        base_of(axis, i, &g->base[0]);
        base_of(axis, i + 4, &g->base[1]);
        for (size_t k = 0; k < 8; k++) {
            int32_t at = axis->first[i + k] - g->base[k / 4];
            pick[4 * k] = (uint8_t)at;
            pick[4 * k + 2] = (uint8_t)(at + 1);
        }
        g->pick = _mm256_loadu_si256((const __m256i *)(const void *)pick);
        for (int32_t t = 0; t < axis->taps; t += 2) {
            const int32_t *k = axis->weight + (size_t)t * n + i;
            __m256i a = _mm256_load_si256((const __m256i *)(const void *)k);
            __m256i b = _mm256_setzero_si256();
            __m256i low = _mm256_set1_epi32(2047);
            if (t + 1 < axis->taps)
                b = _mm256_load_si256((const __m256i *)(const void *)(k + n));
            g->weight[t] = _mm256_blend_epi16(
                _mm256_srai_epi32(a, 11),
                _mm256_slli_epi32(_mm256_srai_epi32(b, 11), 16), 0xaa);
            g->weight[t + 1] = _mm256_or_si256(
                _mm256_and_si256(a, low),
                _mm256_slli_epi32(_mm256_and_si256(b, low), 16));
        }
    }
}

/* An output's first tap moves to the left where 16 bytes a step would read
 * behind the slack; its weights move with it. */
static void pack_far(struct stk_axis *axis)
{
    size_t step = group_bytes(axis), n = axis->padded;
    int32_t chunks = (axis->taps + 15) / 16;
    int32_t limit = axis->in + STK_STRIP_SLACK - 16 * chunks;
    for (size_t i = 0; i < n; i++) {
        uint8_t *packed = axis->packed + i * step;
        struct far_output *o = (struct far_output *)(void *)packed;
        int32_t moved = axis->first[i] > limit ? axis->first[i] - limit : 0;
        o->first[0] = axis->first[i] - moved;
        int16_t *to = (int16_t *)o->weight;
        for (int32_t s = 0; s < 16 * chunks; s++) {
            int32_t t = s - moved, k = 0;
            if (t >= 0 && t < axis->count[i])
                k = axis->weight[(size_t)t * n + i];
            int32_t at = s / 16 * 32 + s % 16;
            to[at] = (int16_t)(k >> 11);
            to[at + 16] = (int16_t)(k & 2047);
        }
    }
}

void stk_pack_avx2(struct stk_axis *axis)
{
    axis->packing = choose(axis);
    if (axis->packing == FAR)
        pack_far(axis);
    else
        pack_near(axis);
}

INLINE __m128i bytes_at(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

INLINE __m256i joined(__m256i high, __m256i low)
{
    return _mm256_add_epi32(_mm256_slli_epi32(high, 11), low);
}

/* pick and weight: copies of the group's that stay in registers. */
INLINE __m256i near_of(const struct group *g, __m256i pick,
                       const __m256i *weight, const uint8_t *row, int pairs)
{
    const uint8_t *a = row + g->base[0], *b = row + g->base[1];
    __m256i high = _mm256_setzero_si256(), low = _mm256_set1_epi32(HALF);
    for (int p = 0; p < pairs; p++) {
        __m256i v =
            _mm256_inserti128_si256(_mm256_castsi128_si256(bytes_at(a + 2 * p)),
                                    bytes_at(b + 2 * p), 1);
        v = _mm256_shuffle_epi8(v, pick);
        high = _mm256_add_epi32(high, _mm256_madd_epi16(v, weight[2 * p]));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(v, weight[2 * p + 1]));
    }
    return joined(high, low);
}

/* One output's partial sums in eight dwords. */
INLINE __m256i far_sums(const uint8_t *packed, const uint8_t *row, int chunks)
{
    const struct far_output *o =
        (const struct far_output *)(const void *)packed;
    __m256i high = _mm256_setzero_si256(), low = _mm256_setzero_si256();
    const uint8_t *at = row + o->first[0];
    for (int c = 0; c < chunks; c++) {
        __m256i v = _mm256_cvtepu8_epi16(bytes_at(at + 16 * c));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(v, o->weight[2 * c]));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(v, o->weight[2 * c + 1]));
    }
    return joined(high, low);
}

INLINE __m256i far_of(const uint8_t *packed, size_t step, const uint8_t *row,
                      int chunks)
{
    __m256i s[8];
    for (size_t k = 0; k < 8; k++)
        s[k] = far_sums(packed + k * step, row, chunks);
    __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]),
                                  _mm256_hadd_epi32(s[2], s[3]));
    __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(s[4], s[5]),
                                  _mm256_hadd_epi32(s[6], s[7]));
    __m256i sum = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                   _mm256_permute2x128_si256(a, b, 0x31));
    return _mm256_add_epi32(sum, _mm256_set1_epi32(HALF));
}

struct job {
    const uint8_t *const *from;
    size_t stride;
    int32_t n_rows;
    uint32_t *const *dwords; /* or NULL, then */
    uint8_t *const *bytes;
    ptrdiff_t step;
};

/* left: how many of the eight are real. */
INLINE void put_bytes(uint8_t *to, size_t left, __m256i v)
{
    v = _mm256_packus_epi32(v, v);
    v = _mm256_packus_epi16(v, v);
    __m128i bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(v),
                                       _mm256_extracti128_si256(v, 1));
    uint8_t eight[8];
    if (left >= 8) {
        _mm_storel_epi64((__m128i *)(void *)to, bytes);
        return;
    }
    _mm_storel_epi64((__m128i *)(void *)eight, bytes);
    memcpy(to, eight, left);
}

INLINE void put(const struct job *job, const bool dwords, int32_t r, size_t c,
                size_t i, const struct stk_axis *axis, __m256i sum)
{
    __m256i v = _mm256_srai_epi32(sum, STK_WEIGHT_BITS);
    if (axis->cubic) {
        v = _mm256_max_epi32(v, _mm256_setzero_si256());
        v = _mm256_min_epi32(v, _mm256_set1_epi32(255));
    }
    if (dwords) {
        v = _mm256_or_si256(_mm256_slli_epi32(v, 16), _mm256_slli_epi32(v, 7));
        uint32_t *to = job->dwords[r] + c * axis->padded + i;
        _mm256_store_si256((__m256i *)(void *)to, v);
    } else if ((size_t)axis->n > i)
        put_bytes(job->bytes[c] + r * job->step + (ptrdiff_t)i,
                  (size_t)axis->n - i, v);
}

/* fixed: pairs known while compiling, 0 for any number. */
INLINE void run_near(const struct stk_axis *axis, const struct job *job,
                     const int fixed, const bool dwords)
{
    size_t step = group_bytes(axis);
    for (size_t i = 0; i < axis->padded; i += 8) {
        const uint8_t *packed = axis->packed + i / 8 * step;
        const struct group *g = (const struct group *)(const void *)packed;
        const __m256i *weight = g->weight;
        __m256i copy[8], pick = g->pick;
        for (int k = 0; k < 2 * fixed; k++)
            copy[k] = weight[k];
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *row = job->from[c];
            for (int32_t r = 0; r < job->n_rows; r++, row += job->stride)
                put(job, dwords, r, c, i, axis,
                    fixed
                        ? near_of(g, pick, copy, row, fixed)
                        : near_of(g, pick, weight, row, (axis->taps + 1) / 2));
        }
    }
}

INLINE void run_far(const struct stk_axis *axis, const struct job *job,
                    const bool dwords)
{
    size_t step = group_bytes(axis);
    int chunks = (axis->taps + 15) / 16;
    for (size_t i = 0; i < axis->padded; i += 8)
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *row = job->from[c];
            for (int32_t r = 0; r < job->n_rows; r++, row += job->stride)
                put(job, dwords, r, c, i, axis,
                    far_of(axis->packed + i * step, step, row, chunks));
        }
}

INLINE void choose_run(const struct stk_axis *axis, const struct job *job,
                       const bool dwords)
{
    int pairs = (axis->taps + 1) / 2;
    if (axis->packing == FAR)
        run_far(axis, job, dwords);
    else if (pairs == 1)
        run_near(axis, job, 1, dwords);
    else if (pairs == 2)
        run_near(axis, job, 2, dwords);
    else if (pairs == 3)
        run_near(axis, job, 3, dwords);
    else
        run_near(axis, job, 0, dwords);
}

void stk_across_avx2(const struct stk_axis *axis, const uint8_t *const from[3],
                     size_t stride, int32_t n_rows, uint32_t *const *to)
{
    struct job job = {from, stride, n_rows, to, NULL, 0};
    choose_run(axis, &job, true);
}

void stk_across_bytes_avx2(const struct stk_axis *axis,
                           const uint8_t *const from[3], size_t stride,
                           int32_t n_rows, uint8_t *const to[3],
                           ptrdiff_t to_stride)
{
    struct job job = {from, stride, n_rows, NULL, to, to_stride};
    choose_run(axis, &job, false);
}
