/* The horizontal pass with AVX-512 (VBMI, VNNI): 16 outputs a
 * vector, four taps a dword, a weight as three signed base-256 digits. */
#include "augment/place_avx512.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    /* Forms of packing: how the taps of 16 outputs are fetched. */
    PAIRS,          /* at most two taps, one vpermb of 64 bytes */
    NARROW,         /* 64 bytes hold four taps of all 16 outputs */
    WIDE,           /* 128 bytes do */
    FAR,            /* anything: 16 taps of 4 outputs a vector */
    NEAR_QUADS = 9, /* groups of four taps beyond which all is FAR */
    HALF = 1 << (STK_WEIGHT_BITS - 1),
};

/* A group of 16 outputs: where its bytes begin, which it takes, its weights
 * (PAIRS: high and low 11 bits; else three digits a quad of taps). */
struct group {
    int32_t base[16]; /* one cache line; only [0] is used */
    __m512i pick;
    __m512i weight[];
};

/* FAR: first taps of 16 outputs, then their digits: for each four outputs and
 * 16 taps three vectors. */
struct far_group {
    int32_t first[16];
    __m512i weight[];
};

static size_t group_bytes(const struct stk_axis *axis)
{
    size_t quads = ((size_t)axis->taps + 3) / 4;
    if (axis->packing == FAR)
        return 64 + ((size_t)axis->taps + 15) / 16 * 4 * 3 * 64;
    return 2 * 64 + (axis->packing == PAIRS ? 2 : 3 * quads) * 64;
}

/* The first byte that a group reads: its first tap, or so much in front of it
 * that nothing behind the slack is read.  Returns the largest distance. */
static int32_t base_of(const struct stk_axis *axis, size_t i, int32_t window,
                       int32_t *base)
{
    int32_t quads = (axis->taps + 3) / 4;
    int32_t limit = axis->in + STK_STRIP_SLACK - window - 4 * (quads - 1);
    __m512i first = _mm512_load_si512(axis->first + i);
    *base = _mm512_reduce_min_epi32(first);
    if (*base > limit)
        *base = limit;
    return _mm512_reduce_max_epi32(first) - *base;
}

/* true where every group's taps begin within a window less four bytes. */
static bool fits(const struct stk_axis *axis, int32_t window)
{
    int32_t base;
    for (size_t i = 0; i < axis->padded; i += 16)
        if (base_of(axis, i, window, &base) > window - 4)
            return false;
    return true;
}

static int32_t choose(const struct stk_axis *axis)
{
    if (axis->taps > 4 * NEAR_QUADS)
        return FAR;
    if (fits(axis, 64))
        return axis->taps <= 2 ? PAIRS : NARROW;
    return fits(axis, 128) ? WIDE : FAR;
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
    size_t step = group_bytes(axis), n = axis->padded;
    int32_t window = axis->packing == WIDE ? 128 : 64;
    __m512i low_bits = _mm512_set1_epi32(2047);
    for (size_t i = 0; i < n; i += 16) {
        struct group *g =
            (struct group *)(void *)(axis->packed + i / 16 * step);
        base_of(axis, i, window, &g->base[0]);
        __m512i at = _mm512_sub_epi32(_mm512_load_si512(axis->first + i),
                                      _mm512_set1_epi32(g->base[0]));
        const int32_t *k = axis->weight + i;
        if (axis->packing == PAIRS) {
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

/* Each output's first tap moves to the left where 16 bytes a step would read
 * behind the slack; weights move with it. */
static void pack_far(struct stk_axis *axis)
{
    size_t step = group_bytes(axis), n = axis->padded;
    int32_t chunks = (axis->taps + 15) / 16;
    int32_t limit = axis->in + STK_STRIP_SLACK - 16 * chunks;
    for (size_t i = 0; i < n; i++) {
        uint8_t *group = axis->packed + i / 16 * step;
        struct far_group *g = (struct far_group *)(void *)group;
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
    if (axis->packing == FAR)
        pack_far(axis);
    else
        pack_near(axis);
}

/* The three sums of digits to one of 22-bit weights. */
INLINE __m512i joined(const __m512i sum[3])
{
    __m512i high = _mm512_add_epi32(_mm512_slli_epi32(sum[2], 8), sum[1]);
    return _mm512_add_epi32(_mm512_slli_epi32(high, 8), sum[0]);
}

/* pick and weight: copies of a group's that stay in registers.  The high
 * part's sum, shifted, is what the low part adds to: no joining. */
INLINE __m512i pairs_of(__m512i pick, const __m512i *weight, const uint8_t *at)
{
    __m512i v = _mm512_maskz_permutexvar_epi8(0x5555555555555555, pick,
                                              _mm512_loadu_si512(at));
    __m512i sum =
        _mm512_dpwssd_epi32(_mm512_set1_epi32(HALF >> 11), v, weight[0]);
    return _mm512_dpwssd_epi32(_mm512_slli_epi32(sum, 11), v, weight[1]);
}

INLINE __m512i four_taps(__m512i pick, const uint8_t *at, const bool wide)
{
    __m512i v = _mm512_loadu_si512(at);
    return wide ? _mm512_permutex2var_epi8(v, pick, _mm512_loadu_si512(at + 64))
                : _mm512_permutexvar_epi8(pick, v);
}

/* A number of quads that is known while compiling: digit by digit. */
INLINE __m512i few_quads_of(__m512i pick, const __m512i *weight,
                            const uint8_t *at, const int quads)
{
    __m512i v[4], sum = _mm512_set1_epi32(HALF >> 16);
    for (int q = 0; q < quads; q++)
        v[q] = four_taps(pick, at + 4 * q, false);
    for (int e = 2; e >= 0; e--) {
        for (int q = 0; q < quads; q++)
            sum = _mm512_dpbusd_epi32(sum, v[q], weight[3 * q + e]);
        sum = e ? _mm512_slli_epi32(sum, 8) : sum;
    }
    return sum;
}

INLINE __m512i quads_of(__m512i pick, const __m512i *weight, const uint8_t *at,
                        int quads, const bool wide)
{
    __m512i sum[3] = {_mm512_set1_epi32(HALF), _mm512_setzero_si512(),
                      _mm512_setzero_si512()};
    for (int q = 0; q < quads; q++, at += 4) {
        __m512i v = four_taps(pick, at, wide);
        for (int e = 0; e < 3; e++)
            sum[e] = _mm512_dpbusd_epi32(sum[e], v, weight[3 * q + e]);
    }
    return joined(sum);
}

/* Sums of four dwords a lane of four vectors (4 outputs each): 16 outputs. */
INLINE __m512i gathered(const __m512i v[4])
{
    __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]),
                                 _mm512_unpackhi_epi32(v[0], v[1]));
    __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]),
                                 _mm512_unpackhi_epi32(v[2], v[3]));
    __m512i sum = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b),
                                   _mm512_unpackhi_epi64(a, b));
    /* Lane o % 4 holds outputs o of the four vectors: transpose 4 x 4. */
    __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, sum);
}

