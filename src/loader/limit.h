/* The machine's own roofline: behind stoker_limit_measure(). */
#ifndef STK_LIMIT_H
#define STK_LIMIT_H

#include "base/error.h"

int stk_limit_measure(stoker_dataset *ds, const stoker_options *opt,
                      int64_t n_samples, stoker_limit *out, stoker_error *err);

#endif
