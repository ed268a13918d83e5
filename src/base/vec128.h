/* Vectors of 16 bytes for the kernel files of stoker_cpu's level vec128: one
 * spelling for what SSE4.1 and NEON both have.  Beside these functions those
 * files use the compiler's own operators on vectors. */
#ifndef STK_VEC128_H
#define STK_VEC128_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define STK_V static inline __attribute__((always_inline))

typedef uint8_t stk_u8x16 __attribute__((vector_size(16)));
typedef uint16_t stk_u16x8 __attribute__((vector_size(16)));
typedef int16_t stk_s16x8 __attribute__((vector_size(16)));
typedef int32_t stk_s32x4 __attribute__((vector_size(16)));
typedef uint32_t stk_u32x4 __attribute__((vector_size(16)));
typedef int64_t stk_s64x2 __attribute__((vector_size(16)));

STK_V stk_u8x16 stk_v_load(const void *at)
{
    stk_u8x16 v;
    memcpy(&v, at, sizeof v);
    return v;
}

STK_V void stk_v_store(void *at, stk_u8x16 v)
{
    memcpy(at, &v, sizeof v);
}

/* zip: elements of a and b in turn, of their lower or upper halves. */
#if defined(__x86_64__)
#define STK_V_ZIP(name, type, bits, half)                                      \
    STK_V type stk_v_zip_##name(type a, type b)                                \
    {                                                                          \
        return (type)_mm_unpack##half##_epi##bits((__m128i)a, (__m128i)b);     \
    }
STK_V_ZIP(low8, stk_u8x16, 8, lo)
STK_V_ZIP(high8, stk_u8x16, 8, hi)
STK_V_ZIP(low16, stk_s16x8, 16, lo)
STK_V_ZIP(high16, stk_s16x8, 16, hi)
STK_V_ZIP(low32, stk_s32x4, 32, lo)
STK_V_ZIP(high32, stk_s32x4, 32, hi)
STK_V_ZIP(low64, stk_s64x2, 64, lo)
STK_V_ZIP(high64, stk_s64x2, 64, hi)
#elif defined(__aarch64__)
#define STK_V_ZIP(name, type, kind, call)                                      \
    STK_V type stk_v_zip_##name(type a, type b)                                \
    {                                                                          \
        return (type)call((kind)a, (kind)b);                                   \
    }
STK_V_ZIP(low8, stk_u8x16, uint8x16_t, vzip1q_u8)
STK_V_ZIP(high8, stk_u8x16, uint8x16_t, vzip2q_u8)
STK_V_ZIP(low16, stk_s16x8, int16x8_t, vzip1q_s16)
STK_V_ZIP(high16, stk_s16x8, int16x8_t, vzip2q_s16)
STK_V_ZIP(low32, stk_s32x4, int32x4_t, vzip1q_s32)
STK_V_ZIP(high32, stk_s32x4, int32x4_t, vzip2q_s32)
STK_V_ZIP(low64, stk_s64x2, int64x2_t, vzip1q_s64)
STK_V_ZIP(high64, stk_s64x2, int64x2_t, vzip2q_s64)
#endif
#undef STK_V_ZIP

/* Bytes to words. */
STK_V stk_s16x8 stk_v_widen_low(stk_u8x16 v)
{
    return (stk_s16x8)stk_v_zip_low8(v, (stk_u8x16){0});
}

STK_V stk_s16x8 stk_v_widen_high(stk_u8x16 v)
{
    return (stk_s16x8)stk_v_zip_high8(v, (stk_u8x16){0});
}

/* Words to bytes, 0 ... 255 at the limits; low first. */
STK_V stk_u8x16 stk_v_narrow8(stk_s16x8 low, stk_s16x8 high)
{
#if defined(__x86_64__)
    return (stk_u8x16)_mm_packus_epi16((__m128i)low, (__m128i)high);
#else
    return (stk_u8x16)vqmovun_high_s16(vqmovun_s16((int16x8_t)low),
                                       (int16x8_t)high);
#endif
}

/* The same, -128 ... 127. */
STK_V stk_u8x16 stk_v_narrow8_signed(stk_s16x8 low, stk_s16x8 high)
{
#if defined(__x86_64__)
    return (stk_u8x16)_mm_packs_epi16((__m128i)low, (__m128i)high);
#else
    return (stk_u8x16)vqmovn_high_s16(vqmovn_s16((int16x8_t)low),
                                      (int16x8_t)high);
#endif
}

/* 32 bits to words, saturated. */
STK_V stk_s16x8 stk_v_narrow16(stk_s32x4 low, stk_s32x4 high)
{
#if defined(__x86_64__)
    return (stk_s16x8)_mm_packs_epi32((__m128i)low, (__m128i)high);
#else
    return (stk_s16x8)vqmovn_high_s32(vqmovn_s32((int32x4_t)low),
                                      (int32x4_t)high);
#endif
}

/* (a * b + 2^14) >> 15; not both -32768. */
STK_V stk_s16x8 stk_v_multiply_round(stk_s16x8 a, stk_s16x8 b)
{
#if defined(__x86_64__)
    return (stk_s16x8)_mm_mulhrs_epi16((__m128i)a, (__m128i)b);
#else
    return (stk_s16x8)vqrdmulhq_s16((int16x8_t)a, (int16x8_t)b);
#endif
}

