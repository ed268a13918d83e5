/* stoker's own JPEG decoder: the rows of one window of a baseline file, equal
 * to those of libjpeg-turbo's full decode.  What it does not take is 'not
 * mine', at the beginning or in the middle; libjpeg then goes on. */
#ifndef STK_JPEG_WINDOW_H
#define STK_JPEG_WINDOW_H

#include "base/span.h"
#include "decode/jpeg_header.h"
#include "decode/jpeg_times.h"
#include "flow/sample.h"

enum { STK_JPEG_END = 0, STK_JPEG_STRIP = 1, STK_JPEG_NOT_MINE = 2 };

/* All scratch for one image at a time; one worker owns it. */
struct stk_jpeg_decoder;

/* cpu is a resolved stoker_cpu.  Returns 0 or -ENOMEM. */
int stk_jpeg_decoder_open(struct stk_jpeg_decoder **out, int cpu);
void stk_jpeg_decoder_close(struct stk_jpeg_decoder **decoder);
/* What it holds now; keep_bytes: scratch over this is given back. */
size_t stk_jpeg_decoder_bytes(const struct stk_jpeg_decoder *decoder);
void stk_jpeg_decoder_trim(struct stk_jpeg_decoder *decoder, size_t keep_bytes);

/* Begins a window inside the image.  jpeg (as parsed from bytes) and bytes
 * must stay until the last row.  May be called at any time, also after a
 * window that was not read to its end.  Allocates only for rows wider than
 * all before.  Returns 0, STK_JPEG_NOT_MINE or -ENOMEM. */
int stk_jpeg_decoder_begin(struct stk_jpeg_decoder *decoder,
                           const struct stk_jpeg *jpeg, struct stk_span bytes,
                           const struct stk_window *window);

/* The window's next rows, valid until the next call.  A grey file's planes
 * are one.  Returns STK_JPEG_STRIP, STK_JPEG_END behind the last row, or
 * STK_JPEG_NOT_MINE: the rows before are right, the others libjpeg has to
 * give. */
int stk_jpeg_decoder_rows(struct stk_jpeg_decoder *decoder,
                          struct stk_strip *strip);

/* From now on stages add to *times; NULL: no clock is looked at. */
void stk_jpeg_decoder_time(struct stk_jpeg_decoder *decoder,
                           struct stk_jpeg_times *times);

/* stk_entropy_is_cut() of a parsed file; ends what was begun. */
bool stk_jpeg_decoder_is_cut(struct stk_jpeg_decoder *decoder,
                             const struct stk_jpeg *jpeg,
                             struct stk_span bytes);

#endif
