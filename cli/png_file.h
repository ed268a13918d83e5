/* Writes RGB pixels as a PNG file. */
#ifndef CLI_PNG_FILE_H
#define CLI_PNG_FILE_H

#include <stddef.h>
#include <stdint.h>

enum { PNG_FILE_MAX_WIDTH = 21844 }; /* a row must fit a stored block */

/* Returns 0 or a negated errno; what could not be finished is removed. */
int png_file_write(const char *path, const uint8_t *rgb, size_t width,
                   size_t height);

#endif
