/* The vertical pass with AVX2. */
#include "augment/place_avx2.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { HALF = 1 << (STK_WEIGHT_BITS - 1), FEW_TAPS = 5 };

INLINE __m256i dwords_at(const uint32_t *at)
{
    return _mm256_load_si256((const __m256i *)(const void *)at);
}

/* Four sums of eight pixels, one after the other, clipped to 32 bytes. */
INLINE __m256i bytes_of(const __m256i sum[4])
{
    __m256i v[4];
    for (int k = 0; k < 4; k++)
        v[k] = _mm256_srai_epi32(sum[k], STK_WEIGHT_BITS);
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i a = _mm256_packs_epi32(v[0], v[1]);
    __m256i b = _mm256_packs_epi32(v[2], v[3]);
    return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
}

/* The first n of 32 bytes. */
INLINE void put(uint8_t *to, size_t n, __m256i bytes)
{
    if (n >= 32) {
        _mm256_storeu_si256((__m256i *)(void *)to, bytes);
        return;
    }
    uint8_t all[32];
    _mm256_storeu_si256((__m256i *)(void *)all, bytes);
    memcpy(to, all, n);
}

/* Rows and broadcast weights in registers where their number is known. */
struct few_taps {
    const uint32_t *row[FEW_TAPS];
    __m256i weight[FEW_TAPS];
};

/* Planes are padded to 16 dwords, so the last block may have two vectors.
 * n_taps 0: the lists, else few. */
INLINE __m256i down_block(const struct stk_dword_taps *taps,
                          const struct few_taps *few, size_t at,
                          const int vectors, const int n_taps)
{
    int n = n_taps ? n_taps : taps->n;
    __m256i sum[4];
    for (int k = 0; k < 4; k++)
        sum[k] = _mm256_set1_epi32(HALF);
    for (int t = 0; t < n; t++) {
        __m256i w = n_taps ? few->weight[t]
                           : _mm256_set1_epi32((int32_t)taps->halves[t]);
        const uint32_t *row = (n_taps ? few->row[t] : taps->row[t]) + at;
        for (int k = 0; k < vectors; k++)
            sum[k] = _mm256_add_epi32(
                sum[k], _mm256_madd_epi16(dwords_at(row + 8 * k), w));
    }
    return bytes_of(sum);
}

INLINE void down_planes(const struct stk_dword_taps *taps, size_t plane,
                        size_t n, uint8_t *const to[3], const int n_taps)
{
    struct few_taps few;
    for (size_t t = 0; t < (size_t)n_taps; t++) {
        few.row[t] = taps->row[(taps->first + t) & taps->mask];
        few.weight[t] =
            _mm256_set1_epi32((int32_t)taps->halves[t * taps->step]);
    }
    for (size_t c = 0; c < 3; c++) {
        size_t at = c * plane, left = n;
        uint8_t *out = to[c];
        for (; left >= 32; left -= 32, at += 32, out += 32)
            put(out, 32, down_block(taps, &few, at, 4, n_taps));
        if (left > 16)
            put(out, left, down_block(taps, &few, at, 4, n_taps));
        else if (left > 0)
            put(out, left, down_block(taps, &few, at, 2, n_taps));
    }
}

static void down(const struct stk_dword_taps *taps, size_t plane, size_t n,
                 uint8_t *const to[3])
{
    switch (taps->n) {
    case 1:
        down_planes(taps, plane, n, to, 1);
        break;
    case 2:
        down_planes(taps, plane, n, to, 2);
        break;
    case 3:
        down_planes(taps, plane, n, to, 3);
        break;
    case 4:
        down_planes(taps, plane, n, to, 4);
        break;
    case 5:
        down_planes(taps, plane, n, to, 5);
        break;
    default:
        down_planes(taps, plane, n, to, 0);
    }
}

