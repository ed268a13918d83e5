/* The one EXIF tag that stoker reports. */
#ifndef STK_EXIF_H
#define STK_EXIF_H

#include "base/span.h"

/* The orientation in a TIFF structure (behind "Exif\0\0" where that is
 * there), 1 when absent or unreadable.  May be a number outside 1 ... 8. */
int32_t stk_exif_orientation(struct stk_span exif);

#endif
