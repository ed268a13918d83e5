/* The ledger: a line of JSON a bad sample, appended to a file. */
#ifndef STK_LEDGER_H
#define STK_LEDGER_H

#include <stdbool.h>

#include "base/error.h"

/* Consumer only. */
struct stk_ledger {
    int fd;       /* -1: the file is not open */
    bool is_torn; /* the file may end in half a line of ours */
    int32_t stall_timeout_ms;
    char path[512]; /* "": no ledger */
};

/* path NULL: no ledger.  Returns 0; -EINVAL for a pipe (its reader's end
 * would be a signal), -ENAMETOOLONG, -ETIMEDOUT, or what open says. */
int stk_ledger_open(struct stk_ledger *ledger, const char *path,
                    int32_t stall_timeout_ms, stoker_error *err);
void stk_ledger_close(struct stk_ledger *ledger);

/* Appends one line; nothing without a ledger.
 * Returns 0, or the code with its sentence; -ETIMEDOUT where the storage
 * hangs. */
int stk_ledger_write(struct stk_ledger *ledger, const stoker_dataset *ds,
                     const stoker_bad *bad, stoker_error *err);

#endif
