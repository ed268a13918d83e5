/* A file's bytes, for benchmarks that have all of a folder in memory before
 * they begin. */
#ifndef WHOLE_FILE_H
#define WHOLE_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/span.h"

/* false: it cannot be read.  The bytes are never given back. */
static inline bool read_whole(const char *path, size_t n,
                              struct stk_span *bytes)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = f ? malloc(n + 1) : NULL;
    bool is_whole = data && fread(data, 1, n, f) == n;

    *bytes = (struct stk_span){data, n};
    if (!is_whole)
        free(data);
    if (f)
        fclose(f);
    return is_whole;
}

#endif
