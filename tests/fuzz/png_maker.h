/* Well-formed small PNGs of random kinds, and mutations of whole chunks: what
 * flipped bits alone would not come upon. */
#ifndef FUZZ_PNG_MAKER_H
#define FUZZ_PNG_MAKER_H

#include <stddef.h>
#include <stdint.h>

/* Writes a PNG, animated or not, of at most `room` bytes; checksums are left
 * 0.  Returns its bytes, or 0 where there is no room. */
size_t png_draw(uint8_t *out, size_t room, uint32_t seed);
/* Copies, moves, removes or renames a chunk.  Returns the new number. */
size_t png_shuffle(uint8_t *png, size_t n, size_t room, uint32_t seed);

uint32_t png_be32(const uint8_t *p);

#endif
