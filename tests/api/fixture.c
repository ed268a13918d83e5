/* One of each for the test that runs: libcheck forks for every one. */
#include "fixture.h"

#include <check.h>

struct photos photos;
stoker_dataset *ds;
stoker_transform crop;
stoker_error err;

void setup(void)
{
    photos_make(&photos, 50);
    ds = photos_dataset(&photos);
}

void teardown(void)
{
    stoker_dataset_free(ds);
    photos_free(&photos);
}

stoker_loader *open_with(const stoker_options *opt)
{
    stoker_loader *loader = NULL;
    int rc = stoker_loader_open(&loader, ds, opt, &err);
    ck_assert_msg(rc == 0, "open: %s", err.text);
    return loader;
}

stoker_tensor tensor_of(const stoker_batch *batch, const char *name)
{
    stoker_tensor t = {.size = sizeof t};
    ck_assert_int_eq(stoker_batch_tensor(batch, name, &t), 0);
    return t;
}
