/* The horizontal pass with AVX2: eight outputs a vector, two taps a dword of
 * words, a weight as 11 + 11 bits; long filters 16 taps of an output. */
#include "augment/place_avx2.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { HALF = 1 << (STK_WEIGHT_BITS - 1) };

INLINE __m128i bytes_at(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

INLINE __m256i joined(__m256i high, __m256i low)
{
    return _mm256_add_epi32(_mm256_slli_epi32(high, 11), low);
}

INLINE __m256i bytes_of_8(const uint8_t *a, const uint8_t *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(bytes_at(a)),
                                   bytes_at(b), 1);
}

/* All pairs of taps out of 16 bytes for each four outputs; pick and weight are
 * copies of the group's that stay in registers. */
INLINE __m256i near_of(const __m256i *pick, const __m256i *weight, __m256i v,
                       const int pairs)
{
    __m256i low = _mm256_set1_epi32(HALF);
    __m256i high = _mm256_setzero_si256();
    for (int p = 0; p < pairs; p++) {
        __m256i two = _mm256_shuffle_epi8(v, pick[p]);
        high = _mm256_add_epi32(high, _mm256_madd_epi16(two, weight[2 * p]));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(two, weight[2 * p + 1]));
    }
    return joined(high, low);
}

INLINE __m256i step_of(__m256i pick, const __m256i *weight, const uint8_t *a,
                       const uint8_t *b, int pairs)
{
    __m256i high = _mm256_setzero_si256(), low = _mm256_set1_epi32(HALF);
    for (int p = 0; p < pairs; p++, weight += 2) {
        __m256i two = bytes_of_8(a + 2 * p, b + 2 * p);
        two = _mm256_shuffle_epi8(two, pick);
        high = _mm256_add_epi32(high, _mm256_madd_epi16(two, weight[0]));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(two, weight[1]));
    }
    return joined(high, low);
}

/* One output's partial sums in eight dwords. */
INLINE __m256i far_sums(const uint8_t *packed, const uint8_t *row, int chunks)
{
    const struct stk_far8 *o = (const struct stk_far8 *)(const void *)packed;
    const __m256i *weight = o->weight;
    const uint8_t *at = row + o->first[0];
    __m256i v = _mm256_cvtepu8_epi16(bytes_at(at));
    __m256i high = _mm256_madd_epi16(v, weight[0]);
    __m256i low = _mm256_madd_epi16(v, weight[1]);
    for (int c = 1; c < chunks; c++) {
        weight += 2;
        at += 16;
        v = _mm256_cvtepu8_epi16(bytes_at(at));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(v, weight[0]));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(v, weight[1]));
    }
    return joined(high, low);
}

/* Two outputs' sums of four dwords each lane. */
INLINE __m256i far_two(const uint8_t *packed, size_t step, const uint8_t *row,
                       int chunks)
{
    return _mm256_hadd_epi32(far_sums(packed, row, chunks),
                             far_sums(packed + step, row, chunks));
}

INLINE __m256i far_of(const uint8_t *packed, size_t step, const uint8_t *row,
                      int chunks)
{
    __m256i a = far_two(packed, step, row, chunks);
    a = _mm256_hadd_epi32(a, far_two(packed + 2 * step, step, row, chunks));
    __m256i b = far_two(packed + 4 * step, step, row, chunks);
    b = _mm256_hadd_epi32(b, far_two(packed + 6 * step, step, row, chunks));
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

/* A sum of cubic weights may leave what p << 22 and a fraction can be. */
INLINE __m256i clipped(__m256i sum)
{
    sum = _mm256_max_epi32(sum, _mm256_setzero_si256());
    return _mm256_min_epi32(sum,
                            _mm256_set1_epi32((256 << STK_WEIGHT_BITS) - 1));
}

/* p << 16 | p << 7 of sums p << 22 and a fraction: their upper words are p << 6
 * and six bits that a mask leaves out. */
INLINE __m256i dwords_of(__m256i sum)
{
    sum = _mm256_and_si256(sum, _mm256_set1_epi32(255 << STK_WEIGHT_BITS));
    return _mm256_madd_epi16(sum, _mm256_set1_epi32(0x10080 / 64 << 16));
}

INLINE void put_dwords(uint32_t *to, __m256i sum, const bool is_cubic)
{
    _mm256_store_si256((__m256i *)(void *)to,
                       dwords_of(is_cubic ? clipped(sum) : sum));
}

/* left: how many of the eight are real. */
INLINE void put_bytes(uint8_t *to, size_t left, __m256i sum)
{
    __m256i v = _mm256_srai_epi32(sum, STK_WEIGHT_BITS);
    v = _mm256_packs_epi32(v, v);
    v = _mm256_packus_epi16(v, v); /* the clip */
    v = _mm256_permutevar8x32_epi32(v,
                                    _mm256_setr_epi32(0, 4, 0, 4, 0, 4, 0, 4));
    uint8_t eight[8];
    if (left >= 8) {
        _mm_storel_epi64((__m128i *)(void *)to, _mm256_castsi256_si128(v));
        return;
    }
    _mm_storel_epi64((__m128i *)(void *)eight, _mm256_castsi256_si128(v));
    memcpy(to, eight, left);
}

/* Where a group's pixels of one plane go. */
struct spot {
    size_t plane, at;
    ptrdiff_t left; /* pixels from here to the row's end */
};

INLINE void put(const struct job *job, struct spot to, int32_t r, __m256i sum,
                const bool dwords, const bool is_cubic)
{
    if (dwords)
        put_dwords(job->dwords[r] + to.at, sum, is_cubic);
    else if (to.left > 0)
        put_bytes(job->bytes[to.plane] + r * job->step + (ptrdiff_t)to.at,
                  (size_t)to.left, sum);
}

/* fixed: pairs known while compiling, 0 for any number, step by step. */
INLINE void run_near(const struct stk_axis *axis, const struct job *job,
                     const int fixed, const bool is_close, const bool dwords,
                     const bool is_cubic)
{
    const size_t bytes = stk_group8_bytes(axis), stride = job->stride;
    const size_t padded = axis->padded;
    const int32_t n_rows = job->n_rows;
    const int pairs = (axis->taps + 1) / 2;
    for (size_t i = 0; i < padded; i += 8) {
        const uint8_t *packed = axis->packed + i / 8 * bytes;
        const struct stk_group8 *g =
            (const struct stk_group8 *)(const void *)packed;
        const ptrdiff_t left = axis->n - (ptrdiff_t)i;
        __m256i weight[2 * STK_8_NEAR_PAIRS],
            pick[STK_8_NEAR_PAIRS] = {g->pick};
        for (int p = 1; p < fixed; p++)
            pick[p] = _mm256_add_epi8(pick[p - 1], _mm256_set1_epi16(2));
        for (int k = 0; k < 2 * fixed; k++)
            weight[k] = g->weight[k];
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *a = job->from[c] + g->base[0];
            const uint8_t *b = job->from[c] + g->base[1];
            const struct spot to = {c, dwords ? c * padded + i : i, left};
            for (int32_t r = 0; r < n_rows; r++, a += stride, b += stride) {
                __m256i sum;
                if (is_close)
                    sum = near_of(pick, weight,
                                  _mm256_broadcastsi128_si256(bytes_at(a)),
                                  fixed);
                else if (fixed)
                    sum = near_of(pick, weight, bytes_of_8(a, b), fixed);
                else
                    sum = step_of(pick[0], g->weight, a, b, pairs);
                put(job, to, r, sum, dwords, is_cubic);
            }
        }
    }
}

