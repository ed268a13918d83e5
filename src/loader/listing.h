/* Listing a folder on a thread that can be left behind. */
#ifndef STK_LISTING_H
#define STK_LISTING_H

#include "base/error.h"

/* stk_dataset_from_folder(), but -ETIMEDOUT when no system call has come back
 * for opt->stall_timeout_ms; the thread that hangs is left to itself. */
int stk_listing_run(stoker_dataset **out, const char *root,
                    const stoker_folder_options *opt, stoker_error *err);

#endif
