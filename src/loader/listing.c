/* Lists as an errand: a mount that hangs must not hang the program that opens
 * it. */
#include "loader/listing.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "loader/errand.h"
#include "plan/dataset.h"

struct listing {
    struct stk_errand errand;
    stoker_folder_options opt;
    stoker_dataset *dataset;
    stoker_error error;
    int rc;
    char root[];
};

static void list(struct stk_errand *errand)
{
    struct listing *l = (struct listing *)errand;

    l->rc = stk_dataset_from_folder(&l->dataset, l->root, &l->opt,
                                    &errand->pulse, &l->error);
}

static void forget(struct stk_errand *errand)
{
    stk_dataset_free(((struct listing *)errand)->dataset);
}

int stk_listing_run(stoker_dataset **out, const char *root,
                    const stoker_folder_options *opt, stoker_error *err)
{
    size_t n = strlen(root) + 1;
    struct listing *l = stk_calloc(1, sizeof *l + n);

    if (!l)
        return stk_fail(err, -ENOMEM, "%s: no memory to list it", root);
    memcpy(l->root, root, n);
    l->opt = *opt;
    l->errand.run = list;
    l->errand.forget = forget;
    if (stk_errand_run(&l->errand, opt->stall_timeout_ms) < 0)
        return stk_fail(err, -ETIMEDOUT,
                        "%s: stalled: its storage has not answered for %d ms "
                        "while it was listed",
                        root, opt->stall_timeout_ms);
    int rc = l->rc;
    if (rc == 0)
        *out = l->dataset;
    else if (err)
        *err = l->error;
    stk_free(l);
    return rc;
}
