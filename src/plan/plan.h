/* The plan: which id goes into which row of which batch of this rank, by
 * arithmetic alone.  Immutable once made; any thread; nothing is allocated. */
#ifndef STK_PLAN_H
#define STK_PLAN_H

#include "base/error.h"
#include "plan/order.h"

/* A run of this rank from (epoch, consumed) on.
 * Step s of an epoch covers positions consumed + s * global ... of the
 * epoch's order, at most `global` of them; ranks take contiguous shares of
 * these, the first (n % world) ranks one more.  Every rank's batch has
 * ceil(n / world) rows; the row that a rank lacks is padding, at the end. */
struct stk_plan {
    uint64_t seed;
    int64_t n_items;
    int64_t rank, world;
    int64_t global;          /* positions of a full step, all ranks */
    int64_t rows;            /* of a full step, this rank */
    int64_t epoch, consumed; /* where the run starts */
    int64_t n_epochs;        /* epochs end here; without an end asked for,
                                where 2^63 tickets or 2^40 epochs do */
    int64_t first_steps, first_tickets; /* of the epoch that it starts in */
    int64_t steps, tickets;             /* of every later epoch */
    bool shuffle, drop_last;
};

/* One batch of this rank. */
struct stk_step {
    int64_t epoch;
    int64_t step; /* of the epoch, from its start or where the run starts */
    int64_t first_position, n_positions; /* of the epoch's order, all ranks */
    int64_t first_ticket;                /* of the batch's row 0 */
    int64_t consumed_after; /* for the cursor; n_items behind the last batch */
    int32_t n_rows;         /* padding included */
    bool is_last_of_epoch;
};

/* One row of a batch of this rank. */
struct stk_ticket {
    int64_t seq; /* the batch in the run, from 0 */
    int64_t epoch, step;
    int64_t position; /* -1: padding */
    int64_t id;       /* -1: padding */
    int32_t row, n_rows;
};

/* Checks the plan's options by name and makes the plan.
 * Returns 0 or -EINVAL. */
int stk_plan_init(struct stk_plan *plan, const stoker_options *opt,
                  int64_t n_items, int64_t epoch, int64_t consumed,
                  stoker_error *err);

/* Batches and rows until the end of the run. */
int64_t stk_plan_n_seqs(const struct stk_plan *plan);
int64_t stk_plan_n_tickets(const struct stk_plan *plan);

/* Steps that are left in an epoch behind `consumed` samples. */
int64_t stk_plan_steps_from(const struct stk_plan *plan, int64_t consumed);

/* Batch seq (0, 1, 2, ...) of the run; each epoch's follow the last's.
 * Returns 0, or STOKER_END behind the run's last. */
int stk_plan_step(const struct stk_plan *plan, int64_t seq,
                  struct stk_step *out);

/* Row t (0, 1, 2, ...) of the run, in order of batches and rows.
 * Returns 0, or STOKER_END behind the run's last. */
int stk_plan_ticket(const struct stk_plan *plan, int64_t t,
                    struct stk_ticket *out);

/* The position of a row of this rank's batch; -1: padding. */
int64_t stk_plan_position(const struct stk_plan *plan,
                          const struct stk_step *step, int64_t row);

#endif
