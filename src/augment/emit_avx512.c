/* Bytes to elements with AVX-512: the 256 values of a channel stay in
 * registers as words (vpermi2w), NHWC by two permutations a vector. */
#include "augment/place_avx512.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* 256 words in eight registers; two bits of the byte choose among them. */
struct words {
    __m512i part[8];
};

INLINE struct words words_of(const uint16_t table[256])
{
    struct words w;
    for (int k = 0; k < 8; k++)
        w.part[k] = _mm512_load_si512(table + 32 * k);
    return w;
}

INLINE __m512i looked_up(const struct words *w, __m512i i)
{
    __mmask32 bit6 = _mm512_test_epi16_mask(i, _mm512_set1_epi16(64));
    __mmask32 bit7 = _mm512_test_epi16_mask(i, _mm512_set1_epi16(128));
    __m512i v[4];
    for (int k = 0; k < 4; k++)
        v[k] = _mm512_permutex2var_epi16(w->part[2 * k], i, w->part[2 * k + 1]);
    __m512i low = _mm512_mask_blend_epi16(bit6, v[0], v[1]);
    __m512i high = _mm512_mask_blend_epi16(bit6, v[2], v[3]);
    return _mm512_mask_blend_epi16(bit7, low, high);
}

static inline __mmask32 lanes_of_32(size_t n)
{
    return n < 32 ? (1u << n) - 1 : ~0u;
}

static inline __mmask16 lanes_of_16(size_t n)
{
    return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff);
}

INLINE __m512i words_at(const uint8_t *from)
{
    return _mm512_cvtepu8_epi16(
        _mm256_loadu_si256((const __m256i *)(const void *)from));
}

static void plane_of_halves(const uint16_t table[256], const uint8_t *from,
                            size_t n, uint8_t *to)
{
    struct words w = words_of(table);
    for (size_t x = 0; x < n; x += 32)
        _mm512_mask_storeu_epi16(to + 2 * x, lanes_of_32(n - x),
                                 looked_up(&w, words_at(from + x)));
}

/* Two vectors of 16 floats from 32 pixels. */
INLINE void floats_of(const struct words *low, const struct words *high,
                      const uint8_t *from, __m512i out[2])
{
    /* Pixels k and k + 16 share a dword, so that halves join by blends. */
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
    __m512i i = _mm512_or_si512(_mm512_cvtepu8_epi32(a),
                                _mm512_slli_epi32(_mm512_cvtepu8_epi32(b), 16));
    __m512i l = looked_up(low, i), h = looked_up(high, i);
    out[0] = _mm512_mask_blend_epi16(0xaaaaaaaa, l, _mm512_slli_epi32(h, 16));
    out[1] = _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(l, 16), h);
}

/* Whole lines are streamed past the caches; the ends are plain stores. */
static void plane_of_floats(const struct stk_emit *e, size_t c,
                            const uint8_t *from, size_t n, uint8_t *to)
{
    struct words low = words_of(e->low[c]), high = words_of(e->high[c]);
    size_t head = -(uintptr_t)to % 64 / 4, x = 0;
    __m512i v[2];
    if ((uintptr_t)to % 4 != 0)
        head = n;
    if (head > n)
        head = n;
    for (; x < head; x += 32) {
        size_t m = head - x;
        floats_of(&low, &high, from + x, v);
        _mm512_mask_storeu_epi32(to + 4 * x, lanes_of_16(m), v[0]);
        if (m > 16)
            _mm512_mask_storeu_epi32(to + 4 * x + 64, lanes_of_16(m - 16),
                                     v[1]);
    }
    for (x = head; x + 32 <= n; x += 32) {
        floats_of(&low, &high, from + x, v);
        _mm512_stream_si512((__m512i *)(void *)(to + 4 * x), v[0]);
        _mm512_stream_si512((__m512i *)(void *)(to + 4 * x + 64), v[1]);
    }
    if (x >= n)
        return;
    floats_of(&low, &high, from + x, v);
    _mm512_mask_storeu_epi32(to + 4 * x, lanes_of_16(n - x), v[0]);
    if (n - x > 16)
        _mm512_mask_storeu_epi32(to + 4 * x + 64, lanes_of_16(n - x - 16),
                                 v[1]);
}

/* Interleaving: element j of output vector k is channel (k * lanes + j) % 3
 * of pixel (k * lanes + j) / 3.  pick chooses among R and G, blue among B. */
struct weave8 {
    __m512i pick[3], blue[3];
    __mmask64 is_blue[3];
};

static struct weave8 weave_bytes(void)
{
    struct weave8 w;
    for (size_t k = 0; k < 3; k++) {
        uint8_t pick[64], blue[64];
        w.is_blue[k] = 0;
        for (size_t j = 0; j < 64; j++) {
            size_t at = 64 * k + j;
            blue[j] = (uint8_t)(at / 3);
            pick[j] = (uint8_t)(at / 3 + (at % 3 == 1 ? 64 : 0));
            if (at % 3 == 2)
                w.is_blue[k] |= 1ull << j;
        }
        w.pick[k] = _mm512_loadu_si512(pick);
        w.blue[k] = _mm512_loadu_si512(blue);
    }
    return w;
}

