/* The constants that all forms of the inverse DCT share: libjpeg's "islow",
 * 13 bits of fraction. */
#ifndef STK_JPEG_IDCT_H
#define STK_JPEG_IDCT_H

/* cos and sin of multiples of pi / 16 by sqrt(2) and their sums, rounded to
 * 13 bits one by one, as in Loeffler, Ligtenberg and Moschytz (1989). */
enum {
    STK_C_0_298 = 2446,
    STK_C_0_390 = 3196,
    STK_C_0_541 = 4433,
    STK_C_0_765 = 6270,
    STK_C_0_899 = 7373,
    STK_C_1_175 = 9633,
    STK_C_1_501 = 12299,
    STK_C_1_847 = 15137,
    STK_C_1_961 = 16069,
    STK_C_2_053 = 16819,
    STK_C_2_562 = 20995,
    STK_C_3_072 = 25172,

    STK_ONE = 1 << 13,
    /* The first pass keeps two bits of fraction, the second one drops these,
     * its own 13 and the transform's factor of eight. */
    STK_SHIFT_1 = 11,
    STK_SHIFT_2 = 18,
    STK_ROUND_1 = 1 << 10,
    STK_ROUND_2 = 1 << 17,
    STK_LEVEL_2 = STK_ROUND_2 + (128 << 18), /* with the level shift */

    /* Vector kernels add up squares of a column's dequantised values.  Up to
     * this sum no intermediate value leaves 16 bits: the first pass gives at
     * most 4 * sqrt(8 * sum) = 16000, and the second pass adds two of these.
     * No block that comes from pixels has more than 64 * 128 * 128. */
    STK_TAME = 2000000,
};

#endif
