/* libjpeg-turbo without its types: each call returns, also where libjpeg
 * jumps. */
#ifndef STK_JPEG_TURBO_H
#define STK_JPEG_TURBO_H

#include "base/error.h"
#include "base/span.h"

struct stk_turbo;

struct stk_turbo_job {
    struct stk_span bytes;
    const char *name;
    int64_t max_memory_bytes, deadline_ns;
    int32_t max_scans;
    int32_t width, height, n_layers; /* that libjpeg must find, too */
    bool lenient; /* an end of image is added to bytes that lack it */
};

/* What libjpeg's rows hold: 1 grey, 3 RGB, 4 CMYK as Adobe inverts it. */
struct stk_turbo_lines {
    int32_t left;  /* the image column of a row's first pixel */
    int32_t width; /* pixels in a row */
    int32_t n_channels;
    int32_t top; /* the image row that is read next */
};

/* Returns 0 or -ENOMEM. */
int stk_turbo_open(struct stk_turbo **out, stoker_error *err);
void stk_turbo_close(struct stk_turbo **turbo);

/* Reads the header and sets libjpeg up for rows; a file of more than one scan
 * is read to its end.  Ends what was begun before.
 * Returns 0 or the file's error: -ENODATA its bytes end early, -EFBIG over a
 * limit, -EBADMSG what libjpeg says. */
int stk_turbo_begin(struct stk_turbo *turbo, const struct stk_turbo_job *job,
                    struct stk_turbo_lines *lines, stoker_error *err);

/* Before the first row: only columns left ... left + width - 1 and rows from
 * top on will be read. lines says which come, maybe more to both sides. */
int stk_turbo_crop(struct stk_turbo *turbo, int32_t left, int32_t width,
                   int32_t top, struct stk_turbo_lines *lines,
                   stoker_error *err);

/* Reads the next n rows.  *n_read, also after an error: the rows that came. */
int stk_turbo_read(struct stk_turbo *turbo, uint8_t *rows, size_t stride,
                   int32_t n, int64_t deadline_ns, int32_t *n_read,
                   stoker_error *err);

/* Behind the last row: reads on to the end of image.
 * Returns 0, also where the bytes end before that; or the file's error. */
int stk_turbo_finish(struct stk_turbo *turbo, stoker_error *err);

/* libjpeg's warnings since begin; *first: the first one's text or "". */
int32_t stk_turbo_warnings(const struct stk_turbo *turbo, const char **first);

/* Forgets the file. */
void stk_turbo_end(struct stk_turbo *turbo);

/* The error of a file whose bytes end early; name is the job's. */
int stk_turbo_truncated(const char *name, stoker_error *err);

/* "stoker-1 libjpeg-turbo-2.1.5" */
const char *stk_turbo_version(void);

#endif
