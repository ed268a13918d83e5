/* Reading a dataset: paths, parts, labels; and its end.  How one is made is
 * in folder.c and items.c. */
#include "plan/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "plan/catalog.h"

/* Pieces of text put together in a caller's buffer. */
struct writer {
    char *text;
    size_t bytes, n; /* n counts what did not fit too */
};

static void write_piece(struct writer *w, const char *piece, size_t n)
{
    if (w->n < w->bytes) {
        size_t fits = w->bytes - w->n < n ? w->bytes - w->n : n;
        memcpy(w->text + w->n, piece, fits);
    }
    w->n += n;
}

/* Puts the final 0, over the last byte where the text was cut. */
static int64_t finish(struct writer *w)
{
    if (w->bytes)
        w->text[w->n < w->bytes ? w->n : w->bytes - 1] = '\0';
    return (int64_t)w->n;
}

const struct stk_catalog_dir *
stk_catalog_dir_of(const struct stoker_dataset *ds, int64_t id)
{
    int64_t low = 0, high = ds->n_dirs; /* the dir is in low ... high-1 */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (ds->dirs[middle].first_item <= id)
            low = middle;
        else
            high = middle;
    }
    return &ds->dirs[low];
}

static bool is_outside(const struct stoker_dataset *ds, int64_t id)
{
    return id < 0 || id >= ds->n;
}

static int64_t found_path(const struct stoker_dataset *ds, int64_t id,
                          char *text, size_t bytes)
{
    const struct stk_catalog_dir *dir = stk_catalog_dir_of(ds, id);
    struct writer w = {text, bytes, 0};

    write_piece(&w, ds->text, ds->root_n);
    write_piece(&w, ds->text + dir->path_at, dir->path_n);
    write_piece(&w, ds->names + ds->name_at[id],
                ds->name_at[id + 1] - ds->name_at[id]);
    return finish(&w);
}

int64_t stk_dataset_name(const stoker_dataset *ds, int64_t id, char *text,
                         size_t bytes)
{
    char nameless[40];

    if (is_outside(ds, id))
        return -EINVAL;
    if (!ds->items)
        return found_path(ds, id, text, bytes);
    const char *name = nameless;
    if (ds->items[id].name_at != STK_NO_NAME)
        name = ds->text + ds->items[id].name_at;
    else
        snprintf(nameless, sizeof nameless, "item %lld", (long long)id);
    struct writer w = {text, bytes, 0};
    write_piece(&w, name, strlen(name));
    return finish(&w);
}

int stk_dataset_part(const stoker_dataset *ds, int64_t id, char *path,
                     size_t path_bytes, struct stk_part *out)
{
    if (is_outside(ds, id))
        return -EINVAL;
    if (!ds->items) {
        *out = (struct stk_part){
            .source = STOKER_SOURCE_FILE, .path = path, .length = -1};
        int64_t n = found_path(ds, id, path, path_bytes);
        return (uint64_t)n < path_bytes ? 0 : -ENAMETOOLONG;
    }
    const struct stk_catalog_item *item = &ds->items[id];
    *out = (struct stk_part){.source = item->source,
                             .data = item->data,
                             .offset = item->offset,
                             .length = item->length};
    if (item->source == STOKER_SOURCE_MEMORY)
        return 0;
    const char *from = ds->text + item->path_at;
    size_t n = strlen(from) + 1;
    if (n > path_bytes)
        return -ENAMETOOLONG;
    memcpy(path, from, n);
    out->path = path;
    return 0;
}

int64_t stk_dataset_label(const stoker_dataset *ds, int64_t id)
{
    if (is_outside(ds, id))
        return -1;
    return ds->items ? ds->items[id].label
                     : stk_catalog_dir_of(ds, id)->class_index;
}

int64_t stk_dataset_n(const stoker_dataset *ds)
{
    return ds->n;
}

int64_t stk_dataset_n_classes(const stoker_dataset *ds)
{
    return ds->n_classes;
}

const char *stk_dataset_class(const stoker_dataset *ds, int64_t index)
{
    if (index < 0 || index >= ds->n_classes)
        return NULL;
    return ds->text + ds->class_at[index];
}

void stk_dataset_fingerprint(const stoker_dataset *ds, uint8_t out[16])
{
    memcpy(out, ds->fingerprint, sizeof ds->fingerprint);
}

size_t stk_dataset_bytes(const stoker_dataset *ds)
{
    size_t n = (size_t)ds->n;
    size_t bytes = sizeof *ds + ds->text_bytes +
                   (size_t)ds->n_classes * sizeof *ds->class_at +
                   (size_t)ds->n_dirs * sizeof *ds->dirs;
    if (ds->name_at)
        bytes += (n + 1) * sizeof *ds->name_at + ds->name_at[n];
    if (ds->items)
        bytes += n * sizeof *ds->items;
    return bytes;
}

void stk_dataset_retain(stoker_dataset *ds)
{
    stk_refcount_take(&ds->owners);
}

void stk_dataset_free(stoker_dataset *ds)
{
    if (!ds || !stk_refcount_drop(&ds->owners))
        return;
    stk_free(ds->text);
    stk_free(ds->class_at);
    stk_free(ds->dirs);
    stk_free(ds->names);
    stk_free(ds->name_at);
    stk_free(ds->items);
    stk_free(ds);
}
