/* zlib without its types, for PNG: rows out of compressed pieces, and how far
 * a text chunk expands. */
#ifndef STK_PNG_INFLATE_H
#define STK_PNG_INFLATE_H

#include "base/span.h"

struct stk_inflate;

/* Returns 0 or -ENOMEM. */
int stk_inflate_open(struct stk_inflate **out);
void stk_inflate_close(struct stk_inflate **inflate);

/* Begins a new stream.  Returns 0 or -ENOMEM. */
int stk_inflate_begin(struct stk_inflate *inflate);

enum stk_inflate_state {
    STK_INFLATE_FULL = 0, /* out is filled; more may follow */
    STK_INFLATE_MORE = 1, /* the piece is used up before that */
    STK_INFLATE_END = 2,  /* the stream ends */
    STK_INFLATE_BAD = -1, /* no zlib stream */
};

/* Fills out[*n_out ... size-1] from *piece, moving both on. */
int stk_inflate_fill(struct stk_inflate *inflate, struct stk_span *piece,
                     uint8_t *out, size_t size, size_t *n_out);

/* Bytes that data expands to, as far as limit; 0 where it is no zlib stream.
 * *too_large: the limit was reached and data has more. */
size_t stk_inflate_measure(struct stk_inflate *inflate, struct stk_span data,
                           size_t limit, bool *too_large);

/* The checksum of PNG's chunks. */
uint32_t stk_inflate_crc(struct stk_span data);

/* "zlib 1.2.13" */
const char *stk_inflate_version(void);

#endif
