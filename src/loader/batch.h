/* A batch: a lease on one buffer, small tensors of its own, and what the
 * consumer's books need.  Two counts, so that kept labels keep no image. */
#ifndef STK_BATCH_H
#define STK_BATCH_H

#include "augment/program.h"
#include "loader/columns.h"
#include "loader/home.h"

struct stoker_batch {
    atomic_uint n_shares;       /* the lease and every exported tensor */
    atomic_uint n_image_shares; /* the lease and every exported image */
    struct stk_home *home;
    uint32_t buffer;       /* of host memory; device_buffer >= 0: given back */
    int32_t device_buffer; /* -1: the image lies in host memory */
    bool is_lost;          /* a copy may still touch it: never used again */
    atomic_int was_seen;   /* handed out: streams may be reading the image */
    int32_t dtype, layout, height, width;
    stoker_batch_info info;
    uint8_t *image;
    size_t label_at, valid_at; /* in the raw device buffer */
    struct stk_columns rows;   /* in memory behind the struct */
    int64_t consumed_after;    /* for the cursor */
    bool is_last_of_epoch;
};

/* A batch of n_rows copied from a place's rows (its chains of faults move
 * over), leasing `buffer` of home; NULL: no memory, nothing happened. */
stoker_batch *stk_batch_make(struct stk_home *home, uint32_t buffer,
                             const struct stk_program *output,
                             struct stk_columns *rows, int64_t n_rows);

/* The same batch, its image, label and valid now in a device buffer. */
void stk_batch_move_to_device(stoker_batch *batch, uint32_t device_buffer);

/* Takes and gives back shares; an image share comes on top of a share. */
void stk_batch_retain(stoker_batch *batch, bool image);
void stk_batch_drop(stoker_batch *batch, bool image);

/* Drops the lease when `stream` has passed what it was given so far. */
int stk_batch_drop_on(stoker_batch *batch, void *stream, stoker_error *err);
int stk_batch_acquire(stoker_batch *batch, void *stream, stoker_error *err);
int stk_batch_record_stream(stoker_batch *batch, void *stream,
                            stoker_error *err);

int stk_batch_tensor(const stoker_batch *batch, const char *name,
                     stoker_tensor *out);

/* See stoker_batch_dlpack(). */
int stk_batch_dlpack(stoker_batch *batch, const char *name, bool versioned,
                     void **out, stoker_error *err);

#endif
