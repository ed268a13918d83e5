/* A PNG's texts and colour profile: only what of them is refused. */
#ifndef STK_PNG_TEXT_H
#define STK_PNG_TEXT_H

#include "decode/png_state.h"

/* An iCCP, tEXt, zTXt or iTXt chunk.  Returns 0; or an error and png->why. */
int stk_png_read_text(struct stk_png *png, uint32_t id, struct stk_span body);

#endif
