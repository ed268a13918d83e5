/* A PNG's pixels: unfiltering, and one row as RGB. */
#ifndef STK_PNG_ROWS_H
#define STK_PNG_ROWS_H

#include "decode/png_chunks.h"

/* Undoes a row's filter in place.  row and above: n bytes behind the filter's
 * own byte; step: bytes of a pixel, at least 1.  Returns false for a filter
 * that does not exist. */
bool stk_png_unfilter(uint8_t filter, uint8_t *row, const uint8_t *above,
                      size_t n, size_t step);

/* n pixels as Pillow's convert("RGB") makes them from PNG's raw row. */
void stk_png_to_rgb(const struct stk_png *png, const uint8_t *row, size_t n,
                    uint8_t *rgb);

#endif
