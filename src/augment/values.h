/* What a compiled program derives from its numbers: one table of values per
 * channel, and the hash that cursors carry. */
#ifndef STK_VALUES_H
#define STK_VALUES_H

#include "augment/program.h"

/* Bytes of one value of a stoker_dtype that images may have. */
size_t stk_dtype_bytes(int dtype);

/* The bits of a number in half precision and in bfloat16, rounded to nearest,
 * ties to even; a NaN stays a quiet NaN. */
uint16_t stk_f16_bits(float value);
uint16_t stk_bf16_bits(float value);

/* Fills program->table from its dtype, mean and std. */
void stk_values_fill(struct stk_program *program);

/* Covers what decides an image's values: sizes, entries and their places in
 * the list (which key the draws), numbers, interpolation, pixels, dtype.  Not
 * the layout, which only says where a value lies. */
uint64_t stk_program_hash(const struct stk_program *program);

#endif
