/* One sample's way, stage by stage, with a stopwatch: what limit.c asks over
 * and over.  One stager a thread. */
#ifndef STK_STAGES_H
#define STK_STAGES_H

#include "augment/place.h"
#include "augment/program.h"
#include "decode/decode.h"
#include "loader/worker.h"
#include "pin/memory.h"
#include "read/io.h"

/* Nanoseconds of one sample, without the looks at the clock. */
struct stk_stages {
    int64_t read, probe, values, skip, idct, colour, across, down, fallback;
};
enum { STK_N_STAGES = sizeof(struct stk_stages) / sizeof(int64_t) };

/* What every stager of a study reads.  Immutable. */
struct stk_study {
    stoker_dataset *dataset;
    const stoker_options *opt;
    struct stk_program program;
    struct stk_plan plan;
    struct stk_decode_limits limits;
    int32_t n_threads;
    int64_t n_samples;
};

struct stk_stager {
    const struct stk_study *study;
    struct stk_io *io;
    struct stk_decoder *decoder;
    struct stk_jpeg_decoder *own;
    struct stk_placer *placer;
    /* Where samples go in turn, on pages like the loader's. */
    struct stk_memory rows;
    size_t n_rows, n_run;
    struct stk_job job;
    int64_t clock_ns; /* what a look at the clock costs */
    /* The weights of both passes, made before the first row, and all rows.
     * The placer looks at the clock at some strips only: its own times give
     * the proportion of its passes, rows_ns their sum. */
    int64_t weights_ns, rows_ns;
};

int stk_stager_open(struct stk_stager *s, const struct stk_study *study,
                    stoker_error *err);
void stk_stager_close(struct stk_stager *s);

/* Reads the ticket's sample and runs it through.  Returns its bytes; 0: the
 * thread did not have its CPU all the time, so the times are no good; or what
 * the sample is refused with. */
int64_t stk_stager_run(struct stk_stager *s, int64_t ticket,
                       struct stk_stages *now, stoker_error *err);

#endif
