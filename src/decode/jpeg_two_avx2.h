/* Two blocks side by side, as the two ways of the AVX2 inverse DCT share them,
 * that of all blocks and that of blocks whose coefficients lie in the corner of
 * 4 x 4 low frequencies. */
#ifndef STK_JPEG_TWO_AVX2_H
#define STK_JPEG_TWO_AVX2_H

#include <immintrin.h>
#include <stdbool.h>

#include "decode/jpeg_idct.h"
#include "decode/jpeg_kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    /* What the second pass adds to all is in column 0 already. */
    LEVEL = STK_LEVEL_2 / STK_ONE,

    A = STK_C_1_175,
    B = -STK_C_1_961,
    C = -STK_C_0_390,
    D = -STK_C_0_899,
    E = -STK_C_2_562,
    /* What odd inputs give to odd part 0 ... 3: ODD_<input><part>. */
    ODD_10 = STK_C_1_501 + D + C + A,
    ODD_11 = A,
    ODD_12 = C + A,
    ODD_13 = D + A,
    ODD_30 = A,
    ODD_31 = STK_C_3_072 + E + B + A,
    ODD_32 = E + A,
    ODD_33 = B + A,
    ODD_50 = C + A,
    ODD_51 = E + A,
    ODD_52 = STK_C_2_053 + E + C + A,
    ODD_53 = A,
    ODD_70 = D + A,
    ODD_71 = B + A,
    ODD_72 = A,
    ODD_73 = STK_C_0_298 + D + B + A,
    /* And inputs 2 and 6 to even parts 0 and 1; to 3 and 2 as much less. */
    EVEN_20 = STK_C_0_541 + STK_C_0_765,
    EVEN_21 = STK_C_0_541,
    EVEN_60 = STK_C_0_541,
    EVEN_61 = STK_C_0_541 - STK_C_1_847,

    STK_TWO_GROUP = 64, /* pairs of blocks whose kinds are found out at once */
    STK_TWO_BATCH = 4,  /* of these, between two stages */
};

/* Two blocks side by side in the image, each a lane of 128 bits. */
struct stk_two {
    const int16_t *block[2];
    uint8_t *out;
};

/* Pairs two[i], i the bits of which.  corners: whose coefficients all lie
 * there; flats: that have nothing but DC. */
void stk_jpeg_corners_avx2(const struct stk_jpeg_quant *quant,
                           const struct stk_two *two, uint64_t which,
                           size_t stride);
void stk_jpeg_flats_avx2(const struct stk_jpeg_quant *quant,
                         const struct stk_two *two, uint64_t which,
                         size_t stride);
void stk_jpeg_two_exact(const struct stk_jpeg_quant *quant,
                        const struct stk_two *two, size_t stride);

/* In each lane: words of a, but those of the mask of b. */
#define WORDS(a, mask, b) _mm256_blend_epi16(a, b, mask)
/* The words that stood at these places, and all words moved by n places. */
#define WORD(p) 2 * (p), 2 * (p) + 1
#define ARRANGED(v, a, b, c, d, e, f, g, h)                                    \
    _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(_mm_setr_epi8(          \
                               WORD(a), WORD(b), WORD(c), WORD(d), WORD(e),    \
                               WORD(f), WORD(g), WORD(h))))
#define UP(v, n)   _mm256_slli_si256(v, 2 * (n))
#define DOWN(v, n) _mm256_srli_si256(v, 2 * (n))

INLINE __m256i load(const void *at)
{
    return _mm256_load_si256(at);
}

/* Coefficients 8c ... 8c + 7 of both blocks, and the next eight. */
INLINE void load_chunks(const struct stk_two *two, int c, __m256i chunk[8])
{
    __m256i a = load(two->block[0] + 8 * c), b = load(two->block[1] + 8 * c);
    chunk[c] = _mm256_inserti128_si256(a, _mm256_castsi256_si128(b), 1);
    chunk[c + 1] = _mm256_permute2x128_si256(a, b, 0x31);
}

INLINE __m256i pair(int low, int high)
{
    return _mm256_set1_epi32(
        (int)(((unsigned)low & 0xffff) | (unsigned)high << 16));
}

#define MADD(a, l, h) _mm256_madd_epi16(a, pair(l, h))

/* The first pass' rounding, and what column 0 gets besides. */
INLINE __m256i rounding(int more)
{
    return _mm256_setr_epi32(STK_ROUND_1 + more, STK_ROUND_1, STK_ROUND_1,
                             STK_ROUND_1, STK_ROUND_1 + more, STK_ROUND_1,
                             STK_ROUND_1, STK_ROUND_1);
}

INLINE void butterfly(const __m256i even[4], const __m256i odd[4],
                      __m256i out[8])
{
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_add_epi32(even[i], odd[i]);
        out[7 - i] = _mm256_sub_epi32(even[i], odd[i]);
    }
}

INLINE void put_two_rows(__m256i rows, uint8_t *out, size_t stride)
{
    rows = _mm256_permute4x64_epi64(rows, 0xD8);
    _mm_storeu_si128((void *)out, _mm256_castsi256_si128(rows));
    _mm_storeu_si128((void *)(out + stride), _mm256_extracti128_si256(rows, 1));
}

/* x[c]: column c of four rows, in 32 bits, not shifted. */
INLINE void put_four_rows(const __m256i x[8], uint8_t *out, size_t stride)
{
    const __m256i upper = _mm256_set1_epi32(1 << 16);
    const __m256i quarter = _mm256_set1_epi16(1 << 14);
    __m256i two[4], a, b, c, d;

    /* Columns 2i and 2i + 1: their upper halves, by multiplications, since
     * shifts compete with shuffles. */
    for (int i = 0; i < 4; i++)
        two[i] = _mm256_mulhi_epi16(
            _mm256_blend_epi16(_mm256_madd_epi16(x[2 * i], upper), x[2 * i + 1],
                               0xAA),
            quarter);
    a = _mm256_packus_epi16(two[0], two[2]);
    b = _mm256_packus_epi16(two[1], two[3]);
    c = _mm256_unpacklo_epi16(a, b), d = _mm256_unpackhi_epi16(a, b);
    put_two_rows(_mm256_unpacklo_epi32(c, d), out, stride);
    put_two_rows(_mm256_unpackhi_epi32(c, d), out + 2 * stride, stride);
}

/* Adds squares, of which products lose the low 16 bits. */
INLINE __m256i add_squares(__m256i sum, __m256i v)
{
    return _mm256_adds_epi16(sum, _mm256_mulhi_epi16(v, v));
}

/* Whether a column's squares may add up to more than STK_TAME: each of eight
 * was up to one too small.  sum: those of the upper and lower rows. */
INLINE bool is_wild(__m256i sum)
{
    __m256i both = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    return _mm256_movemask_epi8(_mm256_cmpgt_epi32(
               both, _mm256_set1_epi32(STK_TAME / 65536 - 8))) != 0;
}

#endif
