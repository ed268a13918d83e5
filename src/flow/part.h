/* Where one sample's bytes lie: plan -> read.  Apart because both rooms need
 * it and neither may include the other. */
#ifndef STK_PART_H
#define STK_PART_H

#include <stdint.h>

#include "stoker/stoker.h"

/* One stretch of bytes, borrowed: nothing here owns memory. */
struct stk_part {
    int32_t source;      /* a stoker_source */
    const char *path;    /* FILE: what to open, in the caller's buffer; else
                            NULL */
    const uint8_t *data; /* MEMORY: the bytes; else NULL */
    int64_t offset;      /* FILE: first byte of the range; MEMORY: 0 */
    int64_t length;      /* bytes, or -1: to the end of the file */
};

#endif
