/* The inside of the entropy decoder: what its driver (jpeg_entropy.c) and its
 * hot loops (jpeg_loops_*.c, one a CPU level) share. */
#ifndef STK_JPEG_SCAN_H
#define STK_JPEG_SCAN_H

#include "decode/jpeg_entropy.h"
#include "decode/jpeg_tables.h"

enum {
    /* The longest block: a DC code of 16 + 15 bits and 63 AC codes of as
     * many (each moves on by at least one coefficient), 248 bytes. */
    STK_BLOCK_BYTES = 248,
    /* A reader's pointer is at most 8 bytes ahead of the bits it gave out,
     * and its loads take 8 bytes from there. */
    STK_READER_BYTES = 16,
    /* Un-stuffed bytes held at a time; a few of the longest MCUs. */
    STK_CHUNK_BYTES = 16384,
    /* Zeros behind the data: the loops look at their limit once an MCU. */
    STK_CHUNK_PAD =
        STK_JPEG_MCU_BLOCKS * STK_BLOCK_BYTES + STK_READER_BYTES + 64 + 48,
};

/* The top n_bits of acc are the next ones of the data, p the next byte that
 * was not counted; below them acc may already hold bits of *p. */
struct stk_bits {
    uint64_t acc, n_bits;
    const uint8_t *p;
};

/* How to decode one block of the MCU. */
struct stk_block {
    const struct stk_codes *dc_codes, *ac_codes;
    const uint16_t *quant; /* in zigzag order */
    uint32_t dc_limit;     /* the DC value stays within -dc_limit ... */
    uint32_t component;
};

struct stk_scan {
    struct stk_bits bits;
    const uint8_t *limit; /* past it no MCU begins */
    int32_t dc[STK_JPEG_COMPONENTS];
    uint32_t n_blocks;
    bool bad; /* not mine */
    struct stk_block block[STK_JPEG_MCU_BLOCKS];
};

/* in ... end is stuffed data; out has room for the rest. */
struct stk_unstuffing {
    const uint8_t *in, *end;
    uint8_t *out, *out_end; /* 64 bytes more may be written */
    bool ended;             /* at a marker or behind the last byte */
};

struct stk_entropy_loops {
    void (*unstuff)(struct stk_unstuffing *work);
    /* Both return how many MCUs they did: fewer when limit or bad stopped
     * them. */
    uint32_t (*values)(struct stk_scan *scan, uint32_t n_mcus, int16_t *out);
    uint32_t (*skip)(struct stk_scan *scan, uint32_t n_mcus);
};

extern const struct stk_entropy_loops stk_entropy_plain;

#endif
