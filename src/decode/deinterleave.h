/* RGBRGB... to planes: kernels behind one table, chosen by a stoker_cpu. */
#ifndef STK_DEINTERLEAVE_H
#define STK_DEINTERLEAVE_H

#include <stddef.h>
#include <stdint.h>

/* Kernels read exactly 3 * n bytes and write exactly n to each plane. */
struct stk_deinterleave {
    void (*rgb)(const uint8_t *rgb, size_t n, uint8_t *red, uint8_t *green,
                uint8_t *blue);
};

extern const struct stk_deinterleave stk_deinterleave_scalar,
    stk_deinterleave_vec128, stk_deinterleave_avx2, stk_deinterleave_avx512;

/* cpu: a resolved stoker_cpu. */
const struct stk_deinterleave *stk_deinterleave_for(int cpu);

#endif
