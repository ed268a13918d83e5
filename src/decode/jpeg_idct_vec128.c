/* The inverse DCT of a block by vectors of 16 bytes: the sums, wraps and
 * saturations of libjpeg-turbo's own 16-byte kernels one by one, so that any
 * block may come. */
#include <stdbool.h>

#include "base/vec128.h"
#include "decode/jpeg_idct.h"
#include "decode/jpeg_kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* One dimension of eight columns, v[r] a row of words; saturated. */
INLINE void transform(stk_s16x8 v[8], int32_t round, int shift)
{
    struct stk_v_pairs z =
        stk_v_pair(stk_v_add16(v[7], v[3]), stk_v_add16(v[5], v[1]));
    struct stk_v_pairs z71 = stk_v_pair(v[7], v[1]);
    struct stk_v_pairs z53 = stk_v_pair(v[5], v[3]);
    struct stk_v_pairs z26 = stk_v_pair(v[2], v[6]);
    struct stk_v_wide a = stk_v_shift_wide(stk_v_add16(v[0], v[4]), 13);
    struct stk_v_wide b = stk_v_shift_wide(stk_v_sub16(v[0], v[4]), 13);
    struct stk_v_wide c =
        stk_v_dot(z26, STK_C_0_541 + STK_C_0_765, STK_C_0_541);
    struct stk_v_wide d =
        stk_v_dot(z26, STK_C_0_541, STK_C_0_541 - STK_C_1_847);
    struct stk_v_wide y3 = stk_v_dot(z, STK_C_1_175 - STK_C_1_961, STK_C_1_175);
    struct stk_v_wide y4 = stk_v_dot(z, STK_C_1_175, STK_C_1_175 - STK_C_0_390);
    struct stk_v_wide rounds = {(stk_s32x4){0} + round, (stk_s32x4){0} + round};
    a = stk_v_add(a, rounds);
    b = stk_v_add(b, rounds);
    struct stk_v_wide even[4] = {stk_v_add(a, c), stk_v_add(b, d),
                                 stk_v_sub(b, d), stk_v_sub(a, c)};
    struct stk_v_wide odd[4] = {
        stk_v_add(y4, stk_v_dot(z71, -STK_C_0_899, STK_C_1_501 - STK_C_0_899)),
        stk_v_add(y3, stk_v_dot(z53, -STK_C_2_562, STK_C_3_072 - STK_C_2_562)),
        stk_v_add(y4, stk_v_dot(z53, STK_C_2_053 - STK_C_2_562, -STK_C_2_562)),
        stk_v_add(y3, stk_v_dot(z71, STK_C_0_298 - STK_C_0_899, -STK_C_0_899)),
    };
    for (int i = 0; i < 4; i++) {
        struct stk_v_wide x = stk_v_add(even[i], odd[i]);
        struct stk_v_wide y = stk_v_sub(even[i], odd[i]);
        v[i] = stk_v_narrow16(x.low >> shift, x.high >> shift);
        v[7 - i] = stk_v_narrow16(y.low >> shift, y.high >> shift);
    }
}

