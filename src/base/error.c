/* Formatting of errors, apart because every room fails in the same words. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { N_FORMAT = 8192 }; /* holds a path of PATH_MAX bytes and a reason */

void stk_error_clear(stoker_error *err)
{
    if (!err)
        return;
    err->code = 0;
    err->stage = STOKER_STAGE_NONE;
    err->id = -1;
    err->text[0] = '\0';
}

stoker_error *stk_error_begin(stoker_error *err, stoker_error *mine)
{
    stk_error_clear(err ? err : mine);
    return err ? err : mine;
}

int stk_fail(stoker_error *err, int code, const char *fmt, ...)
{
    char full[N_FORMAT];
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    vsnprintf(full, sizeof full, fmt, ap);
    va_end(ap);
    stk_error_clear(err);
    err->code = code;

    size_t n = strlen(full);
    if (n < sizeof err->text) {
        memcpy(err->text, full, n + 1);
        return code;
    }
    /* The tail holds the reason and the file's own name: it gets more. */
    size_t head = sizeof err->text / 4;
    size_t tail = sizeof err->text - head - 4;
    memcpy(err->text, full, head);
    memcpy(err->text + head, "...", 3);
    memcpy(err->text + head + 3, full + n - tail, tail + 1);
    return code;
}

int stk_fail_at(stoker_error *err, int stage, int64_t id, int code)
{
    if (err) {
        err->stage = stage;
        err->id = id;
    }
    return code;
}
