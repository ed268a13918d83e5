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

/* A channel's numbers in registers. */
struct values {
    __m512 scale, offset, mean, std, inverse;
};

INLINE struct values values_of(const struct stk_emit *e, size_t c)
{
    return (struct values){
        _mm512_set1_ps(e->scale[c]), _mm512_set1_ps(e->offset[c]),
        _mm512_set1_ps(e->mean[c]), _mm512_set1_ps(e->std[c]),
        _mm512_set1_ps(e->inverse[c])};
}

INLINE __m512 computed(const uint8_t *from, const struct values *k,
                       const int form)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m512 t = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(v));
    if (form == STK_FORM_LINE)
        return _mm512_fmadd_ps(t, k->scale, k->offset);
    t = _mm512_mul_ps(t, _mm512_set1_ps(1.0f / 255));
    t = _mm512_sub_ps(t, k->mean);
    __m512 quotient = _mm512_mul_ps(t, k->inverse);
    __m512 rest = _mm512_fnmadd_ps(quotient, k->std, t);
    return _mm512_fmadd_ps(rest, k->inverse, quotient);
}

/* Words from the table; f16 on a line is computed in half the time. */
static void plane_of_halves(const struct stk_emit *e, size_t c,
                            const uint8_t *from, size_t n, uint8_t *to)
{
    if (e->form[c] == STK_FORM_LINE && e->dtype == STOKER_F16) {
        struct values k = values_of(e, c);
        for (size_t x = 0; x < n; x += 16)
            _mm256_mask_storeu_epi16(
                to + 2 * x, lanes_of_16(n - x),
                /* gcc's macro without a mask warns of its own -1 at -O0 */
                _mm512_maskz_cvtps_ph(0xFFFF,
                                      computed(from + x, &k, STK_FORM_LINE),
                                      _MM_FROUND_TO_NEAREST_INT));
        return;
    }
    struct words w = words_of(e->low[c]);
    for (size_t x = 0; x < n; x += 32)
        _mm512_mask_storeu_epi16(to + 2 * x, lanes_of_32(n - x),
                                 looked_up(&w, words_at(from + x)));
}

/* 16 floats from 16 pixels, joined of their halves in tables. */
INLINE __m512 tabled(const struct words *low, const struct words *high,
                     const uint8_t *from)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m512i i = _mm512_cvtepu8_epi32(v);
    __m512i l = looked_up(low, i), h = looked_up(high, i);
    return _mm512_castsi512_ps(
        _mm512_mask_blend_epi16(0xaaaaaaaa, l, _mm512_slli_epi32(h, 16)));
}

struct source {
    struct words low, high; /* STK_FORM_TABLE */
    struct values k;        /* the others */
};

INLINE __m512 floats_at(const struct source *s, const uint8_t *from,
                        const int form)
{
    return form == STK_FORM_TABLE ? tabled(&s->low, &s->high, from)
                                  : computed(from, &s->k, form);
}

/* Whole lines are streamed past the caches; the ends are plain stores. */
INLINE void plane_of_floats(const struct stk_emit *e, size_t c,
                            const uint8_t *from, size_t n, uint8_t *to,
                            const int form)
{
    struct source s;
    if (form == STK_FORM_TABLE) {
        s.low = words_of(e->low[c]);
        s.high = words_of(e->high[c]);
    } else
        s.k = values_of(e, c);
    size_t x = (uintptr_t)to % 4 ? n : -(uintptr_t)to % 64 / 4;
    x = x < n ? x : n;
    for (size_t i = 0; i < x; i += 16)
        _mm512_mask_storeu_ps(to + 4 * i, lanes_of_16(x - i),
                              floats_at(&s, from + i, form));
    for (; x + 16 <= n; x += 16)
        _mm512_stream_ps((float *)(void *)(to + 4 * x),
                         floats_at(&s, from + x, form));
    if (x < n)
        _mm512_mask_storeu_ps(to + 4 * x, lanes_of_16(n - x),
                              floats_at(&s, from + x, form));
}

static void floats(const struct stk_emit *e, size_t c, const uint8_t *from,
                   size_t n, uint8_t *to)
{
    if (e->form[c] == STK_FORM_LINE)
        plane_of_floats(e, c, from, n, to, STK_FORM_LINE);
    else if (e->form[c] == STK_FORM_STEPS)
        plane_of_floats(e, c, from, n, to, STK_FORM_STEPS);
    else
        plane_of_floats(e, c, from, n, to, STK_FORM_TABLE);
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
            floats(e, c, from[c], n, to);
        else
            plane_of_halves(e, c, from[c], n, to);
    }
}
