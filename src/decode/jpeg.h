/* The JPEG codec's lasting state: Pillow's verdict, then rows by stoker's own
 * window decoder or by libjpeg. */
#ifndef STK_JPEG_CODEC_H
#define STK_JPEG_CODEC_H

#include "decode/decode.h"
#include "decode/jpeg_turbo.h"
#include "decode/jpeg_walk.h"
#include "decode/jpeg_window.h"

struct stk_jpeg_codec {
    struct stk_turbo *turbo;
    struct stk_jpeg_decoder *own;
    struct stk_jpeg_head head;
    struct stk_jpeg parsed;       /* where is_mine */
    struct stk_turbo_lines lines; /* what turbo's next rows are */
    bool begun;    /* turbo has read the probed file's header, but no row */
    bool is_mine;  /* own takes the probed file */
    bool own_runs; /* own gives the window's next rows */
};

/* Returns 0 or -ENOMEM. */
int stk_jpeg_codec_open(struct stk_jpeg_codec **out,
                        const struct stk_decode_limits *limits,
                        stoker_error *err);
void stk_jpeg_codec_close(struct stk_jpeg_codec **jpeg);
size_t stk_jpeg_codec_bytes(const struct stk_jpeg_codec *jpeg);

/* Sets libjpeg up for the probed file's first row. */
int stk_jpeg_begin_turbo(struct stk_decoder *decoder, stoker_error *err);

/* The verdict by decoding all; fills decoder->whole. */
int stk_jpeg_decode_whole(struct stk_decoder *decoder, stoker_error *err);

/* Makes room in decoder->lines for a strip of libjpeg's rows with slack on
 * both sides.  Returns the stride, 0 when there is no memory. */
size_t stk_jpeg_reserve_lines(struct stk_decoder *decoder);

/* libjpeg forgets the file. */
void stk_jpeg_forget(struct stk_decoder *decoder);

#endif
