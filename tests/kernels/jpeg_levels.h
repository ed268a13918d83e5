/* What the tests of JPEG kernels share: the levels, random numbers and buffers
 * between pages that must not be touched. */
#ifndef JPEG_LEVELS_H
#define JPEG_LEVELS_H

#include <stddef.h>
#include <stdint.h>

#include <check.h>

#include "decode/jpeg_kernels.h"

enum { MAX_LEVELS = 4 };

/* The levels of this machine, plain first. */
extern const struct stk_jpeg_kernels *levels[MAX_LEVELS];
extern const char *level_names[MAX_LEVELS];
extern int n_levels;
void find_levels(void);

uint32_t next_random(void);
int between(int low, int high);

/* n random bytes, 64-byte aligned where n is a multiple of 64, that end where
 * a page begins that may not be touched.  Mapped once, one for each use. */
enum { N_FENCES = 11, FENCE_BYTES = 1 << 16 };
uint8_t *fence(int which, size_t n);

/* jpeg_idct_tests.c */
TCase *idct_case(void);

#endif
