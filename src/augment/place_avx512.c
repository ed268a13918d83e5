/* The vertical pass and the finished elements with AVX-512. */
#include "augment/place_avx512.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { HALF = 1 << (STK_WEIGHT_BITS - 1), FEW_TAPS = 8 };

static inline __mmask64 first_lanes(size_t n)
{
    return n < 64 ? (1ull << n) - 1 : ~0ull;
}

INLINE __m512i level(__m512i sum, const bool is_cubic)
{
    if (is_cubic)
        sum = _mm512_max_epi32(sum, _mm512_setzero_si512());
    sum = _mm512_srli_epi32(sum, STK_WEIGHT_BITS);
    return is_cubic ? _mm512_min_epi32(sum, _mm512_set1_epi32(255)) : sum;
}

/* Four vectors of 16 pixels, one after the other, to 64 bytes in order. */
INLINE __m512i bytes_of(const __m512i v[4])
{
    __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i a = _mm512_packus_epi32(v[0], v[1]);
    __m512i b = _mm512_packus_epi32(v[2], v[3]);
    return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(a, b));
}

/* Rows and broadcast weights in registers where their number is known. */
struct few_taps {
    const uint32_t *row[FEW_TAPS];
    __m512i weight[FEW_TAPS];
};

/* The sums of vectors * 16 pixels; n_taps 0: the lists, else few. */
INLINE void down_sums(const struct stk_dword_taps *taps,
                      const struct few_taps *few, size_t at, const int vectors,
                      const int n_taps, __m512i sum[4])
{
    int n = n_taps ? n_taps : taps->n;
    for (int k = 0; k < 4; k++)
        sum[k] = _mm512_set1_epi32(HALF);
    for (int t = 0; t < n; t++) {
        __m512i w = n_taps ? few->weight[t]
                           : _mm512_set1_epi32((int32_t)taps->halves[t]);
        const uint32_t *row = (n_taps ? few->row[t] : taps->row[t]) + at;
        for (int k = 0; k < vectors; k++)
            sum[k] =
                _mm512_dpwssd_epi32(sum[k], _mm512_load_si512(row + 16 * k), w);
    }
}

INLINE void down_block(const struct stk_dword_taps *taps,
                       const struct few_taps *few, size_t at, const int vectors,
                       const int n_taps, const bool is_cubic, size_t left,
                       uint8_t *to)
{
    __m512i sum[4];
    down_sums(taps, few, at, vectors, n_taps, sum);
    for (int k = 0; k < 4; k++)
        sum[k] = level(sum[k], is_cubic);
    if (vectors == 4 && left >= 64)
        _mm512_storeu_si512(to, bytes_of(sum));
    else if (vectors == 2 && left == 32)
        _mm256_storeu_si256((__m256i *)(void *)to,
                            _mm512_castsi512_si256(bytes_of(sum)));
    else
        _mm512_mask_storeu_epi8(to, first_lanes(left), bytes_of(sum));
}

INLINE void down_planes(const struct stk_dword_taps *taps, size_t plane,
                        size_t n, uint8_t *const to[3], const int n_taps,
                        const bool is_cubic)
{
    struct few_taps few;
    for (size_t t = 0; t < (size_t)n_taps; t++) {
        few.row[t] = taps->row[(taps->first + t) & taps->mask];
        few.weight[t] =
            _mm512_set1_epi32((int32_t)taps->halves[t * taps->step]);
    }
    for (size_t c = 0; c < 3; c++) {
        size_t at = c * plane, left = n;
        uint8_t *out = to[c];
        for (; left >= 64; left -= 64, at += 64, out += 64)
            down_block(taps, &few, at, 4, n_taps, is_cubic, 64, out);
        if (left > 32)
            down_block(taps, &few, at, ((int)left + 15) / 16, n_taps, is_cubic,
                       left, out);
        else if (left > 16)
            down_block(taps, &few, at, 2, n_taps, is_cubic, left, out);
        else if (left > 0)
            down_block(taps, &few, at, 1, n_taps, is_cubic, left, out);
    }
}

INLINE void down_any(const struct stk_dword_taps *taps, size_t plane, size_t n,
                     uint8_t *const to[3], const bool is_cubic)
{
    switch (taps->n) {
    case 1:
        down_planes(taps, plane, n, to, 1, is_cubic);
        break;
    case 2:
        down_planes(taps, plane, n, to, 2, is_cubic);
        break;
    case 3:
        down_planes(taps, plane, n, to, 3, is_cubic);
        break;
    case 4:
        down_planes(taps, plane, n, to, 4, is_cubic);
        break;
    case 5:
        down_planes(taps, plane, n, to, 5, is_cubic);
        break;
    case 6:
        down_planes(taps, plane, n, to, 6, is_cubic);
        break;
    case 7:
        down_planes(taps, plane, n, to, 7, is_cubic);
        break;
    case 8:
        down_planes(taps, plane, n, to, 8, is_cubic);
        break;
    default:
        down_planes(taps, plane, n, to, 0, is_cubic);
    }
}

static void down(const struct stk_dword_taps *taps, size_t plane, size_t n,
                 uint8_t *const to[3])
{
    if (taps->cubic)
        down_any(taps, plane, n, to, true);
    else
        down_any(taps, plane, n, to, false);
}

