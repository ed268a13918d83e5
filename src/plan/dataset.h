/* What there is: an immutable, shared list of items.  This header is for the
 * loader; stoker.h has what users see. */
#ifndef STK_DATASET_H
#define STK_DATASET_H

#include "base/error.h"
#include "flow/part.h"

/* Another owner; stk_dataset_free() gives the share back. */
void stk_dataset_retain(stoker_dataset *ds);

/* Where an item's bytes lie.  A file's path that can be opened is written to
 * path (4096 bytes hold any) and out->path points there.  Any thread;
 * nothing is allocated.
 * Returns 0; -EINVAL outside the dataset; -ENAMETOOLONG. */
int stk_dataset_part(const stoker_dataset *ds, int64_t id, char *path,
                     size_t path_bytes, struct stk_part *out);

int64_t stk_dataset_n(const stoker_dataset *ds);
int64_t stk_dataset_label(const stoker_dataset *ds, int64_t id);
int64_t stk_dataset_n_classes(const stoker_dataset *ds);
const char *stk_dataset_class(const stoker_dataset *ds, int64_t index);

/* The name for people, as stoker_dataset_path(). */
int64_t stk_dataset_name(const stoker_dataset *ds, int64_t id, char *text,
                         size_t bytes);

void stk_dataset_fingerprint(const stoker_dataset *ds, uint8_t out[16]);

/* Bytes of memory that the dataset holds; for tests. */
size_t stk_dataset_bytes(const stoker_dataset *ds);

/* pulse beats before each system call; NULL: nobody watches. */
struct stk_pulse;
int stk_dataset_from_folder(stoker_dataset **out, const char *root,
                            const stoker_folder_options *opt,
                            struct stk_pulse *pulse, stoker_error *err);
int stk_dataset_from_items(stoker_dataset **out, const stoker_item *items,
                           size_t n, size_t item_bytes, stoker_error *err);
void stk_dataset_free(stoker_dataset *ds);

#endif
