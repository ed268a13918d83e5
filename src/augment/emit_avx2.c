/* Bytes to elements with AVX2.  Values are computed where that was proved to
 * give the table's own bits (at open, all 256), else they are looked up. */
#include "augment/place_avx2.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Elements at to + i * step of one channel; any dtype, layout and table. */
static void looked_up(const uint32_t table[256], const uint8_t *from, size_t n,
                      uint8_t *to, size_t step, const size_t bytes)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * step, &table[from[i]], bytes);
}

/* Four elements of 16 bits a store. */
static void plane_of_halves(const uint32_t table[256], const uint8_t *from,
                            size_t n, uint8_t *to)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint64_t four = table[from[i]] | (uint64_t)table[from[i + 1]] << 16 |
                        (uint64_t)table[from[i + 2]] << 32 |
                        (uint64_t)table[from[i + 3]] << 48;
        memcpy(to + 2 * i, &four, 8);
    }
    looked_up(table, from + i, n - i, to + 2 * i, 2, 2);
}

/* A channel's numbers in registers. */
struct values {
    __m256 scale, offset, mean, std, inverse;
};

INLINE struct values values_of(const struct stk_emit *e, size_t c)
{
    return (struct values){
        _mm256_set1_ps(e->scale[c]), _mm256_set1_ps(e->offset[c]),
        _mm256_set1_ps(e->mean[c]), _mm256_set1_ps(e->std[c]),
        _mm256_set1_ps(e->inverse[c])};
}

INLINE __m256 computed(const uint8_t *from, const struct values *k,
                       const int form)
{
    __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)from);
    __m256 t = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v));
    if (form == STK_FORM_LINE)
        return _mm256_fmadd_ps(t, k->scale, k->offset);
    t = _mm256_mul_ps(t, _mm256_set1_ps(1.0f / 255));
    t = _mm256_sub_ps(t, k->mean);
    __m256 quotient = _mm256_mul_ps(t, k->inverse);
    __m256 rest = _mm256_fnmadd_ps(quotient, k->std, t);
    return _mm256_fmadd_ps(rest, k->inverse, quotient);
}

/* Eight floats to bf16, ties to even. */
INLINE __m128i bf16_of(__m256 floats)
{
    __m256i bits = _mm256_castps_si256(floats);
    __m256i one =
        _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff));
    bits = _mm256_srli_epi32(_mm256_add_epi32(bits, one), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(bits),
                            _mm256_extracti128_si256(bits, 1));
}

INLINE void computed_halves(const struct stk_emit *e, size_t c,
                            const uint8_t *from, size_t n, uint8_t *to,
                            const bool f16, const int form)
{
    struct values k = values_of(e, c);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = computed(from + i, &k, form);
        __m128i half =
            f16 ? _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT) : bf16_of(v);
        _mm_storeu_si128((__m128i *)(void *)(to + 2 * i), half);
    }
    plane_of_halves(e->table[c], from + i, n - i, to + 2 * i);
}

static void halves(const struct stk_emit *e, size_t c, const uint8_t *from,
                   size_t n, uint8_t *to)
{
    const bool f16 = e->dtype == STOKER_F16;
    if (e->form[c] == STK_FORM_TABLE)
        plane_of_halves(e->table[c], from, n, to);
    else if (e->form[c] == STK_FORM_LINE && f16)
        computed_halves(e, c, from, n, to, true, STK_FORM_LINE);
    else if (e->form[c] == STK_FORM_LINE)
        computed_halves(e, c, from, n, to, false, STK_FORM_LINE);
    else if (f16)
        computed_halves(e, c, from, n, to, true, STK_FORM_STEPS);
    else
        computed_halves(e, c, from, n, to, false, STK_FORM_STEPS);
}

INLINE size_t stream_floats(const struct stk_emit *e, size_t c,
                            const uint8_t *from, size_t i, size_t n,
                            uint8_t *to, const int form)
{
    struct values k = values_of(e, c);
    for (; i + 8 <= n; i += 8)
        _mm256_stream_ps((float *)(void *)(to + 4 * i),
                         computed(from + i, &k, form));
    return i;
}

static void floats(const struct stk_emit *e, size_t c, const uint8_t *from,
                   size_t n, uint8_t *to)
{
    const uint32_t *table = e->table[c];
    size_t i = (uintptr_t)to % 4 ? n : -(uintptr_t)to % 32 / 4;
    if (i > n || e->form[c] == STK_FORM_TABLE)
        i = n;
    looked_up(table, from, i, to, 4, 4);
    if (e->form[c] == STK_FORM_LINE)
        i = stream_floats(e, c, from, i, n, to, STK_FORM_LINE);
    else
        i = stream_floats(e, c, from, i, n, to, STK_FORM_STEPS);
    looked_up(table, from + i, n - i, to + 4 * i, 4, 4);
}

static void interleaved(const struct stk_emit *e, const uint8_t *const from[3],
                        size_t n, uint8_t *to, const size_t bytes)
{
    const uint8_t *r = from[0], *g = from[1], *b = from[2];
    for (size_t i = 0; i < n; i++, to += 3 * bytes) {
        memcpy(to, &e->table[0][r[i]], bytes);
        memcpy(to + bytes, &e->table[1][g[i]], bytes);
        memcpy(to + 2 * bytes, &e->table[2][b[i]], bytes);
    }
}

/* 16 pixels to 48 bytes: each output vector takes bytes of all three. */
static size_t weave_bytes(const uint8_t *const from[3], size_t n, uint8_t *to)
{
    int8_t pick[3][3][16];
    memset(pick, -1, sizeof pick);
    for (int at = 0; at < 48; at++)
        pick[at / 16][at % 3][at % 16] = (int8_t)(at / 3);
    __m128i p[3][3];
    for (int k = 0; k < 3; k++)
        for (int c = 0; c < 3; c++)
            p[k][c] = _mm_loadu_si128((const __m128i *)(void *)pick[k][c]);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 3; k++) {
            __m128i out = _mm_setzero_si128();
            for (int c = 0; c < 3; c++) {
                const void *at = from[c] + i;
                __m128i v = _mm_loadu_si128((const __m128i *)at);
                out = _mm_or_si128(out, _mm_shuffle_epi8(v, p[k][c]));
            }
            _mm_storeu_si128((__m128i *)(void *)(to + 3 * i + 16 * (size_t)k),
                             out);
        }
    return i;
}

void stk_emit_avx2(const struct stk_emit *e, const uint8_t *const from[3],
                   size_t n, uint8_t *to)
{
    if (e->interleaved) {
        size_t i = 0;
        if (e->dtype == STOKER_U8)
            i = weave_bytes(from, n, to);
        const uint8_t *rest[3] = {from[0] + i, from[1] + i, from[2] + i};
        if (e->dtype == STOKER_U8)
            interleaved(e, rest, n - i, to + 3 * i, 1);
        else if (e->dtype == STOKER_F32)
            interleaved(e, from, n, to, 4);
        else
            interleaved(e, from, n, to, 2);
        return;
    }
    for (size_t c = 0; c < 3; c++, to += e->plane_bytes) {
        if (e->dtype == STOKER_U8)
            memcpy(to, from[c], n);
        else if (e->dtype == STOKER_F32)
            floats(e, c, from[c], n, to);
        else
            halves(e, c, from[c], n, to);
    }
}