static void weave_u8(const uint8_t *const from[3], size_t n, uint8_t *to)
{
    struct weave8 w = weave_bytes();
    for (size_t x = 0; x < n; x += 64) {
        __m512i r = _mm512_loadu_si512(from[0] + x);
        __m512i g = _mm512_loadu_si512(from[1] + x);
        __m512i b = _mm512_loadu_si512(from[2] + x);
        for (size_t k = 0; k < 3; k++) {
            size_t at = 3 * x + 64 * k;
            if (at >= 3 * n)
                break;
            size_t left = 3 * n - at;
            __mmask64 real = left < 64 ? (1ull << left) - 1 : ~0ull;
            __m512i v = _mm512_permutex2var_epi8(r, w.pick[k], g);
            v = _mm512_mask_permutexvar_epi8(v, w.is_blue[k], w.blue[k], b);
            _mm512_mask_storeu_epi8(to + at, real, v);
        }
    }
}

/* The same for 32 words, from tables of one half or of both. */
struct weave16 {
    __m512i pick[3], blue[3];
    __mmask32 is_blue[3];
};

static struct weave16 weave_words(void)
{
    struct weave16 w;
    for (size_t k = 0; k < 3; k++) {
        uint16_t pick[32], blue[32];
        w.is_blue[k] = 0;
        for (size_t j = 0; j < 32; j++) {
            size_t at = 32 * k + j;
            blue[j] = (uint16_t)(at / 3);
            pick[j] = (uint16_t)(at / 3 + (at % 3 == 1 ? 32 : 0));
            if (at % 3 == 2)
                w.is_blue[k] |= 1u << j;
        }
        w.pick[k] = _mm512_loadu_si512(pick);
        w.blue[k] = _mm512_loadu_si512(blue);
    }
    return w;
}

INLINE __m512i woven(const struct weave16 *w, size_t k, const __m512i v[3])
{
    __m512i out = _mm512_permutex2var_epi16(v[0], w->pick[k], v[1]);
    return _mm512_mask_permutexvar_epi16(out, w->is_blue[k], w->blue[k], v[2]);
}

static void weave_halves(const struct stk_emit *e, const uint8_t *const from[3],
                         size_t n, uint8_t *to)
{
    struct weave16 w = weave_words();
    for (size_t x = 0; x < n; x += 32) {
        __m512i v[3];
        for (size_t c = 0; c < 3; c++) {
            struct words table = words_of(e->low[c]);
            v[c] = looked_up(&table, words_at(from[c] + x));
        }
        for (size_t k = 0; k < 3 && 3 * x + 32 * k < 3 * n; k++)
            _mm512_mask_storeu_epi16(to + 2 * (3 * x + 32 * k),
                                     lanes_of_32(3 * n - 3 * x - 32 * k),
                                     woven(&w, k, v));
    }
}

/* 16 floats of a lane-ordered pair of words: low and high halves woven apart,
 * then joined. */
static void weave_floats(const struct stk_emit *e, const uint8_t *const from[3],
                         size_t n, uint8_t *to)
{
    struct weave16 w = weave_words();
    for (size_t x = 0; x < n; x += 32) {
        __m512i l[3], h[3];
        for (size_t c = 0; c < 3; c++) {
            struct words low = words_of(e->low[c]), high = words_of(e->high[c]);
            __m512i i = words_at(from[c] + x);
            l[c] = looked_up(&low, i);
            h[c] = looked_up(&high, i);
        }
        for (size_t k = 0; k < 3; k++) {
            __m512i low = woven(&w, k, l), high = woven(&w, k, h);
            for (size_t s = 0; s < 2; s++) {
                size_t at = 3 * x + 32 * k + 16 * s;
                if (at >= 3 * n)
                    break;
                __m256i a = s ? _mm512_extracti64x4_epi64(low, 1)
                              : _mm512_castsi512_si256(low);
                __m256i b = s ? _mm512_extracti64x4_epi64(high, 1)
                              : _mm512_castsi512_si256(high);
                __m512i bits = _mm512_or_si512(
                    _mm512_cvtepu16_epi32(a),
                    _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
                _mm512_mask_storeu_epi32(to + 4 * at, lanes_of_16(3 * n - at),
                                         bits);
            }
        }
    }
}

static void copy_plane(const uint8_t *from, size_t n, uint8_t *to)
{
    for (size_t x = 0; x < n; x += 64) {
        __mmask64 real = n - x < 64 ? (1ull << (n - x)) - 1 : ~0ull;
        _mm512_mask_storeu_epi8(to + x, real, _mm512_loadu_si512(from + x));
    }
}

void stk_emit_avx512(const struct stk_emit *e, const uint8_t *const from[3],
                     size_t n, uint8_t *to)
{
    if (e->interleaved) {
        if (e->dtype == STOKER_U8)
            weave_u8(from, n, to);
        else if (e->dtype == STOKER_F32)
            weave_floats(e, from, n, to);
        else
            weave_halves(e, from, n, to);
        return;
    }
    for (size_t c = 0; c < 3; c++, to += e->plane_bytes) {
        if (e->dtype == STOKER_U8)
            copy_plane(from[c], n, to);
        else if (e->dtype == STOKER_F32)
            plane_of_floats(e, c, from[c], n, to);
        else
            plane_of_halves(e->low[c], from[c], n, to);
    }
}
