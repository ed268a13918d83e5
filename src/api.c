/* Exported bodies of loader and batch: argument checks, defaults and copies
 * by size; everything else lies in loader/. */
#include <errno.h>
#include <string.h>

#include "loader/feed.h"
#include "loader/worker.h"

#define VERSION_TEXT(a, b, c) #a "." #b "." #c
#define VERSION(a, b, c)      VERSION_TEXT(a, b, c)

const char *stoker_version(void)
{
    return VERSION(STOKER_VERSION_MAJOR, STOKER_VERSION_MINOR,
                   STOKER_VERSION_PATCH);
}

void stoker_options_init(stoker_options *opt, size_t size)
{
    if (opt)
        stk_options_init(opt, size);
}

int stoker_loader_open(stoker_loader **out, stoker_dataset *ds,
                       const stoker_options *opt, stoker_error *err)
{
    stoker_error mine;
    stoker_options full;

    err = stk_error_begin(err, &mine);
    if (!out || !ds)
        return stk_fail(err, -EINVAL, "stoker_loader_open: NULL argument");
    *out = NULL;
    int rc = stk_options_read(&full, opt, err);
    return rc < 0 ? rc : stk_loader_open(out, ds, &full, err);
}

int stoker_arena_bytes(const stoker_options *opt, size_t *bytes,
                       stoker_error *err)
{
    stoker_error mine;
    stoker_options full;
    struct stk_program program;
    struct stk_plan plan;
    size_t image_bytes, buffer_bytes, unused[2];

    err = stk_error_begin(err, &mine);
    if (!bytes)
        return stk_fail(err, -EINVAL, "stoker_arena_bytes: NULL argument");
    int rc = stk_options_read(&full, opt, err);
    if (rc == 0)
        rc = stk_program_from(&program, &full, err);
    if (rc < 0)
        return rc;
    rc = stk_plan_init(&plan, &full, STK_MAX_ITEMS, 0, 0, err);
    if (rc < 0)
        return rc;
    if (stk_mul_overflows(program.sample_bytes, (size_t)plan.rows,
                          &image_bytes) ||
        image_bytes > SIZE_MAX / 4 ||
        !stk_arena_sizes(stk_feed_buffer_bytes(image_bytes, (size_t)plan.rows,
                                               &unused[0], &unused[1]),
                         (size_t)full.n_slots, &buffer_bytes, bytes))
        return stk_fail(err, -EINVAL, "batches: too many bytes");
    return 0;
}

int stoker_loader_seek(stoker_loader *loader, const stoker_cursor *to,
                       stoker_error *err)
{
    stoker_error mine;

    err = stk_error_begin(err, &mine);
    if (!loader || !to || to->size < sizeof *to)
        return stk_fail(err, -EINVAL,
                        "stoker_loader_seek: a NULL argument "
                        "or a cursor without its size");
    return stk_loader_seek(loader, to, err);
}

void stoker_loader_cursor(stoker_loader *loader, stoker_cursor *out)
{
    if (loader && out)
        stk_loader_cursor(loader, out);
}

int stoker_loader_next(stoker_loader *loader, stoker_batch **out,
                       int timeout_ms, stoker_error *err)
{
    stoker_error mine;

    err = stk_error_begin(err, &mine);
    if (!loader || !out)
        return stk_fail(err, -EINVAL, "stoker_loader_next: NULL argument");
    *out = NULL;
    return stk_loader_next(loader, out, timeout_ms, err);
}

int stoker_loader_close(stoker_loader **loader)
{
    if (!loader || !*loader)
        return 0;
    stoker_loader *self = *loader;
    *loader = NULL;
    return stk_loader_close(self);
}

int stoker_batch_tensor(const stoker_batch *batch, const char *name,
                        stoker_tensor *out)
{
    if (!batch || !name || !out || out->size < sizeof(size_t))
        return -EINVAL;
    return stk_batch_tensor(batch, name, out);
}

void stoker_batch_info_get(const stoker_batch *batch, stoker_batch_info *out)
{
    if (!batch || !out)
        return;
    size_t size = out->size < sizeof *out ? out->size : sizeof *out;
    memcpy(out, &batch->info, size);
    out->size = size;
}

void stoker_batch_release(stoker_batch *batch)
{
    if (batch)
        stk_batch_drop(batch, true);
}

int stoker_batch_dlpack(stoker_batch *batch, const char *name, int versioned,
                        void **out, stoker_error *err)
{
    if (!batch || !name || !out)
        return stk_fail(err, -EINVAL, "stoker_batch_dlpack: NULL argument");
    return stk_batch_dlpack(batch, name, versioned != 0, out, err);
}

void stoker_loader_stats(stoker_loader *loader, stoker_stats *out)
{
    if (loader && out)
        stk_loader_stats(loader, out);
}

void stoker_loader_report(stoker_loader *loader, char *text, size_t bytes)
{
    if (loader && text)
        stk_loader_report(loader, text, bytes);
}

void stoker_loader_digest(stoker_loader *loader, stoker_digest *out,
                          int64_t *epoch, int64_t *from, int64_t *to)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    if (out)
        *out = loader->digest;
    if (epoch)
        *epoch = loader->digest_epoch;
    if (from)
        *from = loader->digest_from;
    if (to)
        *to = loader->consumed;
    pthread_mutex_unlock(&loader->lock);
}

int64_t stoker_loader_bad(stoker_loader *loader, int64_t first, stoker_bad *out,
                          size_t n, size_t bad_bytes)
{
    if (!loader || first < 0 || (n && (!out || bad_bytes == 0)))
        return -EINVAL;
    pthread_mutex_lock(&loader->lock);
    const struct stk_book *book = &loader->book;
    size_t size = bad_bytes < sizeof *out ? bad_bytes : sizeof *out;
    for (size_t i = 0; i < n && first + (int64_t)i < book->n_listed; i++)
        memcpy((uint8_t *)out + i * bad_bytes, &book->list[first + (int64_t)i],
               size);
    int64_t n_all = book->n_all;
    pthread_mutex_unlock(&loader->lock);
    return n_all;
}