INLINE __m512i far_of(const struct far_group *g, const uint8_t *row, int chunks)
{
    __m512i out[4];
    const __m512i *weight = g->weight;
    for (int o = 0; o < 4; o++) {
        const int32_t *first = g->first + 4 * o;
        __m512i sum[3] = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                          _mm512_setzero_si512()};
        for (int c = 0; c < chunks; c++, weight += 3) {
            const uint8_t *at = row + 16 * c;
#define BYTES(i) _mm_loadu_si128((const __m128i *)(const void *)(at + first[i]))
            __m256i a = _mm256_inserti128_si256(
                _mm256_castsi128_si256(BYTES(0)), BYTES(1), 1);
            __m256i b = _mm256_inserti128_si256(
                _mm256_castsi128_si256(BYTES(2)), BYTES(3), 1);
#undef BYTES
            __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
            for (int e = 0; e < 3; e++)
                sum[e] = _mm512_dpbusd_epi32(sum[e], v, weight[e]);
        }
        out[o] = joined(sum);
    }
    return _mm512_add_epi32(gathered(out), _mm512_set1_epi32(HALF));
}

/* Where a group's 16 pixels go: dwords for the vertical pass, or bytes. */
struct sink {
    uint32_t *const *dwords;
    uint8_t *const *bytes;
    ptrdiff_t step;
};

/* A sum of cubic weights may leave what p << 22 and a fraction can be. */
INLINE __m512i clipped(__m512i sum)
{
    sum = _mm512_max_epi32(sum, _mm512_setzero_si512());
    return _mm512_min_epi32(sum,
                            _mm512_set1_epi32((256 << STK_WEIGHT_BITS) - 1));
}

/* p << 16 | p << 7 of sums p << 22 and a fraction: their upper words are p << 6
 * and six bits that a mask leaves out. */
INLINE __m512i dwords_of(__m512i sum)
{
    sum = _mm512_and_si512(sum, _mm512_set1_epi32(255 << STK_WEIGHT_BITS));
    return _mm512_madd_epi16(sum, _mm512_set1_epi32(0x10080 / 64 << 16));
}

/* at: the group's place in the target row. */
INLINE void put(const struct sink *to, const bool dwords, int32_t r, size_t c,
                size_t at, __mmask16 real, __m512i sum, const bool is_cubic)
{
    if (is_cubic)
        sum = clipped(sum);
    if (dwords)
        _mm512_store_si512(to->dwords[r] + at, dwords_of(sum));
    else
        _mm_mask_storeu_epi8(
            to->bytes[c] + r * to->step + (ptrdiff_t)at, real,
            _mm512_cvtepi32_epi8(_mm512_srli_epi32(sum, STK_WEIGHT_BITS)));
}

