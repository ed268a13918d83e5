/* Huffman decoding of a parsed JPEG: coefficients of the MCUs one wants, and
 * a faster way over those one does not.  Bad data is 'not mine' (1), never an
 * error: libjpeg then decides what the whole image is worth. */
#ifndef STK_JPEG_ENTROPY_H
#define STK_JPEG_ENTROPY_H

#include "decode/jpeg_header.h"

/* All scratch for one image at a time; one worker owns it.  Nothing is
 * allocated after _open. */
struct stk_entropy;

/* cpu is a resolved stoker_cpu.  Returns 0 or -ENOMEM. */
int stk_entropy_open(struct stk_entropy **out, int cpu);
void stk_entropy_close(struct stk_entropy **entropy);
size_t stk_entropy_scratch_bytes(void);

/* Starts at the first MCU.  jpeg and bytes (the whole file, as parsed) must
 * stay until the last call for this image.  need_skip: makes the tables for
 * _skip, which decodes and drops without them.  Returns 0 or 1. */
int stk_entropy_begin(struct stk_entropy *entropy, const struct stk_jpeg *jpeg,
                      struct stk_span bytes, bool need_skip);

/* Decodes the next n_mcus MCUs (any number: rows do not matter here) into
 * n_mcus * n_blocks blocks of 64 coefficients, 64-byte aligned, in zigzag
 * order, the DC value whole.  Each coefficient times its quantiser fits 16
 * bits.  Up to STK_ENTROPY_SLACK coefficients behind the last block are
 * overwritten with rubbish.  Returns 0; or 1, after which only _begin helps. */
enum { STK_ENTROPY_SLACK = 64 };
int stk_entropy_values(struct stk_entropy *entropy, uint32_t n_mcus,
                       int16_t *blocks);

/* Passes over the next n_mcus MCUs.  Returns 0 or 1 as _values does. */
int stk_entropy_skip(struct stk_entropy *entropy, uint32_t n_mcus);

/* true when the data are sound up to the file's end, without any marker there,
 * and end before the last MCU does: then libjpeg, too, finds nothing wrong but
 * waits for more.  false says nothing.  Only _begin helps after this. */
bool stk_entropy_is_cut(struct stk_entropy *entropy,
                        const struct stk_jpeg *jpeg, struct stk_span bytes);

/* Where the decoder stands: bits of the data without stuffing and markers
 * since the last restart marker, and the DC predictions.  Two ways to the
 * same MCU give the same place. */
struct stk_entropy_place {
    uint64_t mcu, bit;
    int32_t dc[STK_JPEG_COMPONENTS];
};
void stk_entropy_where(const struct stk_entropy *entropy,
                       struct stk_entropy_place *place);

#endif
