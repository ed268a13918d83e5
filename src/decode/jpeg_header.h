/* What a JPEG's markers say, for stoker's own decoder: everything up to the
 * entropy-coded data of the one scan it takes. */
#ifndef STK_JPEG_HEADER_H
#define STK_JPEG_HEADER_H

#include "base/span.h"

enum {
    STK_JPEG_COMPONENTS = 3,
    STK_JPEG_MCU_BLOCKS = 6,  /* 4:2:0: four of luminance, one of each chroma */
    STK_JPEG_MAX_SIDE = 65500 /* libjpeg's JPEG_MAX_DIMENSION */
};

/* What libjpeg would take the components for. */
enum stk_jpeg_colour {
    STK_JPEG_GREY = 0,
    STK_JPEG_YCC = 1,
    STK_JPEG_RGB = 2,
};

/* A Huffman table as DHT brings it. */
struct stk_huffman {
    uint8_t count[17];   /* codes of length 1 ... 16; [0] is unused */
    uint8_t symbol[256]; /* in the order of their codes; zero behind the last */
};

struct stk_jpeg_component {
    uint8_t h, v;       /* blocks in an MCU, across and down; 1 or 2 */
    uint8_t dc, ac;     /* indices into huffman_dc and huffman_ac, 0 ... 3 */
    uint16_t quant[64]; /* in zigzag order; each at most 32767 */
};

/* One file's header; immutable once parsed.  Holds no pointer into the file:
 * the same bytes are handed over again for decoding. */
struct stk_jpeg {
    int32_t width, height;
    int32_t n_components; /* 1 or 3; a single one counts as 1x1 */
    struct stk_jpeg_component component[STK_JPEG_COMPONENTS];
    int32_t h_max, v_max;   /* of the components */
    int32_t mcus_x, mcus_y; /* an MCU is 8 * h_max by 8 * v_max pixels */
    int32_t n_blocks;       /* in an MCU, in the order they are coded: ... */
    uint8_t block_component[STK_JPEG_MCU_BLOCKS]; /* row by row of each one */
    int32_t colour;                               /* an enum stk_jpeg_colour */
    int32_t restart_interval;                     /* in MCUs; 0: none */
    size_t entropy_offset, entropy_bytes; /* behind SOS, to the file's end */
    struct stk_huffman huffman_dc[4], huffman_ac[4];
};

/* Reads the markers.  Returns 0, or 1 'not mine': then libjpeg decides what
 * the file is worth, and *jpeg holds rubbish.  Mine are files of baseline or
 * extended sequential 8-bit Huffman coding with 1 component, or with 3 of
 * which the first has 1x1, 2x1, 1x2 or 2x2 and the others 1x1 blocks in an
 * MCU, all in one scan, which libjpeg's header parser takes without an error
 * or a warning. */
int stk_jpeg_parse(struct stk_jpeg *jpeg, struct stk_span bytes);

#endif
