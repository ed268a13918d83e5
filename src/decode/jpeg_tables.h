/* Huffman codes as JPEG defines them: what libjpeg demands of a table, the
 * usual tables, and the canonical form that decodes one symbol. */
#ifndef STK_JPEG_TABLES_H
#define STK_JPEG_TABLES_H

#include "decode/jpeg_header.h"

/* 1 when libjpeg refuses the table (codes that do not fit their length, or
 * are all ones; a DC symbol above 15) or when it has no code at all. */
int stk_huffman_check(const struct stk_huffman *table, bool dc);

/* The usual table (ITU-T T.81, annex K.3) in slot 0 or 1; 1: no such slot. */
int stk_huffman_usual(struct stk_huffman *table, int ac, int slot);

/* limit[l - 1]: the first 16 bits, as a number, that are too great for codes
 * of up to l bits.  first[l]: index of a symbol less its l-bit code. */
struct stk_codes {
    uint16_t limit[16];
    int32_t first[18];
    uint8_t symbol[256];
};
void stk_codes_from(struct stk_codes *codes, const struct stk_huffman *table);

/* The symbol that the top bits of acc begin with, its length in *n_bits; -1
 * when there is no such code. */
static inline int stk_codes_symbol(const struct stk_codes *codes, uint64_t acc,
                                   unsigned *n_bits)
{
    uint16_t top = (uint16_t)(acc >> 48);
    unsigned n = 1;
    /* Counted, not searched: no branch to mispredict, and vectors do it. */
    for (int l = 0; l < 16; l++)
        n += top >= codes->limit[l];
    *n_bits = n;
    if (n > 16)
        return -1;
    /* In range for any table that stk_huffman_check() let pass; the mask
     * keeps it in range for all. */
    return codes->symbol[((top >> (16 - n)) + codes->first[n]) & 255];
}

#endif