struct job {
    const uint8_t *const *from;
    size_t stride;
    int32_t n_rows;
    struct sink to;
};

/* fixed: vectors of weights known while compiling, 0 for any number. */
INLINE void run_near(const struct stk_axis *axis, const struct job *job,
                     const int form, const int fixed, const bool dwords,
                     const bool is_cubic)
{
    size_t step = group_bytes(axis), padded = axis->padded;
    const struct sink to = job->to;
    const int32_t n_rows = job->n_rows;
    const size_t stride = job->stride;
    int quads = fixed ? fixed / 3 : (axis->taps + 3) / 4;
    for (size_t i = 0; i < padded; i += 16) {
        const uint8_t *packed = axis->packed + i / 16 * step;
        const struct group *g = (const struct group *)(const void *)packed;
        size_t left = (size_t)axis->n - i;
        __mmask16 real = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffff);
        __m512i copy[12], pick = g->pick;
        const __m512i *weight = fixed ? copy : g->weight;
        for (int k = 0; k < fixed; k++)
            copy[k] = g->weight[k];
        for (size_t c = 0; c < 3; c++) {
            const size_t at_c = dwords ? c * padded + i : i;
            const uint8_t *at = job->from[c] + g->base[0];
            for (int32_t r = 0; r < n_rows; r++, at += stride) {
                __m512i v =
                    form == PAIRS ? pairs_of(pick, weight, at)
                    : fixed       ? few_quads_of(pick, weight, at, quads)
                            : quads_of(pick, weight, at, quads, form == WIDE);
                put(&to, dwords, r, c, at_c, real, v, is_cubic);
            }
        }
    }
}

/* fixed: vectors of an output's taps, 0 for any number. */
INLINE void run_far(const struct stk_axis *axis, const struct job *job,
                    const int fixed, const bool dwords, const bool is_cubic)
{
    size_t step = group_bytes(axis), padded = axis->padded;
    const struct sink to = job->to;
    const int32_t n_rows = job->n_rows;
    const size_t stride = job->stride;
    const int chunks = fixed ? fixed : (axis->taps + 15) / 16;
    for (size_t i = 0; i < padded; i += 16) {
        const void *packed = axis->packed + i / 16 * step;
        size_t left = (size_t)axis->n - i;
        __mmask16 real = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffff);
        for (size_t c = 0; c < 3; c++) {
            const size_t at_c = dwords ? c * padded + i : i;
            const uint8_t *row = job->from[c];
            for (int32_t r = 0; r < n_rows; r++, row += stride)
                put(&to, dwords, r, c, at_c, real, far_of(packed, row, chunks),
                    is_cubic);
        }
    }
}

INLINE void choose_run(const struct stk_axis *axis, const struct job *job,
                       const bool dwords, const bool is_cubic)
{
    int quads = (axis->taps + 3) / 4;
    if (axis->packing == PAIRS)
        run_near(axis, job, PAIRS, 2, dwords, is_cubic);
    else if (axis->packing == FAR && axis->taps <= 32)
        run_far(axis, job, 2, dwords, is_cubic);
    else if (axis->packing == FAR && axis->taps <= 48)
        run_far(axis, job, 3, dwords, is_cubic);
    else if (axis->packing == FAR)
        run_far(axis, job, 0, dwords, is_cubic);
    else if (axis->packing == WIDE)
        run_near(axis, job, WIDE, 0, dwords, is_cubic);
    else if (quads == 1)
        run_near(axis, job, NARROW, 3, dwords, is_cubic);
    else if (quads == 2)
        run_near(axis, job, NARROW, 6, dwords, is_cubic);
    else if (quads == 3)
        run_near(axis, job, NARROW, 9, dwords, is_cubic);
    else if (quads == 4)
        run_near(axis, job, NARROW, 12, dwords, is_cubic);
    else
        run_near(axis, job, NARROW, 0, dwords, is_cubic);
}

void stk_across_avx512(const struct stk_axis *axis,
                       const uint8_t *const from[3], size_t stride,
                       int32_t n_rows, uint32_t *const *to)
{
    struct job job = {from, stride, n_rows, {to, NULL, 0}};
    if (axis->cubic)
        choose_run(axis, &job, true, true);
    else
        choose_run(axis, &job, true, false);
}

void stk_across_bytes_avx512(const struct stk_axis *axis,
                             const uint8_t *const from[3], size_t stride,
                             int32_t n_rows, uint8_t *const to[3],
                             ptrdiff_t to_stride)
{
    struct job job = {from, stride, n_rows, {NULL, to, to_stride}};
    if (axis->cubic)
        choose_run(axis, &job, false, true);
    else
        choose_run(axis, &job, false, false);
}
