/* The checker behind stoker_checker_*. */
#ifndef STK_CHECKER_H
#define STK_CHECKER_H

#include "base/error.h"

int stk_checker_open(stoker_checker **out, stoker_dataset *ds,
                     const stoker_options *opt, stoker_error *err);
int stk_checker_check(stoker_checker *checker, int64_t id,
                      stoker_image_info *info, stoker_error *err);
void stk_checker_close(stoker_checker *checker);

#endif
