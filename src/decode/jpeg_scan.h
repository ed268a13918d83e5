/* The inside of the entropy decoder: what its driver (jpeg_entropy.c), its
 * tables (jpeg_build.h) and its hot loops (jpeg_loops.h) share. */
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

    /* Bits that index a table (docs/decoder.md says what others cost). */
    STK_AC_BITS = 11,
    STK_AC_ENTRIES = 1 << STK_AC_BITS,
    STK_SKIP_BITS = 12,
    STK_SKIP_ENTRIES = 1 << STK_SKIP_BITS,
    STK_DC_BITS = 9,
    STK_DC_ENTRIES = 1 << STK_DC_BITS,
    /* Greatest magnitude categories in tables, those of 8-bit JPEG: a look-up
     * takes at most STK_SKIP_BITS + 10 bits, so that two fit a refill. */
    STK_AC_SIZE = 10,
    STK_DC_SIZE = 11,
    /* What entries add to the coefficient's index: EOB ends the block by
     * itself, and so does an entry that needs the rare way. */
    STK_EOB = 129,
    STK_RARE = 64,
};

/* Values.  n_bits: of the whole entry, 0: rare; apart, and in bytes, since it
 * is the one load in the chain from look-up to look-up.  entry, from its
 * lowest byte on: 64 - n_bits; the last symbol's magnitude bits; (2 bytes)
 * what to add to them; two values that come before the last one, at the next
 * two coefficients; a zero; the advance. */
struct stk_value_table {
    uint64_t entry[STK_AC_ENTRIES]; /* little endian */
    uint8_t n_bits[STK_AC_ENTRIES];
};

/* DC differences; entry: 64 - n_bits, magnitude bits << 8, summand << 16. */
struct stk_dc_table {
    uint32_t entry[STK_DC_ENTRIES];
    uint8_t n_bits[STK_DC_ENTRIES]; /* 0: rare */
};

/* Skipping: as many symbols as begin in the window.  advance: of all; + 0x80
 * when EOB is the last; 0x40 when the entry is rare. */
struct stk_skip_table {
    uint8_t n_bits[STK_SKIP_ENTRIES], advance[STK_SKIP_ENTRIES];
};

/* The top n_bits of acc are the next ones of the data, p the next byte that
 * was not counted; below them acc may already hold bits of *p. */
struct stk_bits {
    uint64_t acc, n_bits;
    const uint8_t *p;
};

/* How to decode one block of the MCU. */
struct stk_block {
    const struct stk_value_table *values;
    const struct stk_dc_table *dc;
    const struct stk_skip_table *skip, *skip_first; /* first: from DC on */
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
    uint8_t *out, *out_end; /* out never passes out_end */
    bool ended;             /* at a marker or behind the last byte */
};

/* Narrower tables, from which the wide ones are composed.  Those of w bits
 * begin at STK_NARROW(w) and may be overshot by 8 (64) entries. */
#define STK_NARROW(w)       ((1 << (w)) + 8 * (w))
#define STK_NARROW_BYTES(w) ((1 << (w)) + 128 * (w))
struct stk_build_scratch {
    uint64_t last[STK_NARROW(STK_AC_BITS - 1)];
    uint64_t pair[STK_NARROW(STK_AC_BITS - 1)];
    uint64_t wide[STK_AC_ENTRIES + 8];
    uint8_t skip_bits[STK_NARROW_BYTES(STK_SKIP_BITS)];
    uint8_t skip_advance[STK_NARROW_BYTES(STK_SKIP_BITS)];
    int skip_most[STK_SKIP_BITS]; /* greatest advance; of ... bits */
    uint8_t wide_bits[STK_SKIP_ENTRIES + 64];
    uint8_t wide_advance[STK_SKIP_ENTRIES + 64];
};

/* One CPU level's code. */
struct stk_entropy_loops {
    void (*unstuff)(struct stk_unstuffing *work);
    /* Both return how many MCUs they did: fewer when limit or bad stopped
     * them. */
    uint32_t (*values)(struct stk_scan *scan, uint32_t n_mcus, int16_t *out);
    uint32_t (*skip)(struct stk_scan *scan, uint32_t n_mcus);
    /* max_size: greater categories go the rare way. */
    void (*build_values)(struct stk_value_table *table,
                         const struct stk_huffman *ac, int max_size,
                         struct stk_build_scratch *scratch);
    void (*build_dc)(struct stk_dc_table *table, const struct stk_huffman *dc);
    /* _first uses what building table left in scratch. */
    void (*build_skip)(struct stk_skip_table *table,
                       const struct stk_huffman *ac,
                       struct stk_build_scratch *scratch);
    void (*build_skip_first)(struct stk_skip_table *table,
                             const struct stk_huffman *dc,
                             struct stk_build_scratch *scratch);
};

extern const struct stk_entropy_loops stk_entropy_plain;
#if defined(__x86_64__) || defined(__aarch64__)
extern const struct stk_entropy_loops stk_entropy_vec128;
#endif
#if defined(__x86_64__)
extern const struct stk_entropy_loops stk_entropy_avx2, stk_entropy_avx512;
#endif

/* The rare way: one AC symbol from refilled bits, by its code.  Moves *k on;
 * EOB makes it 64.  out (may be NULL) gets the value.  false: not mine. */
struct stk_rare {
    uint64_t acc, n_bits, k;
};
bool stk_rare_ac(const struct stk_block *block, struct stk_rare *at,
                 int16_t *out);

/* A DC difference and the bits it takes; 0 bits: not mine. */
int stk_rare_dc(const struct stk_block *block, uint64_t acc, unsigned *n_bits);

#endif