/* The bytes of v at these places; 0 where the place is 128. */
STK_V stk_u8x16 stk_v_shuffle(stk_u8x16 v, stk_u8x16 places)
{
#if defined(__x86_64__)
    return (stk_u8x16)_mm_shuffle_epi8((__m128i)v, (__m128i)places);
#else
    return (stk_u8x16)vqtbl1q_u8((uint8x16_t)v, (uint8x16_t)places);
#endif
}

/* Sums, differences and products that wrap. */
STK_V stk_s16x8 stk_v_add16(stk_s16x8 a, stk_s16x8 b)
{
    return (stk_s16x8)((stk_u16x8)a + (stk_u16x8)b);
}

STK_V stk_s16x8 stk_v_sub16(stk_s16x8 a, stk_s16x8 b)
{
    return (stk_s16x8)((stk_u16x8)a - (stk_u16x8)b);
}

STK_V stk_s16x8 stk_v_multiply(stk_s16x8 a, stk_s16x8 b)
{
    return (stk_s16x8)((stk_u16x8)a * (stk_u16x8)b);
}

/* Of two words whose products add up to sum i, where the k-th stands. */
#if defined(__x86_64__)
#define STK_V_TWO(i, k) (2 * (i) + (k))
#else
#define STK_V_TWO(i, k) (4 * (k) + (i))
#endif

/* sum + the products of two words each, in the order of STK_V_TWO. */
STK_V stk_s32x4 stk_v_add_two(stk_s32x4 sum, stk_s16x8 a, stk_s16x8 b)
{
#if defined(__x86_64__)
    return sum + (stk_s32x4)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    int32x4_t v = vmlal_s16((int32x4_t)sum, vget_low_s16((int16x8_t)a),
                            vget_low_s16((int16x8_t)b));
    return (stk_s32x4)vmlal_high_s16(v, (int16x8_t)a, (int16x8_t)b);
#endif
}

/* The sum of each of four vectors. */
STK_V stk_s32x4 stk_v_sums(stk_s32x4 a, stk_s32x4 b, stk_s32x4 c, stk_s32x4 d)
{
    stk_s64x2 ab = (stk_s64x2)(stk_v_zip_low32(a, b) + stk_v_zip_high32(a, b));
    stk_s64x2 cd = (stk_s64x2)(stk_v_zip_low32(c, d) + stk_v_zip_high32(c, d));
    return (stk_s32x4)stk_v_zip_low64(ab, cd) +
           (stk_s32x4)stk_v_zip_high64(ab, cd);
}

/* 0 ... limit at the limits. */
STK_V stk_s32x4 stk_v_clip32(stk_s32x4 v, int limit)
{
    stk_s32x4 none = {0}, most = none + limit;
    v &= v > none;
    return (v & (v < most)) | (most & (v >= most));
}

/* Eight sums of 32 bits, which wrap. */
struct stk_v_wide {
    stk_s32x4 low, high;
};

STK_V struct stk_v_wide stk_v_add(struct stk_v_wide a, struct stk_v_wide b)
{
    return (struct stk_v_wide){
        (stk_s32x4)((stk_u32x4)a.low + (stk_u32x4)b.low),
        (stk_s32x4)((stk_u32x4)a.high + (stk_u32x4)b.high),
    };
}

STK_V struct stk_v_wide stk_v_sub(struct stk_v_wide a, struct stk_v_wide b)
{
    return (struct stk_v_wide){
        (stk_s32x4)((stk_u32x4)a.low - (stk_u32x4)b.low),
        (stk_s32x4)((stk_u32x4)a.high - (stk_u32x4)b.high),
    };
}

/* Two vectors of words x and y that will be multiplied and added, in the
 * order that the machine's multiplications want. */
struct stk_v_pairs {
    stk_s16x8 a, b;
};

STK_V struct stk_v_pairs stk_v_pair(stk_s16x8 x, stk_s16x8 y)
{
#if defined(__x86_64__)
    return (struct stk_v_pairs){stk_v_zip_low16(x, y), stk_v_zip_high16(x, y)};
#else
    return (struct stk_v_pairs){x, y};
#endif
}

/* x * k + y * l. */
STK_V struct stk_v_wide stk_v_dot(struct stk_v_pairs p, int k, int l)
{
#if defined(__x86_64__)
    __m128i by =
        _mm_set1_epi32((int)(((unsigned)k & 0xffff) | (unsigned)l << 16));
    return (struct stk_v_wide){
        (stk_s32x4)_mm_madd_epi16((__m128i)p.a, by),
        (stk_s32x4)_mm_madd_epi16((__m128i)p.b, by),
    };
#else
    int16x8_t x = (int16x8_t)p.a, y = (int16x8_t)p.b;
    int32x4_t low = vmull_n_s16(vget_low_s16(x), (int16_t)k);
    int32x4_t high = vmull_high_n_s16(x, (int16_t)k);
    low = vmlal_n_s16(low, vget_low_s16(y), (int16_t)l);
    high = vmlal_high_n_s16(high, y, (int16_t)l);
    return (struct stk_v_wide){(stk_s32x4)low, (stk_s32x4)high};
#endif
}

/* Words << n in 32 bits, n up to 16. */
STK_V struct stk_v_wide stk_v_shift_wide(stk_s16x8 v, int n)
{
    stk_s16x8 none = {0};
    return (struct stk_v_wide){
        (stk_s32x4)stk_v_zip_low16(none, v) >> (16 - n),
        (stk_s32x4)stk_v_zip_high16(none, v) >> (16 - n),
    };
}

#endif
