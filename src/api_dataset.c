/* Exported datasets: argument checks and defaults; the work is in plan/. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "loader/listing.h"
#include "plan/dataset.h"
#include "plan/order.h"

/* As the loader's. */
enum { STALL_TIMEOUT_MS = 120000 };

static int fail(stoker_error *err, int code)
{
    return stk_fail_at(err, STOKER_STAGE_PLAN, err ? err->id : -1, code);
}

void stoker_folder_options_init(stoker_folder_options *opt, size_t size)
{
    if (!opt || size < sizeof opt->size)
        return;
    memset(opt, 0, size);
    opt->size = size;
    if (size >= offsetof(stoker_folder_options, reserved0))
        opt->stall_timeout_ms = STALL_TIMEOUT_MS;
}

/* The caller's options over the defaults, as far as the caller knew them. */
static int folder_options(stoker_folder_options *mine,
                          const stoker_folder_options *opt, stoker_error *err)
{
    stoker_folder_options_init(mine, sizeof *mine);
    if (!opt)
        return 0;
    if (opt->size < sizeof opt->size || opt->size > 65536)
        return stk_fail(err, -EINVAL,
                        "folder options' size is %zu: call "
                        "stoker_folder_options_init() first",
                        opt->size);
    memcpy(mine, opt, opt->size < sizeof *mine ? opt->size : sizeof *mine);
    mine->size = sizeof *mine;
    if (mine->hash_sizes != 0 && mine->hash_sizes != 1)
        return stk_fail(err, -EINVAL, "hash_sizes is %d: must be 0 or 1",
                        mine->hash_sizes);
    if (mine->allow_empty != 0 && mine->allow_empty != 1)
        return stk_fail(err, -EINVAL, "allow_empty is %d: must be 0 or 1",
                        mine->allow_empty);
    if (mine->stall_timeout_ms < 1)
        return stk_fail(err, -EINVAL, "stall_timeout_ms is %d: must be over 0",
                        mine->stall_timeout_ms);
    return 0;
}

int stoker_dataset_from_folder(stoker_dataset **out, const char *root,
                               const stoker_folder_options *opt,
                               stoker_error *err)
{
    stoker_folder_options mine;

    stk_error_clear(err);
    if (!out)
        return fail(err, stk_fail(err, -EINVAL, "out is NULL"));
    *out = NULL;
    if (!root || !*root)
        return fail(
            err, stk_fail(err, -EINVAL, "root is %s", root ? "empty" : "NULL"));
    int rc = folder_options(&mine, opt, err);
    if (rc == 0)
        rc = stk_listing_run(out, root, &mine, err);
    return rc == 0 ? 0 : fail(err, rc);
}

int stoker_dataset_from_items(stoker_dataset **out, const stoker_item *items,
                              size_t n, size_t item_bytes, stoker_error *err)
{
    stk_error_clear(err);
    if (!out)
        return fail(err, stk_fail(err, -EINVAL, "out is NULL"));
    *out = NULL;
    if (!items || n == 0)
        return fail(err, stk_fail(err, -EINVAL, "no items were given"));
    if ((uint64_t)n > (uint64_t)STK_MAX_ITEMS)
        return fail(err, stk_fail(err, -EINVAL, "%zu items: over 2^48", n));
    if (item_bytes < sizeof(stoker_item) || item_bytes > 4096)
        return fail(err, stk_fail(err, -EINVAL,
                                  "item_bytes is %zu: must be "
                                  "sizeof(stoker_item)",
                                  item_bytes));
    int rc = stk_dataset_from_items(out, items, n, item_bytes, err);
    return rc == 0 ? 0 : fail(err, rc);
}

void stoker_dataset_free(stoker_dataset *ds)
{
    stk_dataset_free(ds);
}

int64_t stoker_dataset_count(const stoker_dataset *ds)
{
    return ds ? stk_dataset_n(ds) : 0;
}

int64_t stoker_dataset_n_classes(const stoker_dataset *ds)
{
    return ds ? stk_dataset_n_classes(ds) : 0;
}

const char *stoker_dataset_class(const stoker_dataset *ds, int64_t index)
{
    return ds ? stk_dataset_class(ds, index) : NULL;
}

int64_t stoker_dataset_label(const stoker_dataset *ds, int64_t id)
{
    return ds ? stk_dataset_label(ds, id) : -1;
}

int64_t stoker_dataset_path(const stoker_dataset *ds, int64_t id, char *text,
                            size_t bytes)
{
    if (!ds || (!text && bytes))
        return -EINVAL;
    return stk_dataset_name(ds, id, text, bytes);
}

void stoker_dataset_fingerprint(const stoker_dataset *ds, uint8_t out[16])
{
    if (ds)
        stk_dataset_fingerprint(ds, out);
    else
        memset(out, 0, 16);
}
