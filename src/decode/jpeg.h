/* The JPEG codec's lasting state: Pillow's verdict, then rows by stoker's own
 * window decoder or by libjpeg. */
#ifndef STK_JPEG_CODEC_H
#define STK_JPEG_CODEC_H

#include "decode/decode.h"

struct stk_jpeg_codec;

/* Returns 0 or -ENOMEM. */
int stk_jpeg_codec_open(struct stk_jpeg_codec **out,
                        const struct stk_decode_limits *limits,
                        stoker_error *err);
void stk_jpeg_codec_close(struct stk_jpeg_codec **jpeg);
size_t stk_jpeg_codec_bytes(const struct stk_jpeg_codec *jpeg);

#endif
