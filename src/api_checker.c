/* Exported bodies for looking after data sets and machines. */
#include <errno.h>

#include "loader/checker.h"
#include "loader/limit.h"
#include "loader/loader.h"
#include "loader/system.h"

int stoker_checker_open(stoker_checker **out, stoker_dataset *ds,
                        const stoker_options *opt, stoker_error *err)
{
    stoker_error mine;
    stoker_options full;

    err = stk_error_begin(err, &mine);
    if (!out || !ds)
        return stk_fail(err, -EINVAL, "stoker_checker_open: NULL argument");
    *out = NULL;
    int rc = stk_options_read(&full, opt, err);
    return rc < 0 ? rc : stk_checker_open(out, ds, &full, err);
}

int stoker_checker_check(stoker_checker *checker, int64_t id,
                         stoker_image_info *info, stoker_error *err)
{
    stoker_error mine;
    stoker_image_info unused = {.size = sizeof unused};

    err = stk_error_begin(err, &mine);
    if (!checker)
        return stk_fail(err, -EINVAL, "stoker_checker_check: NULL argument");
    return stk_checker_check(checker, id, info ? info : &unused, err);
}

void stoker_checker_close(stoker_checker **checker)
{
    if (checker && *checker) {
        stk_checker_close(*checker);
        *checker = NULL;
    }
}

void stoker_system_get(stoker_system *out)
{
    if (out)
        stk_system_get(out);
}

int stoker_limit_measure(stoker_dataset *ds, const stoker_options *opt,
                         int64_t n_samples, stoker_limit *out,
                         stoker_error *err)
{
    stoker_error mine;
    stoker_options full;

    err = stk_error_begin(err, &mine);
    if (!ds || !out || out->size < sizeof *out || n_samples < 1)
        return stk_fail(err, -EINVAL,
                        "stoker_limit_measure: a NULL argument, a limit "
                        "without its size, or no samples");
    int rc = stk_options_read(&full, opt, err);
    if (rc < 0)
        return rc;
    *out = (stoker_limit){.size = out->size};
    return stk_limit_measure(ds, &full, n_samples, out, err);
}
