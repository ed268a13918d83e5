/* Names for bytes that are no image stoker reads. */
#ifndef STK_SNIFF_H
#define STK_SNIFF_H

#include "base/span.h"

/* "GIF", "BMP", "HTML", ... or NULL when the magic bytes say nothing. */
const char *stk_sniff(struct stk_span bytes);

#endif
