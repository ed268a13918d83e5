/* Decoding: image bytes in, RGB rows of a window out.  One decoder a worker;
 * it owns all scratch and allocates nothing in the steady state.  A bad image
 * never changes what the next one gives. */
#ifndef STK_DECODE_H
#define STK_DECODE_H

#include "base/error.h"
#include "base/span.h"
#include "flow/sample.h"

/* Of stoker_options; immutable. */
struct stk_decode_limits {
    int64_t max_pixels, max_side, max_file_bytes, max_decoder_bytes;
    int32_t max_scans, max_decode_ms;
    int32_t decoder; /* a stoker_decoder */
    int32_t damaged; /* a stoker_damaged */
    int32_t cpu;     /* a resolved stoker_cpu */
};

struct stk_decoder;

/* Owner thread only, as all of these.  Returns 0 or -ENOMEM. */
int stk_decoder_open(struct stk_decoder **out,
                     const struct stk_decode_limits *limits, stoker_error *err);
void stk_decoder_close(struct stk_decoder **decoder);

/* The verdict on a file, the same whatever window follows: its format by
 * magic bytes, its header, limits, one scan for markers; where that is not
 * enough, it is decoded whole here.  bytes must stay until _end.  name is for
 * error texts ("NAME: reason").
 * Returns 0 and fills *image; or the sample's error. */
int stk_decoder_probe(struct stk_decoder *decoder, struct stk_span bytes,
                      const char *name, struct stk_image *image,
                      stoker_error *err);

/* Begins to decode a window (inside the image) of the probed bytes. */
int stk_decoder_begin(struct stk_decoder *decoder,
                      const struct stk_window *window, stoker_error *err);

/* The window's next rows, valid until the next call.
 * Returns 1 with a strip, 0 behind the last row, or the sample's error. */
int stk_decoder_rows(struct stk_decoder *decoder, struct stk_strip *strip,
                     stoker_error *err);

/* Forgets the bytes; also right after a failed or missing _begin. */
void stk_decoder_end(struct stk_decoder *decoder);

/* true when the last image's rows came from stoker's own decoder. */
bool stk_decoder_was_own(const struct stk_decoder *decoder);

size_t stk_decoder_scratch_bytes(const struct stk_decoder *decoder);

/* "stoker-1 libjpeg-turbo-2.1.5": goes into cursors. */
const char *stk_decoder_version(void);

/* Name and version of the library behind the index-th codec; NULL behind the
 * last. */
const char *stk_decoder_library(int index);

#endif
