/* What the decoder and its codecs share: the decoder's state, the table of
 * codecs, the image that a codec has decoded whole.  Apart from decode.h
 * because only this room looks inside. */
#ifndef STK_CODEC_H
#define STK_CODEC_H

#include "base/mem.h"
#include "decode/decode.h"
#include "decode/deinterleave.h"

struct stk_jpeg_codec;

/* Scratch over this is given back after each sample: a giant passes by. */
enum { STK_DECODER_KEEP_BYTES = 16 << 20 };

/* Interleaved RGB rows without gaps, top to bottom. */
struct stk_whole {
    struct stk_scratch rgb;
    int32_t width, height;
    bool filled; /* the rows of the probed bytes are here */
};

struct stk_decoder {
    struct stk_decode_limits limits;
    const struct stk_codec *codec; /* NULL: nothing is probed */
    struct stk_span bytes;         /* the caller's, until _end */
    const char *name;              /* the caller's, until _end */
    int64_t deadline_ns;           /* max_decode_ms behind the probe */
    struct stk_image image;
    struct stk_window window;
    int32_t next_row; /* of the window */
    bool was_own;
    struct stk_whole whole;
    struct stk_scratch lines;  /* a strip as a codec gives it */
    struct stk_scratch planes; /* a strip as it is handed out */
    const struct stk_deinterleave *deinterleave;
    struct stk_jpeg_codec *jpeg;
};

/* A codec is chosen by magic bytes.  probe gives the verdict and fills image
 * and, where it decodes there, decoder->whole; begin and rows are only called
 * when whole is not filled, and NULL where probe always fills it.  All errors
 * are named. */
struct stk_codec {
    bool (*accepts)(struct stk_span bytes);
    int (*probe)(struct stk_decoder *decoder, stoker_error *err);
    int (*begin)(struct stk_decoder *decoder, stoker_error *err);
    int (*rows)(struct stk_decoder *decoder, struct stk_strip *strip,
                stoker_error *err);
    void (*end)(struct stk_decoder *decoder);
    const char *(*library)(void); /* name and version of what lies behind */
};

extern const struct stk_codec stk_codec_jpeg, stk_codec_png, stk_codec_webp;

/* Refuses dimensions over the limits before anything is allocated.
 * Returns 0, -EFBIG or -EBADMSG (no pixels). */
int stk_decoder_check_size(const struct stk_decoder *decoder, int64_t width,
                           int64_t height, stoker_error *err);

/* -EFBIG once the sample's time is spent, else 0. */
int stk_decoder_check_time(const struct stk_decoder *decoder,
                           stoker_error *err);

/* Room for a whole image, not cleared.  Returns 0 or -ENOMEM. */
int stk_whole_reserve(struct stk_decoder *decoder, int32_t width,
                      int32_t height, stoker_error *err);

static inline uint8_t *stk_whole_row(const struct stk_whole *whole, int32_t row)
{
    return whole->rgb.data + (size_t)row * (size_t)whole->width * 3;
}

/* n_rows interleaved rows, beginning at the window's first column, as planes
 * with slack. */
int stk_decoder_split(struct stk_decoder *decoder, const uint8_t *rgb,
                      size_t rgb_stride, int32_t n_rows,
                      struct stk_strip *strip, stoker_error *err);

#endif
