/* The AVX-512 kernels of placing, across several files. */
#ifndef STK_PLACE_AVX512_H
#define STK_PLACE_AVX512_H

#include "augment/place_kernels.h"

void stk_weights_avx512(struct stk_axis *axis);
void stk_pack_avx512(struct stk_axis *axis);
bool stk_halves_avx512(struct stk_axis *axis);
void stk_across_avx512(const struct stk_axis *axis,
                       const uint8_t *const from[3], size_t stride,
                       int32_t n_rows, uint32_t *const *to);
void stk_across_bytes_avx512(const struct stk_axis *axis,
                             const uint8_t *const from[3], size_t stride,
                             int32_t n_rows, uint8_t *const to[3],
                             ptrdiff_t to_stride);
void stk_emit_avx512(const struct stk_emit *emit, const uint8_t *const from[3],
                     size_t n, uint8_t *to);

#endif
