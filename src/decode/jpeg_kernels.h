/* From coefficients to RGB: the kernels behind one table, chosen by a
 * stoker_cpu.  jpeg_kernels_plain.c is the definition, and that is what
 * libjpeg-turbo's SIMD routines give, bit for bit. */
#ifndef STK_JPEG_KERNELS_H
#define STK_JPEG_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* Every row that a kernel writes has room for a multiple of these. */
    STK_JPEG_COLUMNS = 64,
    STK_JPEG_BLOCKS = 4,
};

/* A component's quantisers, 0 ... 32767, in the orders that kernels want.
 * natural: row by row.  lanes: pairs of rows r and r + 4, one column a pair; of
 * r = 0 the columns 0 ... 3, then 4 ... 7, then those of r = 1, ... */
struct stk_jpeg_quant {
    int16_t zigzag[64];
    int16_t natural[64] __attribute__((aligned(64)));
    int16_t lanes[64] __attribute__((aligned(64)));
};
void stk_jpeg_quant_init(struct stk_jpeg_quant *quant,
                         const uint16_t zigzag[64]);

/* Blocks that stand side by side in the image: MCU for MCU, `wide` (1 or 2)
 * that follow each other in each.  64-byte aligned, zigzag order; each
 * coefficient times its quantiser fits 16 bits. */
struct stk_jpeg_blocks {
    const struct stk_jpeg_quant *quant;
    const int16_t *first;
    size_t mcu_coefficients; /* from MCU to MCU */
    int32_t wide;
    int32_t n;
};

/* A chroma row made twice as wide, before rounding: at even columns
 * 3 c[i] + c[i - 1], at odd ones 3 c[i] + c[i + 1]. */
struct stk_jpeg_spread {
    const uint16_t *even, *odd; /* 64-byte aligned */
};

/* Two rows of pixels between two rows of chroma, each row next to its own:
 * [row], then Cb and Cr.  luma may be rgb[row][0]. */
struct stk_jpeg_pair {
    const uint8_t *luma[2];
    uint8_t *rgb[2][3];
    const uint8_t *chroma[2][2];         /* for colour_h1v2 */
    struct stk_jpeg_spread spread[2][2]; /* for colour_h2v2 */
};

/* n counts pixels of a finished row.  Kernels may write up to the next
 * multiple of STK_JPEG_COLUMNS and read STK_JPEG_COLUMNS bytes further. */
struct stk_jpeg_kernels {
    /* Dequantises and transforms; 8 rows of n * 8 bytes, written up to the
     * next multiple of STK_JPEG_BLOCKS blocks. */
    void (*idct)(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                 size_t stride);
    /* Y, Cb, Cr become R, G, B where they lie, rows 64-byte aligned. */
    void (*colour)(uint8_t *const plane[3], size_t stride, int32_t n_rows,
                   size_t n);
    /* One row; chroma[c][-1] and one sample behind the last are its
     * neighbours.  luma may be rgb[0]. */
    void (*colour_h2v1)(const uint8_t *luma, const uint8_t *const chroma[2],
                        uint8_t *const rgb[3], size_t n);
    void (*colour_h1v2)(const struct stk_jpeg_pair *pair, size_t n);
    /* The horizontal half of h2v2, of n_samples with neighbours as above. */
    void (*spread)(const uint8_t *chroma, size_t n_samples, uint16_t *even,
                   uint16_t *odd);
    void (*colour_h2v2)(const struct stk_jpeg_pair *pair, size_t n);
};

extern const struct stk_jpeg_kernels stk_jpeg_kernels_plain;
#if defined(__x86_64__) || defined(__aarch64__)
extern const struct stk_jpeg_kernels stk_jpeg_kernels_vec128;
void stk_jpeg_idct_vec128(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                          size_t stride);
#endif
#if defined(__x86_64__)
extern const struct stk_jpeg_kernels stk_jpeg_kernels_avx2,
    stk_jpeg_kernels_avx512;
void stk_jpeg_idct_avx2(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                        size_t stride);
void stk_jpeg_idct_avx512(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                          size_t stride);
#endif

/* cpu: a resolved stoker_cpu. */
const struct stk_jpeg_kernels *stk_jpeg_kernels_for(int cpu);

/* The way for any block at all: where intermediate values leave 16 bits,
 * libjpeg-turbo saturates some and wraps others.  Writes 8 x 8 bytes. */
void stk_jpeg_idct_exact(const struct stk_jpeg_quant *quant,
                         const int16_t *block, uint8_t *out, size_t stride);

#endif
