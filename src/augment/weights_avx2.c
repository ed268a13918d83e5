/* Weights of an axis four outputs at a time: axis.c's operations, in their
 * order, so that every bit agrees. */
#include "augment/place_avx2.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m256d magnitude(__m256d x)
{
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
}

INLINE __m256d hat(__m256d x)
{
    __m256d one = _mm256_set1_pd(1.0), d = magnitude(x);
    return _mm256_and_pd(_mm256_cmp_pd(d, one, _CMP_LT_OQ),
                         _mm256_sub_pd(one, d));
}

INLINE __m256d cubic(__m256d x)
{
    const double a = -0.5;
    __m256d d = magnitude(x);
    __m256d in = _mm256_sub_pd(_mm256_mul_pd(_mm256_set1_pd(a + 2.0), d),
                               _mm256_set1_pd(a + 3.0));
    in = _mm256_mul_pd(_mm256_mul_pd(in, d), d);
    in = _mm256_add_pd(in, _mm256_set1_pd(1.0));
    __m256d out = _mm256_sub_pd(d, _mm256_set1_pd(5.0));
    out = _mm256_add_pd(_mm256_mul_pd(out, d), _mm256_set1_pd(8.0));
    out = _mm256_sub_pd(_mm256_mul_pd(out, d), _mm256_set1_pd(4.0));
    out = _mm256_mul_pd(out, _mm256_set1_pd(a));
    __m256d near = _mm256_cmp_pd(d, _mm256_set1_pd(1.0), _CMP_LT_OQ);
    __m256d far = _mm256_cmp_pd(d, _mm256_set1_pd(2.0), _CMP_LT_OQ);
    return _mm256_blendv_pd(_mm256_and_pd(far, out), in, near);
}

/* To 22 bits, away from zero at halves. */
INLINE __m128i rounded(__m256d w)
{
    __m256d sign = _mm256_and_pd(w, _mm256_set1_pd(-0.0));
    __m256d half = _mm256_or_pd(_mm256_set1_pd(0.5), sign);
    w = _mm256_mul_pd(w, _mm256_set1_pd(1 << STK_WEIGHT_BITS));
    return _mm256_cvttpd_epi32(_mm256_add_pd(half, w));
}

/* Lanes where a < b, as a mask of doubles. */
INLINE __m256d less(__m128i a, __m128i b)
{
    return _mm256_castsi256_pd(_mm256_cvtepi32_epi64(_mm_cmplt_epi32(a, b)));
}

INLINE void store(int32_t *to, __m128i v)
{
    _mm_store_si128((__m128i *)(void *)to, v);
}

/* The middles of outputs i ... i + 3; those behind the last are it again. */
INLINE __m256d centres(const struct stk_axis *axis, double scale, size_t i)
{
    __m128i out =
        _mm_add_epi32(_mm_set1_epi32((int32_t)i), _mm_setr_epi32(0, 1, 2, 3));
    __m128i start = _mm_set1_epi32(axis->grid_first);
    out = _mm_min_epi32(out, _mm_set1_epi32(axis->n - 1));
    out =
        axis->mirrored ? _mm_sub_epi32(start, out) : _mm_add_epi32(start, out);
    __m256d x = _mm256_add_pd(_mm256_cvtepi32_pd(out), _mm256_set1_pd(0.5));
    return _mm256_mul_pd(x, _mm256_set1_pd(scale));
}

