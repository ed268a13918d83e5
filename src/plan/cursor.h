/* Cursors as bytes, and whether a saved one fits a run. */
#ifndef STK_CURSOR_H
#define STK_CURSOR_H

#include "base/error.h"

/* Values that stk_cursor_unpack() would refuse are packed all the same. */
void stk_cursor_pack(const stoker_cursor *cursor,
                     uint8_t out[STOKER_STATE_BYTES]);

/* Returns 0, or -EBADMSG with the reason; *cursor is untouched then. */
int stk_cursor_unpack(stoker_cursor *cursor, const void *bytes, size_t n,
                      stoker_error *err);

/* Compares a saved cursor with `mine`, one of the run that is to load it
 * (epoch, consumed and on_error do not count).  warning (may be NULL) gets a
 * sentence for each difference that is only warned of, or "".
 * Returns 0; -ESTALE with a sentence for each difference that is refused;
 * -EINVAL outside the epoch. */
int stk_cursor_check(const stoker_cursor *saved, const stoker_cursor *mine,
                     char *warning, size_t warning_bytes, stoker_error *err);

#endif
