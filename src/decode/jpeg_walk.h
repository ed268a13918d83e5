/* A JPEG's header as Pillow's JpegImageFile._open() reads it: what it refuses
 * there is refused here, with the same width, height and mode otherwise. */
#ifndef STK_JPEG_WALK_H
#define STK_JPEG_WALK_H

#include "base/span.h"

struct stk_jpeg_head {
    int32_t width, height;
    int32_t n_layers; /* of the frame: 1, 3 or 4 */
    uint8_t sof;      /* the frame's marker, 0xC0 ... 0xCF */
    bool progressive;
    /* Only marker segments of the ordinary kind, one frame, no filler or junk
     * between them: libjpeg reads the same header. */
    bool plain;
    uint8_t sampling[4]; /* of each layer: horizontal << 4 | vertical */
    int32_t scan_layers; /* of the first scan */
    int32_t restart_interval;
    size_t scan_at;       /* offset of the first scan's entropy data */
    struct stk_span exif; /* the first Exif segment, or empty */
};

/* Returns 0; or -ENODATA, -EBADMSG, -ENOTSUP with *why, a static text. */
int stk_jpeg_walk(struct stk_span bytes, struct stk_jpeg_head *head,
                  const char **why);

#endif
