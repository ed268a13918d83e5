/* Errors: one line formats the caller's stoker_error and returns its code. */
#ifndef STK_ERROR_H
#define STK_ERROR_H

#include "stoker/stoker.h"

/* Fills err (which may be NULL) and returns code, a negated errno.  A text
 * that does not fit is cut in its middle, so that name and reason survive. */
int stk_fail(stoker_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Says in which stage and at which sample an error arose; returns its code. */
int stk_fail_at(stoker_error *err, int stage, int64_t id, int code);

void stk_error_clear(stoker_error *err);

/* The caller's error, or mine where it brought none; cleared. */
stoker_error *stk_error_begin(stoker_error *err, stoker_error *mine);

#endif
