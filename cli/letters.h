/* Small letters for labels on pictures. */
#ifndef CLI_LETTERS_H
#define CLI_LETTERS_H

#include <stddef.h>
#include <stdint.h>

enum { LETTERS_WIDTH = 8, LETTERS_HEIGHT = 10 }; /* of one cell, in pixels */

/* Draws text in white from (x, y) on, cut at x + width; lower case is drawn
 * as upper case, what has no letter as a dot. */
void letters_draw(uint8_t *rgb, size_t stride, size_t x, size_t y, size_t width,
                  const char *text);

#endif
