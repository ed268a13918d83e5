/* Exported bodies for batches and CUDA streams. */
#include <errno.h>
#include <string.h>

#include "loader/loader.h"
#include "pin/bus.h"

int stoker_batch_acquire(stoker_batch *batch, void *stream, stoker_error *err)
{
    stoker_error mine;

    err = stk_error_begin(err, &mine);
    if (!batch)
        return stk_fail(err, -EINVAL, "stoker_batch_acquire: NULL argument");
    return stk_batch_acquire(batch, stream, err);
}

int stoker_batch_release_on(stoker_batch *batch, void *stream,
                            stoker_error *err)
{
    stoker_error mine;

    err = stk_error_begin(err, &mine);
    if (!batch)
        return 0;
    return stk_batch_drop_on(batch, stream, err);
}

int stoker_batch_record_stream(stoker_batch *batch, void *stream,
                               stoker_error *err)
{
    stoker_error mine;

    err = stk_error_begin(err, &mine);
    if (!batch)
        return stk_fail(err, -EINVAL,
                        "stoker_batch_record_stream: NULL argument");
    return stk_batch_record_stream(batch, stream, err);
}

int stoker_loader_mark(stoker_loader *loader, void *stream, stoker_error *err)
{
    stoker_error mine;

    err = stk_error_begin(err, &mine);
    if (!loader)
        return stk_fail(err, -EINVAL, "stoker_loader_mark: NULL argument");
    struct stk_gpu *gpu = loader->home->gpu;
    return gpu && stk_home_is_ours(loader->home)
               ? stk_guard_mark(&gpu->guard, stream, true, err)
               : 0;
}

int stoker_device_measure(int ordinal, stoker_device_info *out,
                          stoker_error *err)
{
    stoker_device_info full = {.numa_node = -1};
    stoker_error mine;

    err = stk_error_begin(err, &mine);
    if (!out)
        return stk_fail(err, -EINVAL, "stoker_device_measure: NULL argument");
    full.size = out->size;
    int rc = stk_bus_measure(ordinal, &full, err);
    memcpy(out, &full, full.size < sizeof full ? full.size : sizeof full);
    return rc;
}
