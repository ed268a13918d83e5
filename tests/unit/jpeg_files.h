/* Generated JPEGs for tests, and their pixels by plain libjpeg. */
#ifndef TEST_JPEG_FILES_H
#define TEST_JPEG_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

struct file {
    unsigned char *data;
    unsigned long n;
};

struct look {
    int32_t width, height;
    J_COLOR_SPACE colours; /* of the samples given: grey, RGB or CMYK */
    int h, v;              /* the first component's sampling */
    bool progressive;
    unsigned restart_interval; /* MCUs */
};

/* A JPEG of made-up detail; data is the caller's, to be freed. */
struct file make_jpeg(struct look look);

/* The whole image through libjpeg, as interleaved samples of its own output
 * colours; the caller's, to be freed. */
uint8_t *reference(struct file file, int *n_channels);

#endif