/* Rows become columns. */
INLINE void transpose(stk_s16x8 v[8])
{
    stk_s32x4 a[8], b[8];
    for (int i = 0; i < 4; i++) {
        a[i] = (stk_s32x4)stk_v_zip_low16(v[2 * i], v[2 * i + 1]);
        a[i + 4] = (stk_s32x4)stk_v_zip_high16(v[2 * i], v[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 2) {
        b[i] = stk_v_zip_low32(a[i], a[i + 1]);
        b[i + 1] = stk_v_zip_high32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        int from = i / 2 * 4 + i % 2;
        stk_s64x2 upper = (stk_s64x2)b[from], lower = (stk_s64x2)b[from + 2];
        v[2 * i] = (stk_s16x8)stk_v_zip_low64(upper, lower);
        v[2 * i + 1] = (stk_s16x8)stk_v_zip_high64(upper, lower);
    }
}

/* Where a row's coefficients stand in scan order. */
#define ROW_0 0, 1, 5, 6, 14, 15, 27, 28
#define ROW_1 2, 4, 7, 13, 16, 26, 29, 42
#define ROW_2 3, 8, 12, 17, 25, 30, 41, 43
#define ROW_3 9, 11, 18, 24, 31, 40, 44, 53
#define ROW_4 10, 19, 23, 32, 39, 45, 52, 54
#define ROW_5 20, 22, 33, 38, 46, 51, 55, 60
#define ROW_6 21, 34, 37, 47, 50, 56, 59, 61
#define ROW_7 35, 36, 48, 49, 57, 58, 62, 63

/* The row's coefficients among the 8 from w on, in their places; else 0. */
#define BYTE(z, w, i)                                                          \
    (uint8_t)((z) >= (w) && (z) < (w) + 8 ? 2 * ((z) - (w)) + (i) : 128)
#define WORD(z, w) BYTE(z, w, 0), BYTE(z, w, 1)
#define PLACES_OF(w, a, b, c, d, e, f, g, h)                                   \
    {                                                                          \
        WORD(a, w), WORD(b, w), WORD(c, w), WORD(d, w), WORD(e, w),            \
            WORD(f, w), WORD(g, w), WORD(h, w)                                 \
    }
#define PLACES(w, ...) PLACES_OF(w, __VA_ARGS__)
#define FROM(row, w)                                                           \
    stk_v_shuffle(stk_v_load(block + (w)), (stk_u8x16)PLACES(w, row))

/* Scan order to rows, by windows of 8 coefficients that begin anywhere. */
INLINE void order(const int16_t *block, stk_s16x8 v[8])
{
    v[0] = (stk_s16x8)(FROM(ROW_0, 0) | FROM(ROW_0, 8) | FROM(ROW_0, 27));
    v[1] = (stk_s16x8)(FROM(ROW_1, 0) | FROM(ROW_1, 13) | FROM(ROW_1, 26) |
                       FROM(ROW_1, 42));
    v[2] = (stk_s16x8)(FROM(ROW_2, 3) | FROM(ROW_2, 12) | FROM(ROW_2, 25) |
                       FROM(ROW_2, 41));
    v[3] = (stk_s16x8)(FROM(ROW_3, 9) | FROM(ROW_3, 18) | FROM(ROW_3, 31) |
                       FROM(ROW_3, 40) | FROM(ROW_3, 53));
    v[4] = (stk_s16x8)(FROM(ROW_4, 10) | FROM(ROW_4, 19) | FROM(ROW_4, 32) |
                       FROM(ROW_4, 45) | FROM(ROW_4, 54));
    v[5] = (stk_s16x8)(FROM(ROW_5, 20) | FROM(ROW_5, 33) | FROM(ROW_5, 46) |
                       FROM(ROW_5, 55));
    v[6] = (stk_s16x8)(FROM(ROW_6, 21) | FROM(ROW_6, 34) | FROM(ROW_6, 47) |
                       FROM(ROW_6, 56));
    v[7] = (stk_s16x8)(FROM(ROW_7, 35) | FROM(ROW_7, 48) | FROM(ROW_7, 56));
}

/* Columns of words, around 0, to rows of bytes, around 128. */
INLINE void put(const stk_s16x8 v[8], uint8_t *out, size_t stride)
{
    stk_u8x16 n[4], a[4];
    stk_s16x8 b[4];
    stk_s32x4 rows[4];

    for (int i = 0; i < 4; i++)
        n[i] = stk_v_narrow8_signed(v[i], v[i + 4]) ^ 0x80;
    for (int i = 0; i < 2; i++) { /* columns 0 1, 4 5, 2 3 and 6 7 */
        a[2 * i] = stk_v_zip_low8(n[2 * i], n[2 * i + 1]);
        a[2 * i + 1] = stk_v_zip_high8(n[2 * i], n[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) { /* columns 4i ... 4i + 3 */
        b[i] = stk_v_zip_low16((stk_s16x8)a[i], (stk_s16x8)a[i + 2]);
        b[i + 2] = stk_v_zip_high16((stk_s16x8)a[i], (stk_s16x8)a[i + 2]);
    }
    for (int i = 0; i < 2; i++) {
        stk_s32x4 left = (stk_s32x4)b[2 * i], right = (stk_s32x4)b[2 * i + 1];
        rows[2 * i] = stk_v_zip_low32(left, right);
        rows[2 * i + 1] = stk_v_zip_high32(left, right);
    }
    for (int i = 0; i < 4; i++, out += 2 * stride) {
        stk_s64x2 two = (stk_s64x2)rows[i];
        memcpy(out, &(int64_t){two[0]}, 8);
        memcpy(out + stride, &(int64_t){two[1]}, 8);
    }
}

INLINE bool is_zero(stk_s16x8 v)
{
    stk_s64x2 both = (stk_s64x2)v;
    return (both[0] | both[1]) == 0;
}

INLINE void one_block(const struct stk_jpeg_quant *quant, const int16_t *block,
                      uint8_t *out, size_t stride)
{
    stk_s16x8 v[8];

    order(block, v);
    bool is_flat = is_zero(v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[7]);
    for (int r = 0; r < 8; r++)
        v[r] =
            stk_v_multiply(v[r], (stk_s16x8)stk_v_load(quant->natural + 8 * r));
    if (is_flat) { /* what leaves 16 bits is lost, not saturated */
        v[0] = stk_v_multiply(v[0], (stk_s16x8){0} + 4);
        for (int r = 1; r < 8; r++)
            v[r] = v[0];
    } else {
        transform(v, STK_ROUND_1, STK_SHIFT_1);
    }
    transpose(v);
    transform(v, STK_ROUND_2, STK_SHIFT_2);
    put(v, out, stride);
}

void stk_jpeg_idct_vec128(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                          size_t stride)
{
    const int16_t *mcu = blocks->first;
    int32_t in_mcu = 0;

    for (int32_t i = 0; i < blocks->n; i++, out += 8) {
        one_block(blocks->quant, mcu + 64 * in_mcu, out, stride);
        if (++in_mcu == blocks->wide) {
            in_mcu = 0;
            mcu += blocks->mcu_coefficients;
        }
    }
}
