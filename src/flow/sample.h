/* What travels between the rooms of floor 3: plain descriptions of one
 * sample, without behaviour. */
#ifndef STK_SAMPLE_H
#define STK_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A rectangle in pixels; of the source image unless said otherwise. */
struct stk_window {
    int32_t top, left, height, width;
};

/* What a probe found out about an image's bytes: decode -> augment. */
struct stk_image {
    int32_t width, height;
    int32_t format;      /* an enum stk_format */
    int32_t orientation; /* EXIF, 1 when absent; nothing is turned by it */
    int32_t n_warnings;  /* of libjpeg, where the probe decoded it whole */
    bool progressive;
    bool regular; /* a window can be decoded alone */
    char mode[8]; /* Pillow's name, "RGB" */
};

enum stk_format {
    STK_FORMAT_NONE = 0,
    STK_FORMAT_JPEG = 1,
    STK_FORMAT_PNG = 2,
    STK_FORMAT_WEBP = 3,
};

/* How one sample is cut and scaled: augment's recipe for it, pure data.
 * torchvision's meaning: the image is cropped to `crop`, that is resized to
 * grid_height x grid_width, and `view` of the grid is kept. */
struct stk_geometry {
    struct stk_window crop; /* in the source; the whole image for Resize */
    int32_t grid_height, grid_width;
    struct stk_window view;   /* in the grid; outside of it are zeros */
    struct stk_window source; /* the pixels that the view needs; inside crop */
    int32_t interpolation;    /* a stoker_interpolation */
    bool vertical_first;      /* order of the two passes, where both run */
    bool flip_horizontal, flip_vertical; /* of the view, after all else */
    struct stk_window report;            /* what the "window" tensor says */
};

/* A few finished rows of the source window, top to bottom: decode -> augment.
 * Planar bytes R, G, B.  plane[c] points at the window's first column of the
 * strip's first row.  STK_STRIP_SLACK bytes before that column and behind the
 * last one may be read in every row (their values do not matter), so that
 * kernels need no tails. */
enum { STK_STRIP_SLACK = 128, STK_STRIP_ROWS = 16 };
struct stk_strip {
    const uint8_t *plane[3];
    size_t stride;  /* bytes from row to row, the same in every plane */
    int32_t n_rows; /* 1 ... STK_STRIP_ROWS */
};

#endif
