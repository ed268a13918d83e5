/* Placing: rows of a source window in, one finished sample written once, at
 * its final address.  Pillow's fixed-point resample, both orders of passes;
 * flips are mirrored tables; dtype, layout and normalise are in the write. */
#ifndef STK_PLACE_H
#define STK_PLACE_H

#include "augment/program.h"

struct stk_placer;

/* One a worker; owner thread only.  program stays for the placer's life; cpu
 * is a resolved stoker_cpu. */
int stk_placer_open(struct stk_placer **out, const struct stk_program *program,
                    int cpu, stoker_error *err);
void stk_placer_close(struct stk_placer **placer);

/* Begins a sample: weights for this geometry.  target: program->sample_bytes,
 * contiguous [3, h, w] or [h, w, 3], 64-byte aligned or not.
 * Returns 0 or -ENOMEM. */
int stk_placer_begin(struct stk_placer *placer,
                     const struct stk_geometry *geometry, void *target,
                     stoker_error *err);

/* Takes the next rows of geometry->source, all of its columns. */
void stk_placer_rows(struct stk_placer *placer, const struct stk_strip *strip);

/* true when every output row has been written. */
bool stk_placer_done(const struct stk_placer *placer);

/* Time since _begin in each part, for stats; written by the placer.  Weights
 * are timed, of strips only one: right on average over samples. */
struct stk_place_times {
    int64_t resample_ns,
        emit_ns; /* weights and first pass; last pass, writing */
};
void stk_placer_times(const struct stk_placer *placer,
                      struct stk_place_times *times);

size_t stk_placer_scratch_bytes(const struct stk_placer *placer);

#endif