/* First taps and counts of four outputs; returns the counts. */
INLINE __m128i bounds_of_4(struct stk_axis *axis, const struct stk_taps *f,
                           size_t i)
{
    __m256d half = _mm256_set1_pd(0.5), support = _mm256_set1_pd(f->support);
    __m256d centre = centres(axis, f->scale, i);
    __m128i low = _mm256_cvttpd_epi32(
        _mm256_add_pd(_mm256_sub_pd(centre, support), half));
    __m128i high = _mm256_cvttpd_epi32(
        _mm256_add_pd(_mm256_add_pd(centre, support), half));
    low = _mm_max_epi32(low, _mm_setzero_si128());
    high = _mm_min_epi32(high, _mm_set1_epi32(axis->crop));
    __m128i real = _mm_cmpgt_epi32(_mm_set1_epi32(axis->n - (int32_t)i),
                                   _mm_setr_epi32(0, 1, 2, 3));
    __m128i count = _mm_and_si128(real, _mm_sub_epi32(high, low));
    store(axis->count + i, count);
    store(axis->first + i, _mm_sub_epi32(low, _mm_set1_epi32(axis->skipped)));
    return count;
}

INLINE __m128i load(const int32_t *from)
{
    return _mm_load_si128((const __m128i *)(const void *)from);
}

INLINE void weights_of_4(struct stk_axis *axis, const struct stk_taps *f,
                         size_t i, const bool is_cubic)
{
    __m256d half = _mm256_set1_pd(0.5), sum = _mm256_setzero_pd();
    __m256d inverse = _mm256_set1_pd(1.0 / f->filter_scale);
    __m256d centre = centres(axis, f->scale, i);
    __m128i count = load(axis->count + i);
    __m128i low =
        _mm_add_epi32(load(axis->first + i), _mm_set1_epi32(axis->skipped));
    for (int32_t t = 0; t < axis->taps; t++) {
        __m128i tap = _mm_set1_epi32(t);
        __m256d at = _mm256_cvtepi32_pd(_mm_add_epi32(tap, low));
        at = _mm256_add_pd(_mm256_sub_pd(at, centre), half);
        at = _mm256_mul_pd(at, inverse);
        __m256d w = is_cubic ? cubic(at) : hat(at);
        w = _mm256_and_pd(w, less(tap, count));
        _mm256_store_pd(axis->work + 4 * t, w);
        sum = _mm256_add_pd(sum, w);
    }
    __m256d none = _mm256_cmp_pd(sum, _mm256_setzero_pd(), _CMP_EQ_OQ);
    sum = _mm256_blendv_pd(sum, _mm256_set1_pd(1.0), none);
    for (int32_t t = 0; t < axis->taps; t++) {
        __m256d w = _mm256_div_pd(_mm256_load_pd(axis->work + 4 * t), sum);
        store(axis->weight + (size_t)t * axis->padded + i, rounded(w));
    }
}

void stk_weights_avx2(struct stk_axis *axis)
{
    struct stk_taps f = stk_axis_taps(axis);
    __m128i most = _mm_setzero_si128();
    for (size_t i = 0; i < axis->padded; i += 4)
        most = _mm_max_epi32(most, bounds_of_4(axis, &f, i));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
    axis->taps = _mm_cvtsi128_si32(most);
    for (size_t i = 0; i < axis->padded; i += 4)
        if (axis->cubic)
            weights_of_4(axis, &f, i, true);
        else
            weights_of_4(axis, &f, i, false);
}

bool stk_halves_avx2(struct stk_axis *axis)
{
    size_t n = (size_t)axis->taps * axis->padded;
    __m256i limit = _mm256_set1_epi32(STK_TAP_LIMIT), most = limit;
    for (size_t i = 0; i < n; i += 8) {
        const void *at = axis->weight + i;
        __m256i k = _mm256_load_si256((const __m256i *)at);
        __m256i high =
            _mm256_min_epi32(_mm256_srai_epi32(k, 7), _mm256_set1_epi32(32767));
        __m256i low = _mm256_sub_epi32(k, _mm256_slli_epi32(high, 7));
        most = _mm256_max_epi32(most, k);
        _mm256_store_si256(
            (__m256i *)(void *)(axis->packed + 4 * i),
            _mm256_blend_epi16(high, _mm256_slli_epi32(low, 16), 0xaa));
    }
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(most, limit)) == -1;
}
