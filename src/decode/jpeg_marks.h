/* One pass over a JPEG's entropy data for markers, to the end of the bytes. */
#ifndef STK_JPEG_MARKS_H
#define STK_JPEG_MARKS_H

#include "base/span.h"

/* true when the first marker in data that is no restart marker in its due
 * order (with: restart markers are allowed at all) is an end of image. */
bool stk_jpeg_ends_well(struct stk_span data, bool with_restarts);

/* How many scans begin in data, the entropy data of the first scan; counts
 * only up to limit + 1. */
int32_t stk_jpeg_count_scans(struct stk_span data, int32_t limit);

#endif