/* Four rows at a time: their bytes interleaved to dwords, weights as three
 * signed base-256 digits.  Returns the number of quads. */
static int32_t pack_digits(const struct stk_row_taps *taps,
                           const uint8_t **rows)
{
    int32_t quads = (taps->n + 3) / 4;
    for (int32_t t = taps->n; t < 4 * quads; t++) {
        taps->weight[t] = 0;
        rows[t] = rows[0];
    }
    for (int32_t q = 0; q < quads; q++) {
        uint32_t digit[3] = {0};
        for (int32_t t = 0; t < 4; t++) {
            int32_t k = taps->weight[4 * q + t];
            for (int32_t e = 0; e < 3; e++) {
                digit[e] |= ((uint32_t)k & 255) << 8 * t;
                k = (k + 128) >> 8;
            }
        }
        for (int32_t e = 0; e < 3; e++)
            taps->packed[3 * q + e] = digit[e];
    }
    return quads;
}

struct digit_sums {
    __m512i v[4][3];
};

INLINE void add_quad(struct digit_sums *s, const uint8_t **rows, size_t x,
                     const uint32_t *packed)
{
    __m512i r[4];
    for (int t = 0; t < 4; t++)
        r[t] = _mm512_loadu_si512(rows[t] + x);
    __m512i a = _mm512_unpacklo_epi8(r[0], r[1]);
    __m512i b = _mm512_unpackhi_epi8(r[0], r[1]);
    __m512i c = _mm512_unpacklo_epi8(r[2], r[3]);
    __m512i d = _mm512_unpackhi_epi8(r[2], r[3]);
    __m512i v[4] = {_mm512_unpacklo_epi16(a, c), _mm512_unpackhi_epi16(a, c),
                    _mm512_unpacklo_epi16(b, d), _mm512_unpackhi_epi16(b, d)};
    for (int e = 0; e < 3; e++) {
        __m512i w = _mm512_set1_epi32((int32_t)packed[e]);
        for (int k = 0; k < 4; k++)
            s->v[k][e] = _mm512_dpbusd_epi32(s->v[k][e], v[k], w);
    }
}

INLINE void down_bytes_of(const struct stk_row_taps *taps, const uint8_t **rows,
                          size_t n, uint8_t *to, const int n_quads)
{
    int32_t quads = n_quads ? n_quads : (taps->n + 3) / 4;
    for (size_t x = 0; x < n; x += 64) {
        struct digit_sums s;
        for (int k = 0; k < 4; k++) {
            s.v[k][0] = _mm512_set1_epi32(HALF);
            s.v[k][1] = s.v[k][2] = _mm512_setzero_si512();
        }
        for (int32_t q = 0; q < quads; q++)
            add_quad(&s, rows + 4 * q, x, taps->packed + 3 * q);
        __m512i out[4];
        for (int k = 0; k < 4; k++) {
            __m512i high = _mm512_slli_epi32(s.v[k][2], 8);
            high = _mm512_slli_epi32(_mm512_add_epi32(high, s.v[k][1]), 8);
            __m512i sum = _mm512_add_epi32(high, s.v[k][0]);
            out[k] = _mm512_srai_epi32(sum, STK_WEIGHT_BITS);
        }
        /* Both packs saturate, which is the clip. */
        __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(out[0], out[1]),
                                            _mm512_packs_epi32(out[2], out[3]));
        _mm512_mask_storeu_epi8(to + x, first_lanes(n - x), bytes);
    }
}

static void down_bytes(const struct stk_row_taps *taps, const uint8_t **rows,
                       size_t n, uint8_t *to)
{
    if (pack_digits(taps, rows) == 1)
        down_bytes_of(taps, rows, n, to, 1);
    else
        down_bytes_of(taps, rows, n, to, 0);
}

static void mirror(const uint8_t *from, size_t n, uint8_t *to)
{
    __m512i iota = _mm512_setr_epi64(0x38393a3b3c3d3e3f, 0x3031323334353637,
                                     0x28292a2b2c2d2e2f, 0x2021222324252627,
                                     0x18191a1b1c1d1e1f, 0x1011121314151617,
                                     0x08090a0b0c0d0e0f, 0x0001020304050607);
    for (size_t x = 0; x < n; x += 64) {
        /* Reads up to 63 bytes in front of the row: slack. */
        __m512i v = _mm512_loadu_si512(from + (ptrdiff_t)(n - x) - 64);
        _mm512_mask_storeu_epi8(to + x, first_lanes(n - x),
                                _mm512_permutexvar_epi8(iota, v));
    }
}

static void fence(void)
{
    _mm_sfence();
}

const struct stk_place_kernels stk_place_avx512 = {
    .weights = stk_weights_avx512,
    .pack = stk_pack_avx512,
    .halves = stk_halves_avx512,
    .across = stk_across_avx512,
    .across_bytes = stk_across_bytes_avx512,
    .few_taps = FEW_TAPS,
    .down = down,
    .down_bytes = down_bytes,
    .mirror = mirror,
    .emit = stk_emit_avx512,
    .fence = fence,
};
