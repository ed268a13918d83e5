/* What is known of a PNG while it is read: the chunk reader's and its text
 * reader's common state. */
#ifndef STK_PNG_STATE_H
#define STK_PNG_STATE_H

#include "decode/png_inflate.h"

#define STK_PNG_ID(a, b, c, d)                                                 \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 |          \
     (uint32_t)(d))

/* How pixels lie in a row: bits a sample and channels, both 0 for no mode. */
struct stk_png_kind {
    uint8_t depth, colour; /* as IHDR says */
    uint8_t pixel_bits;
    const char *mode; /* Pillow's */
};

struct stk_png {
    struct stk_span bytes;
    struct stk_inflate *inflate; /* borrowed, for text chunks */
    int64_t deadline_ns;         /* for them, too: each may take 1 ms */
    bool lenient;
    const char *why; /* of a refusal, static text */

    const struct stk_png_kind *kind; /* NULL: IHDR names no known one */
    int64_t width, height;
    bool interlaced;
    uint8_t palette[256][3];
    size_t n_palette_bytes;           /* of PLTE */
    bool has_palette;                 /* PLTE was read, even if empty */
    bool has_key;                     /* tRNS makes one index transparent */
    int64_t left, top, right, bottom; /* that the image data fill */
    struct stk_span exif;

    size_t at;       /* the next byte of the file */
    uint32_t n_left; /* bytes of the current data chunk behind at */
    bool has_box, is_animated;
    bool has_frames; /* acTL was accepted */
    uint32_t n_frames;
    bool has_sequence;
    uint32_t sequence;
    uint64_t text_bytes;
    bool is_queued; /* the chunk at .at was looked at, but not taken */
};

#endif
