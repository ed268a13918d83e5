/* A PNG's chunks as Pillow's PngImageFile reads them: what it refuses is
 * refused, what it does not look at does not matter. */
#ifndef STK_PNG_CHUNKS_H
#define STK_PNG_CHUNKS_H

#include "decode/png_state.h"

/* Reads chunks up to the first image data.  bytes, inflate, deadline_ns and
 * lenient are set, all else is zero.
 * Returns 0, or -ENODATA, -EBADMSG, -ENOTSUP, -EFBIG and why. */
int stk_png_open(struct stk_png *png);

/* The next piece of image data, of at most 65,536 bytes as Pillow reads it.
 * Returns 1, or 0 when there is no more, or an error and why. */
int stk_png_piece(struct stk_png *png, struct stk_span *piece);

/* Reads the chunks behind the image data.  Returns 0 or an error and why. */
int stk_png_finish(struct stk_png *png);

#endif
