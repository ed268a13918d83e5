/* Windows by stoker's own decoder against libjpeg's whole images; for tests
 * and fuzzing alone. */
#ifndef STK_TEST_JPEG_PIXELS_H
#define STK_TEST_JPEG_PIXELS_H

#include "decode/jpeg_window.h"

struct jpeg_pixels {
    int width, height;
    unsigned char *rgb; /* interleaved; free() */
};

/* libjpeg's pixels; false: it gave up. */
bool jpeg_pixels_of(struct jpeg_pixels *pixels, const unsigned char *data,
                    size_t n);

/* Decodes a window.  Returns 0 equal, 1 not mine, -1 differs (and prints
 * where). */
int jpeg_window_check(struct stk_jpeg_decoder *decoder,
                      const struct stk_jpeg *jpeg, struct stk_span bytes,
                      const struct stk_window *window,
                      const struct jpeg_pixels *truth);

/* A window inside the image: whole, or of random place and size, narrow ones
 * and ones at the edges more often than chance has it. */
struct stk_window jpeg_random_window(const struct jpeg_pixels *truth,
                                     unsigned *random);

#endif
