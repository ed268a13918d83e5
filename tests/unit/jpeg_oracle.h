/* libjpeg as the judge of stoker's own JPEG decoding: files made in memory,
 * their coefficients, its warnings; for tests alone. */
#ifndef STK_TEST_JPEG_ORACLE_H
#define STK_TEST_JPEG_ORACLE_H

#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "decode/jpeg_entropy.h"

/* What to encode; zero means libjpeg's default. */
struct jpeg_wish {
    int width, height, n_components; /* 1 or 3 */
    int h, v;                        /* of the first component, 1 or 2 */
    int quality, restart;            /* restart in MCUs, 0: none */
    bool optimise, rgb, wide_quant;  /* wide_quant: 16-bit tables */
    unsigned seed;
    int noise; /* 0 ... 255: how wild the pixels are */
    /* Bit c: component c takes the other one of the slots 0 and 1. */
    int swap_dc, swap_ac;
};

/* A file that free() gives back. */
struct jpeg_file {
    unsigned char *data;
    unsigned long n;
};
struct jpeg_file jpeg_make(const struct jpeg_wish *wish);

/* All coefficients of a file by libjpeg, in the order of the scan, zigzag,
 * blocks beyond the image's edge included (left zero: libjpeg drops them). */
struct jpeg_truth {
    int error; /* libjpeg gave up before the last row */
    long n_warnings;
    int16_t *blocks; /* free() */
    bool *real;      /* per block: libjpeg kept it; free() */
    size_t n_blocks;
};
void jpeg_truth_of(struct jpeg_truth *truth, const struct stk_jpeg *jpeg,
                   const unsigned char *data, size_t n);
void jpeg_truth_free(struct jpeg_truth *truth);

/* First differing block of ours against truth, -1: none. */
long jpeg_truth_differs(const struct jpeg_truth *truth, const int16_t *blocks,
                        size_t n_blocks);

#endif
