/* One made-up photo: its choices and its pixels, all from one number. */
#ifndef CLI_PHOTO_H
#define CLI_PHOTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PHOTO_CLASSES_MAX = 50 };

/* What is drawn, and how it is written as JPEG. */
struct photo {
    uint64_t key; /* decides everything below and every pixel */
    int label;    /* 0 ... PHOTO_CLASSES_MAX-1: a colour and a shape */
    int width, height;
    int quality; /* of libjpeg */
    bool grey;
    bool halved;    /* 4:2:0 instead of 4:4:4 */
    bool optimised; /* Huffman tables of its own */
};

/* Chooses all but the pixels; megapixels 0: sizes as ImageNet has them. */
void photo_choose(struct photo *photo, uint64_t seed, int64_t index, int label,
                  double megapixels);

/* Draws width * height RGB pixels.  Returns 0 or -ENOMEM. */
int photo_draw(const struct photo *photo, uint8_t *rgb);

/* "03_lime_square" */
void photo_class_name(int label, char *text, size_t bytes);

/* Writes a drawn photo as a new JPEG file.  Returns 0 or a negated errno. */
int photo_file_write(const struct photo *photo, const uint8_t *rgb,
                     const char *path);

#endif
