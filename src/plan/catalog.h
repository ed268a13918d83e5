/* The inside of a dataset, for the files that build and read one. */
#ifndef STK_CATALOG_H
#define STK_CATALOG_H

#include "plan/dataset.h"
#include "sync/refcount.h"

/* Items that lie in one folder have neighbouring ids. */
struct stk_catalog_dir {
    uint64_t path_at; /* in text: from the root, with a final '/' */
    uint32_t path_n;
    int32_t class_index;
    int64_t first_item;
};

/* One item that was given, not found. */
struct stk_catalog_item {
    uint64_t name_at; /* in text, ends with 0; STK_NO_NAME: none */
    uint64_t path_at; /* FILE: in text, shared by items of one shard */
    const uint8_t *data;
    int64_t offset, length, label;
    int32_t source;
};
#define STK_NO_NAME UINT64_MAX

/* Immutable but for the count of owners.  Exactly one of dirs and items is
 * there (a folder without images has neither, and n 0). */
struct stoker_dataset {
    struct stk_refcount owners;
    int64_t n, n_classes, n_dirs;
    uint8_t fingerprint[16];
    char *text; /* paths and names of classes, dirs and given items */
    size_t text_bytes;
    uint64_t root_n;    /* of the root, first in text, with a final '/' */
    uint64_t *class_at; /* [n_classes] in text, each ends with 0 */
    struct stk_catalog_dir *dirs;
    char *names;       /* of a folder's files, one behind the other */
    uint64_t *name_at; /* [n + 1] in names */
    struct stk_catalog_item *items; /* [n] */
};

/* The folder that holds an item. */
const struct stk_catalog_dir *
stk_catalog_dir_of(const struct stoker_dataset *ds, int64_t id);

/* Fills ds->fingerprint.  root_fd: the root, to ask for sizes; -1: without
 * sizes.  pulse: of the thread that asks, or NULL. */
void stk_catalog_fingerprint(struct stoker_dataset *ds, int root_fd,
                             struct stk_pulse *pulse);

#endif