/* fixed: vectors of an output's taps, 0 for any number. */
INLINE void run_far(const struct stk_axis *axis, const struct job *job,
                    const int fixed, const bool dwords, const bool is_cubic)
{
    const size_t step = stk_group8_bytes(axis), stride = job->stride;
    const size_t padded = axis->padded;
    const int32_t n_rows = job->n_rows;
    const int chunks = fixed ? fixed : (axis->taps + 15) / 16;
    for (size_t i = 0; i < padded; i += 8) {
        const ptrdiff_t left = axis->n - (ptrdiff_t)i;
        const uint8_t *packed = axis->packed + i * step;
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *row = job->from[c];
            const struct spot to = {c, dwords ? c * padded + i : i, left};
            for (int32_t r = 0; r < n_rows; r++, row += stride)
                put(job, to, r, far_of(packed, step, row, chunks), dwords,
                    is_cubic);
        }
    }
}

INLINE void choose_far(const struct stk_axis *axis, const struct job *job,
                       const bool dwords, const bool is_cubic)
{
    switch ((axis->taps + 15) / 16) {
    case 1:
        run_far(axis, job, 1, dwords, is_cubic);
        break;
    case 2:
        run_far(axis, job, 2, dwords, is_cubic);
        break;
    case 3:
        run_far(axis, job, 3, dwords, is_cubic);
        break;
    case 4:
        run_far(axis, job, 4, dwords, is_cubic);
        break;
    default:
        run_far(axis, job, 0, dwords, is_cubic);
    }
}

INLINE void choose_close(const struct stk_axis *axis, const struct job *job,
                         const bool dwords, const bool is_cubic)
{
    switch ((axis->taps + 1) / 2) {
    case 1:
        run_near(axis, job, 1, true, dwords, is_cubic);
        break;
    case 2:
        run_near(axis, job, 2, true, dwords, is_cubic);
        break;
    default:
        run_near(axis, job, STK_8_CLOSE_PAIRS, true, dwords, is_cubic);
    }
}

INLINE void choose_near(const struct stk_axis *axis, const struct job *job,
                        const bool dwords, const bool is_cubic)
{
    switch ((axis->taps + 1) / 2) {
    case 1:
        run_near(axis, job, 1, false, dwords, is_cubic);
        break;
    case 2:
        run_near(axis, job, 2, false, dwords, is_cubic);
        break;
    case 3:
        run_near(axis, job, 3, false, dwords, is_cubic);
        break;
    case 4:
        run_near(axis, job, 4, false, dwords, is_cubic);
        break;
    default:
        run_near(axis, job, STK_8_NEAR_PAIRS, false, dwords, is_cubic);
    }
}

INLINE void choose_run(const struct stk_axis *axis, const struct job *job,
                       const bool dwords, const bool is_cubic)
{
    if (axis->packing == STK_8_CLOSE)
        choose_close(axis, job, dwords, is_cubic);
    else if (axis->packing == STK_8_NEAR)
        choose_near(axis, job, dwords, is_cubic);
    else if (axis->packing == STK_8_FAR)
        choose_far(axis, job, dwords, is_cubic);
    else
        run_near(axis, job, 0, false, dwords, is_cubic);
}

void stk_across_avx2(const struct stk_axis *axis, const uint8_t *const from[3],
                     size_t stride, int32_t n_rows, uint32_t *const *to)
{
    struct job job = {from, stride, n_rows, to, NULL, 0};
    if (axis->cubic)
        choose_run(axis, &job, true, true);
    else
        choose_run(axis, &job, true, false);
}

void stk_across_bytes_avx2(const struct stk_axis *axis,
                           const uint8_t *const from[3], size_t stride,
                           int32_t n_rows, uint8_t *const to[3],
                           ptrdiff_t to_stride)
{
    struct job job = {from, stride, n_rows, NULL, to, to_stride};
    choose_run(axis, &job, false, false);
}
