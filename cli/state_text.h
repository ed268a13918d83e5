/* A saved state as JSON: the twin of the packed cursor that Python's
 * state_dict() gives, a flat object of text and whole numbers. */
#ifndef CLI_STATE_TEXT_H
#define CLI_STATE_TEXT_H

#include <stoker/stoker.h>

/* Reads the members that name a cursor's fields, ignoring others.
 * Returns 0, or -EBADMSG with the reason. */
int state_text_read(stoker_cursor *cursor, const char *text, stoker_error *err);
void state_text_write(const stoker_cursor *cursor);

#endif
