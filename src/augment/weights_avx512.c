/* Weights of an axis eight outputs at a time with AVX-512: axis.c's
 * operations, in their order, so that every bit agrees. */
#include "augment/place_avx512.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

static __m512d hat(__m512d x)
{
    __m512d one = _mm512_set1_pd(1.0), d = _mm512_abs_pd(x);
    return _mm512_maskz_sub_pd(_mm512_cmp_pd_mask(d, one, _CMP_LT_OQ), one, d);
}

/* The operations of axis.c's bicubic(), in their order. */
static __m512d cubic(__m512d x)
{
    const double a = -0.5;
    __m512d d = _mm512_abs_pd(x);
    __m512d in = _mm512_sub_pd(_mm512_mul_pd(_mm512_set1_pd(a + 2.0), d),
                               _mm512_set1_pd(a + 3.0));
    in = _mm512_mul_pd(_mm512_mul_pd(in, d), d);
    in = _mm512_add_pd(in, _mm512_set1_pd(1.0));
    __m512d out = _mm512_sub_pd(d, _mm512_set1_pd(5.0));
    out = _mm512_add_pd(_mm512_mul_pd(out, d), _mm512_set1_pd(8.0));
    out = _mm512_sub_pd(_mm512_mul_pd(out, d), _mm512_set1_pd(4.0));
    out = _mm512_mul_pd(out, _mm512_set1_pd(a));
    __mmask8 near = _mm512_cmp_pd_mask(d, _mm512_set1_pd(1.0), _CMP_LT_OQ);
    __mmask8 far = _mm512_cmp_pd_mask(d, _mm512_set1_pd(2.0), _CMP_LT_OQ);
    return _mm512_mask_mov_pd(_mm512_maskz_mov_pd(far, out), near, in);
}

static __m256i rounded(__m512d w)
{
    __m512d half = _mm512_set1_pd(0.5);
    __mmask8 minus = _mm512_cmp_pd_mask(w, _mm512_setzero_pd(), _CMP_LT_OQ);
    half = _mm512_mask_sub_pd(half, minus, _mm512_setzero_pd(), half);
    w = _mm512_mul_pd(w, _mm512_set1_pd(1 << STK_WEIGHT_BITS));
    return _mm512_cvttpd_epi32(_mm512_add_pd(half, w));
}

/* The middles of outputs i ... i + 7; those behind the last are it again. */
INLINE __m512d centres(const struct stk_axis *axis, double scale, size_t i)
{
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i out = _mm256_add_epi32(_mm256_set1_epi32((int32_t)i), lane);
    __m256i start = _mm256_set1_epi32(axis->grid_first);
    out = _mm256_min_epi32(out, _mm256_set1_epi32(axis->n - 1));
    out = axis->mirrored ? _mm256_sub_epi32(start, out)
                         : _mm256_add_epi32(start, out);
    __m512d x = _mm512_add_pd(_mm512_cvtepi32_pd(out), _mm512_set1_pd(0.5));
    return _mm512_mul_pd(x, _mm512_set1_pd(scale));
}

/* First taps and counts of eight outputs; returns the counts. */
INLINE __m256i bounds_of_8(struct stk_axis *axis, const struct stk_taps *f,
                           size_t i)
{
    __m512d half = _mm512_set1_pd(0.5), support = _mm512_set1_pd(f->support);
    __m512d centre = centres(axis, f->scale, i);
    __m256i low = _mm512_cvttpd_epi32(
        _mm512_add_pd(_mm512_sub_pd(centre, support), half));
    __m256i high = _mm512_cvttpd_epi32(
        _mm512_add_pd(_mm512_add_pd(centre, support), half));
    low = _mm256_max_epi32(low, _mm256_setzero_si256());
    high = _mm256_min_epi32(high, _mm256_set1_epi32(axis->crop));
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __mmask8 real =
        _mm256_cmplt_epi32_mask(lane, _mm256_set1_epi32(axis->n - (int32_t)i));
    __m256i count = _mm256_maskz_sub_epi32(real, high, low);
    low = _mm256_sub_epi32(low, _mm256_set1_epi32(axis->skipped));
    _mm256_store_si256((__m256i *)(axis->count + i), count);
    _mm256_store_si256((__m256i *)(axis->first + i), low);
    return count;
}

INLINE void weights_of_8(struct stk_axis *axis, const struct stk_taps *f,
                         size_t i, const bool is_cubic)
{
    __m512d half = _mm512_set1_pd(0.5), sum = _mm512_setzero_pd();
    __m512d inverse = _mm512_set1_pd(1.0 / f->filter_scale);
    __m512d centre = centres(axis, f->scale, i);
    __m256i low = _mm256_load_si256((const __m256i *)(axis->first + i));
    __m256i count = _mm256_load_si256((const __m256i *)(axis->count + i));
    low = _mm256_add_epi32(low, _mm256_set1_epi32(axis->skipped));
    for (int32_t t = 0; t < axis->taps; t++) {
        __m256i tap = _mm256_set1_epi32(t);
        __m512d at = _mm512_cvtepi32_pd(_mm256_add_epi32(tap, low));
        at = _mm512_add_pd(_mm512_sub_pd(at, centre), half);
        at = _mm512_mul_pd(at, inverse);
        __m512d w = is_cubic ? cubic(at) : hat(at);
        w = _mm512_maskz_mov_pd(_mm256_cmplt_epi32_mask(tap, count), w);
        _mm512_store_pd(axis->work + 8 * t, w);
        sum = _mm512_add_pd(sum, w);
    }
    /* Outputs behind the last have no taps: 0 / 1. */
    sum = _mm512_mask_mov_pd(
        sum, _mm512_cmp_pd_mask(sum, _mm512_setzero_pd(), _CMP_EQ_OQ),
        _mm512_set1_pd(1.0));
    for (int32_t t = 0; t < axis->taps; t++) {
        __m512d w = _mm512_div_pd(_mm512_load_pd(axis->work + 8 * t), sum);
        _mm256_store_si256(
            (__m256i *)(axis->weight + (size_t)t * axis->padded + i),
            rounded(w));
    }
}

void stk_weights_avx512(struct stk_axis *axis)
{
    struct stk_taps f = stk_axis_taps(axis);
    __m256i most = _mm256_setzero_si256();
    for (size_t i = 0; i < axis->padded; i += 8)
        most = _mm256_max_epi32(most, bounds_of_8(axis, &f, i));
    axis->taps = _mm512_reduce_max_epi32(_mm512_zextsi256_si512(most));
    for (size_t i = 0; i < axis->padded; i += 8)
        if (axis->cubic)
            weights_of_8(axis, &f, i, true);
        else
            weights_of_8(axis, &f, i, false);
}

bool stk_halves_avx512(struct stk_axis *axis)
{
    size_t n = (size_t)axis->taps * axis->padded;
    __m512i limit = _mm512_set1_epi32(STK_TAP_LIMIT), most = limit;
    for (size_t i = 0; i < n; i += 16) {
        __m512i k = _mm512_load_si512(axis->weight + i);
        __m512i high =
            _mm512_min_epi32(_mm512_srai_epi32(k, 7), _mm512_set1_epi32(32767));
        __m512i low = _mm512_sub_epi32(k, _mm512_slli_epi32(high, 7));
        most = _mm512_max_epi32(most, k);
        _mm512_store_si512(axis->packed + 4 * i,
                           _mm512_mask_blend_epi16(0xaaaaaaaa, high,
                                                   _mm512_slli_epi32(low, 16)));
    }
    return _mm512_cmpeq_epi32_mask(most, limit) == 0xffff;
}
