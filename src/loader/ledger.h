/* The ledger: a line of JSON a bad sample, appended to a file. */
#ifndef STK_LEDGER_H
#define STK_LEDGER_H

#include <stdbool.h>

#include "base/error.h"

/* Consumer only. */
struct stk_ledger {
    int fd;       /* -1: none */
    bool is_torn; /* the file may end in half a line of ours */
    char path[512];
};

/* path NULL: no ledger.  Returns 0; -EINVAL for a pipe (its reader's end
 * would be a signal), -ENAMETOOLONG, or what open says. */
int stk_ledger_open(struct stk_ledger *ledger, const char *path,
                    stoker_error *err);
void stk_ledger_close(struct stk_ledger *ledger);

/* Appends one line; nothing without a ledger.
 * Returns 0, or the code with its sentence. */
int stk_ledger_write(struct stk_ledger *ledger, const stoker_dataset *ds,
                     const stoker_bad *bad, stoker_error *err);

#endif
