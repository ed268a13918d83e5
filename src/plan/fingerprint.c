/* What a data set is, in 128 bits: relative names and labels in order, each
 * with its length before it, so that no two lists give the same bytes.  The
 * bytes that are hashed stand in docs/formats.md. */
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "plan/catalog.h"
#include "sync/pulse.h"

enum { WITH_SIZES = 1 };

/* The size that a name below the root has; -1: it cannot be asked. */
static int64_t size_of(const struct stoker_dataset *ds,
                       const struct stk_catalog_dir *dir, int64_t id,
                       int root_fd)
{
    char path[4096];
    struct stat st;
    size_t n = ds->name_at[id + 1] - ds->name_at[id];

    if (dir->path_n + n >= sizeof path)
        return -1;
    memcpy(path, ds->text + dir->path_at, dir->path_n);
    memcpy(path + dir->path_n, ds->names + ds->name_at[id], n);
    path[dir->path_n + n] = '\0';
    return fstatat(root_fd, path, &st, 0) == 0 ? (int64_t)st.st_size : -1;
}

static void add_found(struct stk_hash *hash, const struct stoker_dataset *ds,
                      int root_fd, struct stk_pulse *pulse)
{
    int64_t id = 0;
    for (int64_t d = 0; d < ds->n_dirs; d++) {
        const struct stk_catalog_dir *dir = &ds->dirs[d];
        int64_t end = d + 1 < ds->n_dirs ? dir[1].first_item : ds->n;
        for (; id < end; id++) {
            size_t n = ds->name_at[id + 1] - ds->name_at[id];
            stk_hash_add_u64(hash, dir->path_n + n);
            stk_hash_add(hash, ds->text + dir->path_at, dir->path_n);
            stk_hash_add(hash, ds->names + ds->name_at[id], n);
            stk_hash_add_u64(hash, (uint64_t)dir->class_index);
            if (root_fd < 0)
                continue;
            stk_pulse_beat(pulse);
            stk_hash_add_u64(hash, (uint64_t)size_of(ds, dir, id, root_fd));
        }
    }
}

/* A name that was given stands for its item; without one its place does. */
static void add_given(struct stk_hash *hash, const struct stoker_dataset *ds)
{
    for (int64_t id = 0; id < ds->n; id++) {
        const struct stk_catalog_item *item = &ds->items[id];
        const char *name =
            item->name_at == STK_NO_NAME ? "" : ds->text + item->name_at;
        bool is_path = item->source == STOKER_SOURCE_FILE &&
                       item->name_at == item->path_at;
        stk_hash_add_u64(hash, strlen(name));
        stk_hash_add(hash, name, strlen(name));
        stk_hash_add_u64(hash, is_path ? (uint64_t)item->offset : 0);
        stk_hash_add_u64(hash, is_path || !*name ? (uint64_t)item->length : 0);
        stk_hash_add_u64(hash, (uint64_t)item->label);
    }
}

void stk_catalog_fingerprint(struct stoker_dataset *ds, int root_fd,
                             struct stk_pulse *pulse)
{
    struct stk_hash hash;
    stk_hash_begin(&hash, stk_hash_key);
    stk_hash_add_u64(&hash, ds->items ? 2 : 1); /* given or found */
    stk_hash_add_u64(&hash, root_fd >= 0 ? WITH_SIZES : 0);
    stk_hash_add_u64(&hash, (uint64_t)ds->n);
    if (ds->items)
        add_given(&hash, ds);
    else
        add_found(&hash, ds, root_fd, pulse);
    stk_hash_end(&hash, ds->fingerprint);
}
