/* The kernels of placing in vectors of 16 bytes, across two files. */
#ifndef STK_PLACE_VEC128_H
#define STK_PLACE_VEC128_H

#include "augment/place_kernels.h"

void stk_pack_vec128(struct stk_axis *axis);
void stk_across_vec128(const struct stk_axis *axis,
                       const uint8_t *const from[3], size_t stride,
                       int32_t n_rows, uint32_t *const *to);
void stk_across_bytes_vec128(const struct stk_axis *axis,
                             const uint8_t *const from[3], size_t stride,
                             int32_t n_rows, uint8_t *const to[3],
                             ptrdiff_t to_stride);

#endif
