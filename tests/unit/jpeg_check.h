/* What the tests of stoker's entropy decoder share: one file against libjpeg,
 * every CPU level in turn. */
#ifndef STK_TEST_JPEG_CHECK_H
#define STK_TEST_JPEG_CHECK_H

#include <check.h>

#include "jpeg_oracle.h"

/* Of the level under test. */
extern struct stk_entropy *entropy;

/* Room for n_blocks and the slack, filled with rubbish; the same each time. */
int16_t *make_room(size_t n_blocks);

/* Decodes a file by values, by skip and by both; what is ours must equal
 * libjpeg's coefficients.  damaged: skipping is tried on what is not ours.
 * Returns 0 ours and right, 1 not mine; anything else fails the test. */
int check_file(const unsigned char *data, size_t n, bool damaged);

/* A few MCUs; kind 0 ... 3: 4:4:4, 4:2:0, 4:4:4 with restarts, grey. */
struct jpeg_file small_file(int kind);

/* A main(): the suite for each CPU level of this machine. */
int check_levels(Suite *(*make_suite)(void));

#endif
