/* The horizontal pass with AVX-512 (VBMI, VNNI): 16 outputs a
 * vector, four taps a dword, a weight as three signed base-256 digits. */
#include "augment/place_avx512.h"

#define INLINE static inline __attribute__((always_inline))

enum { HALF = 1 << (STK_WEIGHT_BITS - 1) };

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

/* Two sums of each of eight outputs, eight taps a vector.  fixed: eights of
 * taps that all lie in 128 bytes, 0 for any. */
INLINE __m512i long_sums(const struct stk_group16 *g, const uint8_t *row,
                         const int fixed, int eights)
{
    const uint8_t *at = row + g->base[0];
    __m512i sum = _mm512_set1_epi64(HALF >> 16), v[STK_WHOLE_EIGHTS];
    if (!fixed) {
        __m512i sums[3] = {_mm512_set1_epi64(HALF), _mm512_setzero_si512(),
                           _mm512_setzero_si512()};
        for (int s = 0; s < eights; s++) {
            v[0] = four_taps(g->pick, at + 8 * s, true);
            for (int e = 0; e < 3; e++)
                sums[e] =
                    _mm512_dpbusd_epi32(sums[e], v[0], g->weight[3 * s + e]);
        }
        return joined(sums);
    }
    __m512i low = _mm512_loadu_si512(at), high = _mm512_loadu_si512(at + 64);
    for (int s = 0; s < fixed; s++) {
        __m512i pick =
            _mm512_add_epi8(g->pick, _mm512_set1_epi8((char)(8 * s)));
        v[s] = _mm512_permutex2var_epi8(low, pick, high);
    }
    for (int e = 2; e >= 0; e--) {
        for (int s = 0; s < fixed; s++)
            sum = _mm512_dpbusd_epi32(sum, v[s], g->weight[3 * s + e]);
        sum = e ? _mm512_slli_epi32(sum, 8) : sum;
    }
    return sum;
}

INLINE __m512i long_of(const struct stk_group16 *a, const struct stk_group16 *b,
                       const uint8_t *row, const int fixed, int eights)
{
    __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22,
                                     24, 26, 28, 30);
    __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    __m512i x = long_sums(a, row, fixed, eights);
    __m512i y = long_sums(b, row, fixed, eights);
    return _mm512_add_epi32(_mm512_permutex2var_epi32(x, even, y),
                            _mm512_permutex2var_epi32(x, odd, y));
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

INLINE __m512i far_of(const struct stk_far16 *g, const uint8_t *row, int chunks)
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
    size_t step = stk_group16_bytes(axis), padded = axis->padded;
    const struct sink to = job->to;
    const int32_t n_rows = job->n_rows;
    const size_t stride = job->stride;
    int quads = fixed ? fixed / 3 : (axis->taps + 3) / 4;
    for (size_t i = 0; i < padded; i += 16) {
        const uint8_t *packed = axis->packed + i / 16 * step;
        const struct stk_group16 *g =
            (const struct stk_group16 *)(const void *)packed;
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
                __m512i v = form == STK_PAIRS ? pairs_of(pick, weight, at)
                            : fixed ? few_quads_of(pick, weight, at, quads)
                                    : quads_of(pick, weight, at, quads,
                                               form == STK_WIDE);
                put(&to, dwords, r, c, at_c, real, v, is_cubic);
            }
        }
    }
}

/* fixed: eights of taps, 0 for any number. */
INLINE void run_long(const struct stk_axis *axis, const struct job *job,
                     const int fixed, const bool dwords, const bool is_cubic)
{
    size_t step = stk_group16_bytes(axis), padded = axis->padded;
    const struct sink to = job->to;
    const int32_t n_rows = job->n_rows;
    const size_t stride = job->stride;
    const int eights = (axis->taps + 7) / 8;
    for (size_t i = 0; i < padded; i += 16) {
        const void *a = axis->packed + i / 8 * step;
        const void *b = axis->packed + (i / 8 + 1) * step;
        size_t left = (size_t)axis->n - i;
        __mmask16 real = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffff);
        for (size_t c = 0; c < 3; c++) {
            const size_t at_c = dwords ? c * padded + i : i;
            const uint8_t *row = job->from[c];
            for (int32_t r = 0; r < n_rows; r++, row += stride)
                put(&to, dwords, r, c, at_c, real,
                    long_of(a, b, row, fixed, eights), is_cubic);
        }
    }
}

/* fixed: vectors of an output's taps, 0 for any number. */
INLINE void run_far(const struct stk_axis *axis, const struct job *job,
                    const int fixed, const bool dwords, const bool is_cubic)
{
    size_t step = stk_group16_bytes(axis), padded = axis->padded;
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

INLINE void choose_narrow(const struct stk_axis *axis, const struct job *job,
                          const bool dwords, const bool is_cubic)
{
    switch ((axis->taps + 3) / 4) {
    case 1:
        run_near(axis, job, STK_NARROW, 3, dwords, is_cubic);
        break;
    case 2:
        run_near(axis, job, STK_NARROW, 6, dwords, is_cubic);
        break;
    case 3:
        run_near(axis, job, STK_NARROW, 9, dwords, is_cubic);
        break;
    case 4:
        run_near(axis, job, STK_NARROW, 12, dwords, is_cubic);
        break;
    default:
        run_near(axis, job, STK_NARROW, 0, dwords, is_cubic);
    }
}

INLINE void choose_whole(const struct stk_axis *axis, const struct job *job,
                         const bool dwords, const bool is_cubic)
{
    switch ((axis->taps + 7) / 8) {
    case 2:
        run_long(axis, job, 2, dwords, is_cubic);
        break;
    case 3:
        run_long(axis, job, 3, dwords, is_cubic);
        break;
    case 4:
        run_long(axis, job, 4, dwords, is_cubic);
        break;
    case 5:
        run_long(axis, job, 5, dwords, is_cubic);
        break;
    case STK_WHOLE_EIGHTS:
        run_long(axis, job, STK_WHOLE_EIGHTS, dwords, is_cubic);
        break;
    default:
        run_long(axis, job, 0, dwords, is_cubic);
    }
}

INLINE void choose_run(const struct stk_axis *axis, const struct job *job,
                       const bool dwords, const bool is_cubic)
{
    switch (axis->packing) {
    case STK_PAIRS:
        run_near(axis, job, STK_PAIRS, 2, dwords, is_cubic);
        break;
    case STK_NARROW:
        choose_narrow(axis, job, dwords, is_cubic);
        break;
    case STK_WIDE:
        run_near(axis, job, STK_WIDE, 0, dwords, is_cubic);
        break;
    case STK_WHOLE:
        choose_whole(axis, job, dwords, is_cubic);
        break;
    case STK_LONG:
        run_long(axis, job, 0, dwords, is_cubic);
        break;
    default:
        if (axis->taps <= 48 && axis->taps > 32)
            run_far(axis, job, 3, dwords, is_cubic);
        else
            run_far(axis, job, 0, dwords, is_cubic);
    }
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