/* Two rows at a time, weights as 11 + 11 bits in words. */
static int32_t pack_pairs(const struct stk_row_taps *taps, const uint8_t **rows)
{
    int32_t pairs = (taps->n + 1) / 2;
    if (taps->n % 2) {
        taps->weight[taps->n] = 0;
        rows[taps->n] = rows[0];
    }
    for (int32_t p = 0; p < pairs; p++) {
        int32_t a = taps->weight[2 * p], b = taps->weight[2 * p + 1];
        taps->packed[2 * p] =
            ((uint32_t)(a >> 11) & 0xffff) | (uint32_t)(b >> 11) << 16;
        taps->packed[2 * p + 1] = (uint32_t)(a & 2047) | (uint32_t)(b & 2047)
                                                             << 16;
    }
    return pairs;
}

struct half_sums {
    __m256i high[4], low[4];
};

INLINE void add_pair(struct half_sums *s, const uint8_t *a, const uint8_t *b,
                     const uint32_t packed[2])
{
    __m256i zero = _mm256_setzero_si256();
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)a);
    __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)b);
    __m256i l = _mm256_unpacklo_epi8(x, y), h = _mm256_unpackhi_epi8(x, y);
    __m256i v[4] = {
        _mm256_unpacklo_epi8(l, zero), _mm256_unpackhi_epi8(l, zero),
        _mm256_unpacklo_epi8(h, zero), _mm256_unpackhi_epi8(h, zero)};
    __m256i high = _mm256_set1_epi32((int32_t)packed[0]);
    __m256i low = _mm256_set1_epi32((int32_t)packed[1]);
    for (int k = 0; k < 4; k++) {
        s->high[k] =
            _mm256_add_epi32(s->high[k], _mm256_madd_epi16(v[k], high));
        s->low[k] = _mm256_add_epi32(s->low[k], _mm256_madd_epi16(v[k], low));
    }
}

static void down_bytes(const struct stk_row_taps *taps, const uint8_t **rows,
                       size_t n, uint8_t *to)
{
    int32_t pairs = pack_pairs(taps, rows);
    for (size_t x = 0; x < n; x += 32) {
        struct half_sums s;
        for (int k = 0; k < 4; k++) {
            s.high[k] = _mm256_setzero_si256();
            s.low[k] = _mm256_set1_epi32(HALF);
        }
        for (int32_t p = 0; p < pairs; p++)
            add_pair(&s, rows[2 * p] + x, rows[2 * p + 1] + x,
                     taps->packed + 2 * p);
        for (int k = 0; k < 4; k++) {
            __m256i high = _mm256_slli_epi32(s.high[k], 11);
            s.low[k] = _mm256_add_epi32(high, s.low[k]);
            s.low[k] = _mm256_srai_epi32(s.low[k], STK_WEIGHT_BITS);
        }
        /* Unpacked within lanes, packed within lanes: the order is whole. */
        put(to + x, n - x,
            _mm256_packus_epi16(_mm256_packs_epi32(s.low[0], s.low[1]),
                                _mm256_packs_epi32(s.low[2], s.low[3])));
    }
}

static void mirror(const uint8_t *from, size_t n, uint8_t *to)
{
    __m256i back =
        _mm256_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,
                         15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (size_t x = 0; x < n; x += 32) {
        /* Reads up to 31 bytes in front of the row: slack. */
        const uint8_t *at = from + (ptrdiff_t)(n - x) - 32;
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)at);
        v = _mm256_shuffle_epi8(v, back);
        put(to + x, n - x, _mm256_permute4x64_epi64(v, 0x4e));
    }
}

static void fence(void)
{
    _mm_sfence();
}

const struct stk_place_kernels stk_place_avx2 = {
    .weights = stk_weights_avx2,
    .pack = stk_pack_avx2,
    .halves = stk_halves_avx2,
    .across = stk_across_avx2,
    .across_bytes = stk_across_bytes_avx2,
    .few_taps = FEW_TAPS,
    .down = down,
    .down_bytes = down_bytes,
    .mirror = mirror,
    .emit = stk_emit_avx2,
    .fence = fence,
};
