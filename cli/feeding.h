/* The options that every command with batches takes, and the data set and
 * loader that they ask for. */
#ifndef CLI_FEEDING_H
#define CLI_FEEDING_H

#include <stdio.h>

#include "cli.h"

struct feed {
    stoker_options options;
    stoker_transform transforms[4];
    int32_t transform; /* 0 train, 1 val */
    int64_t size, batch_size, global_batch, n_workers, rank, world, slots;
    uint64_t seed;
    const char *device; /* as it was typed; NULL: host memory */
    bool no_shuffle, drop_last;
    stoker_dataset *ds;
    stoker_loader *loader;
};

extern const struct cli_word feed_dtypes[], feed_layouts[], feed_ios[],
    feed_cpus[], feed_decoders[], feed_transforms[];

/* The defaults: train, 224, 64, u8, NCHW. */
void feed_init(struct feed *feed);

/* What decides a batch's contents: size, batch size, seed, rank, ... */
void feed_batch_flags(struct cli_flags *flags, struct feed *feed);
void feed_global_flag(struct cli_flags *flags, struct feed *feed);
/* Samples of a step, over all ranks. */
int64_t feed_step_samples(const struct feed *feed);
void feed_damaged_flag(struct cli_flags *flags, struct feed *feed);
/* How it is made: workers, I/O engine, decoder, dtype, ... */
void feed_engine_flags(struct cli_flags *flags, struct feed *feed);

/* Opens the folder; says what is wrong.  Returns an exit code. */
int feed_open_folder(struct feed *feed, const char *command,
                     const char *folder);
/* Turns the flags into options and transforms. */
void feed_settle(struct feed *feed);
/* Opens the loader, too. */
int feed_open_loader(struct feed *feed, const char *command);
void feed_close(struct feed *feed);

/* A sample's path, which is the caller's to free; NULL without memory. */
char *feed_path(const struct feed *feed, int64_t id);
/* A sample's path as cli_put_line() says it; or (padding). */
void feed_put_path(FILE *out, const struct feed *feed, int64_t id);

#endif
