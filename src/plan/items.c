/* A dataset of items that were given: each checked with its index, paths
 * kept once however many items lie in one shard. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/grow.h"
#include "base/hash.h"
#include "base/mem.h"
#include "plan/catalog.h"

/* An open-addressed table from paths to their place in text; 0 is free, so
 * places are kept plus one. */
struct interner {
    uint64_t *slots;
    size_t n_slots, n; /* n_slots is a power of two */
    struct stk_grow text;
};

static size_t slot_of(const struct interner *in, const char *path, size_t n)
{
    uint8_t hash[16];
    uint64_t first;
    stk_hash128(path, n, hash);
    memcpy(&first, hash, sizeof first); /* any order of bytes will do */
    size_t slot = (size_t)first & (in->n_slots - 1);
    while (in->slots[slot] &&
           strcmp((const char *)in->text.data + in->slots[slot] - 1, path) != 0)
        slot = (slot + 1) & (in->n_slots - 1);
    return slot;
}

static int widen(struct interner *in)
{
    struct interner wide = *in;
    wide.n_slots = in->n_slots ? in->n_slots * 2 : 64;
    wide.slots = stk_calloc(wide.n_slots, sizeof *wide.slots);
    if (!wide.slots)
        return -ENOMEM;
    for (size_t i = 0; i < in->n_slots; i++) {
        if (!in->slots[i])
            continue;
        const char *path = (const char *)in->text.data + in->slots[i] - 1;
        wide.slots[slot_of(&wide, path, strlen(path))] = in->slots[i];
    }
    stk_free(in->slots);
    *in = wide;
    return 0;
}

static int keep_path(struct interner *in, const char *path, uint64_t *at)
{
    size_t n = strlen(path);
    if (in->n >= in->n_slots / 2 && widen(in) != 0)
        return -ENOMEM;
    size_t slot = slot_of(in, path, n);
    if (!in->slots[slot]) {
        if (stk_grow_add(&in->text, path, n + 1) != 0)
            return -ENOMEM;
        in->slots[slot] = in->text.n - n; /* its place plus one */
        in->n++;
    }
    *at = in->slots[slot] - 1;
    return 0;
}

static int refuse(stoker_error *err, size_t i, const char *why)
{
    return stk_fail_at(err, STOKER_STAGE_PLAN, (int64_t)i,
                       stk_fail(err, -EINVAL, "items[%zu]: %s", i, why));
}

static int check_file(const stoker_item *item, size_t i, stoker_error *err)
{
    int64_t end;
    if (!item->path)
        return refuse(err, i, "path is NULL");
    size_t n = strnlen(item->path, PATH_MAX);
    if (n == 0)
        return refuse(err, i, "path is empty");
    if (n == PATH_MAX)
        return refuse(err, i, "path is over 4095 bytes");
    if (item->offset < 0)
        return refuse(err, i, "offset is negative");
    if (item->length < -1)
        return refuse(err, i, "length is below -1 (-1: to the end)");
    if (item->length > 0 &&
        __builtin_add_overflow(item->offset, item->length, &end))
        return refuse(err, i, "offset + length is over 2^63");
    return 0;
}

static int check_memory(const stoker_item *item, size_t i, stoker_error *err)
{
    if (!item->data)
        return refuse(err, i, "data is NULL");
    if (item->length < 0)
        return refuse(err, i, "length of memory is negative");
    if (item->offset != 0)
        return refuse(err, i, "offset into memory is not 0");
    return 0;
}

static int check(const stoker_item *item, size_t i, stoker_error *err)
{
    if (item->reserved0 != 0)
        return refuse(err, i, "reserved0 is not 0");
    if (item->label == -100)
        return refuse(err, i, "label -100 is kept for rows without a sample");
    if (item->source == STOKER_SOURCE_FILE)
        return check_file(item, i, err);
    if (item->source == STOKER_SOURCE_MEMORY)
        return check_memory(item, i, err);
    return refuse(err, i, "source is neither FILE nor MEMORY");
}

/* Fields that a newer header appended must be 0: they are not understood. */
static int check_tail(const uint8_t *entry, size_t item_bytes, size_t i,
                      stoker_error *err)
{
    for (size_t k = sizeof(stoker_item); k < item_bytes; k++)
        if (entry[k])
            return refuse(err, i, "uses a field that this version lacks");
    return 0;
}

static int keep(struct interner *in, const stoker_item *item,
                struct stk_catalog_item *out)
{
    *out = (struct stk_catalog_item){
        .name_at = STK_NO_NAME,
        .path_at = STK_NO_NAME,
        .offset = item->offset,
        .length = item->length,
        .label = item->label,
        .source = item->source,
    };
    if (item->source == STOKER_SOURCE_MEMORY)
        out->data = item->data;
    else if (keep_path(in, item->path, &out->path_at) != 0)
        return -ENOMEM;
    if (!item->name) {
        out->name_at = out->path_at;
        return 0;
    }
    out->name_at = in->text.n;
    return stk_grow_add(&in->text, item->name, strlen(item->name) + 1);
}

static int keep_all(struct stoker_dataset *ds, struct interner *in,
                    const void *items, size_t n, size_t item_bytes,
                    stoker_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *entry = (const uint8_t *)items + i * item_bytes;
        stoker_item item;
        memcpy(&item, entry, sizeof item);
        int rc = check(&item, i, err);
        if (rc == 0)
            rc = check_tail(entry, item_bytes, i, err);
        if (rc != 0)
            return rc;
        if (keep(in, &item, &ds->items[i]) != 0)
            return stk_fail(err, -ENOMEM, "no memory for %zu items", n);
    }
    return 0;
}

int stk_dataset_from_items(stoker_dataset **out, const stoker_item *items,
                           size_t n, size_t item_bytes, stoker_error *err)
{
    struct interner in = {0};
    struct stoker_dataset *ds = stk_calloc(1, sizeof *ds);
    if (ds)
        ds->items = stk_calloc(n, sizeof *ds->items);
    if (!ds || !ds->items) {
        stk_free(ds);
        return stk_fail(err, -ENOMEM, "no memory for %zu items", n);
    }
    stk_refcount_init(&ds->owners);
    int rc = keep_all(ds, &in, items, n, item_bytes, err);
    if (rc == 0) {
        ds->n = (int64_t)n;
        ds->text_bytes = in.text.n;
        ds->text = stk_grow_take(&in.text);
        stk_catalog_fingerprint(ds, -1, NULL);
        *out = ds;
    } else {
        stk_dataset_free(ds);
    }
    stk_grow_fini(&in.text);
    stk_free(in.slots);
    return rc;
}
