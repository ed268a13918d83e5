/* The walk of one class folder; folder.c walks all and makes the dataset. */
#ifndef STK_WALK_H
#define STK_WALK_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/grow.h"
#include "plan/names.h"
#include "sync/pulse.h"

/* The state of one scan; one thread's.  Zeros but for the first group. */
struct stk_walk {
    const char *root; /* as the user wrote it, without final '/' */
    int root_fd;
    dev_t root_device;
    ino_t root_inode;
    void *listing;           /* STK_LISTING_BYTES */
    struct stk_pulse *pulse; /* beats with each system call, or NULL */
    stoker_error *err;
    /* of the class under way */
    struct stk_grow places, paths, files, file_names, order, spare;
    /* of the dataset to be: struct stk_catalog_dir, text, ... */
    struct stk_grow text, class_at, dirs, names, name_at;
    struct stk_grow empty; /* the first classes without an image, by name */
    int64_t n_empty;
};

/* One system call for a few thousand entries. */
enum { STK_LISTING_BYTES = 256 * 1024 };

/* Lists the folders, and links to one, in the root: struct stk_name, and
 * their text without final zeros. */
int stk_walk_classes(struct stk_walk *walk, struct stk_grow *list,
                     struct stk_grow *text);

/* Adds a class: its folder and all below, in order.
 * Returns 0 or an error that names the folder. */
int stk_walk_class(struct stk_walk *walk, const char *name,
                   int32_t class_index);

int stk_walk_fail_memory(const struct stk_walk *walk);

void stk_walk_fini(struct stk_walk *walk);

#endif
