/* Small JPEGs of random kinds, encoded by libjpeg, and mutations of whole
 * marker segments: what flipped bits alone would not come upon. */
#ifndef FUZZ_JPEG_MAKER_H
#define FUZZ_JPEG_MAKER_H

#include <stddef.h>
#include <stdint.h>

/* Writes a JPEG of at most `room` bytes.  Returns its bytes, or 0 where there
 * is no room. */
size_t jpeg_draw(uint8_t *out, size_t room, uint32_t seed);
/* Copies, moves or removes a segment, or changes a byte of one.  Returns the
 * new number of bytes. */
size_t jpeg_shuffle(uint8_t *jpeg, size_t n, size_t room, uint32_t seed);

#endif
