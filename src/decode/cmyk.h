/* Pillow's CMYK to RGB, over Adobe's inverted samples as JPEGs hold them. */
#ifndef STK_CMYK_H
#define STK_CMYK_H

#include <stddef.h>
#include <stdint.h>

/* n pixels of 4 bytes (255 - C, M, Y, K) to n of 3.  rgb may be cmyk. */
void stk_cmyk_to_rgb(const uint8_t *cmyk, size_t n, uint8_t *rgb);

#endif
