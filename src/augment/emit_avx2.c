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

INLINE __m256 computed(const uint8_t *from, __m256 mean, __m256 std)
{
    __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)from);
    __m256 t = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v));
    t = _mm256_mul_ps(t, _mm256_set1_ps(1.0f / 255));
    return _mm256_div_ps(_mm256_sub_ps(t, mean), std);
}

/* Eight words in dwords.  Ties go to even; f16 is right for normal numbers
 * and zero only, which is why a table is proved against it at open. */
INLINE __m256i rounded(__m256i bits, const bool f16)
{
    __m256i sign = _mm256_and_si256(bits, _mm256_set1_epi32(INT32_MIN));
    __m256i size = _mm256_andnot_si256(_mm256_set1_epi32(INT32_MIN), bits);
    __m256i least = _mm256_set1_epi32(0x38800000 - 1);
    __m256i normal = _mm256_cmpgt_epi32(size, least), one;
    if (!f16) {
        one =
            _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
        bits = _mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff));
        return _mm256_srli_epi32(_mm256_add_epi32(bits, one), 16);
    }
    one = _mm256_and_si256(_mm256_srli_epi32(size, 13), _mm256_set1_epi32(1));
    size = _mm256_add_epi32(_mm256_add_epi32(size, one),
                            _mm256_set1_epi32(0xfff - 0x38000000));
    size = _mm256_and_si256(_mm256_srli_epi32(size, 13), normal);
    return _mm256_or_si256(size, _mm256_srli_epi32(sign, 16));
}

INLINE void computed_halves(const struct stk_emit *e, size_t c,
                            const uint8_t *from, size_t n, uint8_t *to,
                            const bool f16)
{
    __m256 mean = _mm256_set1_ps(e->mean[c]), std = _mm256_set1_ps(e->std[c]);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i a = _mm256_castps_si256(computed(from + i, mean, std));
        __m256i b = _mm256_castps_si256(computed(from + i + 8, mean, std));
        __m256i v = _mm256_packus_epi32(rounded(a, f16), rounded(b, f16));
        _mm256_storeu_si256((__m256i *)(void *)(to + 2 * i),
                            _mm256_permute4x64_epi64(v, 0xd8));
    }
    plane_of_halves(e->table[c], from + i, n - i, to + 2 * i);
}

static void plane_of_floats(const struct stk_emit *e, size_t c,
                            const uint8_t *from, size_t n, uint8_t *to)
{
    const uint32_t *table = e->table[c];
    __m256 mean = _mm256_set1_ps(e->mean[c]), std = _mm256_set1_ps(e->std[c]);
    size_t head = (uintptr_t)to % 4 ? n : -(uintptr_t)to % 32 / 4, i;
    if (head > n || !e->computable)
        head = n;
    looked_up(table, from, head, to, 4, 4);
    for (i = head; i + 8 <= n; i += 8)
        _mm256_stream_ps((float *)(void *)(to + 4 * i),
                         computed(from + i, mean, std));
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
            plane_of_floats(e, c, from[c], n, to);
        else if (e->computable && e->dtype == STOKER_F16)
            computed_halves(e, c, from[c], n, to, true);
        else if (e->computable)
            computed_halves(e, c, from[c], n, to, false);
        else
            plane_of_halves(e->table[c], from[c], n, to);
    }
}
