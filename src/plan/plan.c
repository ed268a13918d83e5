/* The arithmetic of rows: options and a place become steps and tickets.  No
 * loop over samples, no memory. */
#include "plan/plan.h"

#include <errno.h>
#include <stddef.h>

#define LONG(x) ((long long)(x))

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* a / b rounded up; a >= 0, b > 0. */
static int64_t divide_up(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static int refuse_number(stoker_error *err, const char *name, int64_t value,
                         const char *what)
{
    return stk_fail(err, -EINVAL, "%s is %lld: %s", name, LONG(value), what);
}

static int check_share(const stoker_options *opt, stoker_error *err)
{
    if (opt->size < offsetof(stoker_options, io))
        return stk_fail(err, -EINVAL,
                        "options.size is %zu: call stoker_options_init() "
                        "first",
                        opt->size);
    if (opt->shuffle != 0 && opt->shuffle != 1)
        return refuse_number(err, "shuffle", opt->shuffle, "must be 0 or 1");
    if (opt->drop_last != 0 && opt->drop_last != 1)
        return refuse_number(err, "drop_last", opt->drop_last,
                             "must be 0 or 1");
    if (opt->world_size < 1)
        return refuse_number(err, "world_size", opt->world_size,
                             "must be at least 1");
    if (opt->rank < 0 || opt->rank >= opt->world_size)
        return stk_fail(err, -EINVAL,
                        "rank is %d: outside the world of %d (0 ... %d)",
                        opt->rank, opt->world_size, opt->world_size - 1);
    if (opt->global_batch_size < 0)
        return refuse_number(err, "global_batch_size", opt->global_batch_size,
                             "must be positive, or 0 to use batch_size");
    if (opt->global_batch_size == 0 && opt->batch_size < 1)
        return refuse_number(err, "batch_size", opt->batch_size,
                             "must be at least 1");
    if (opt->global_batch_size == 0 && opt->batch_size > INT32_MAX)
        return refuse_number(err, "batch_size", opt->batch_size,
                             "over 2147483647 rows");
    if (divide_up(opt->global_batch_size, opt->world_size) > INT32_MAX)
        return refuse_number(err, "global_batch_size", opt->global_batch_size,
                             "over 2147483647 rows a rank");
    if (opt->n_epochs < 0 || opt->n_epochs > STK_MAX_EPOCHS)
        return refuse_number(err, "n_epochs", opt->n_epochs,
                             "must be 0 (no end) ... 2^40");
    return 0;
}

static int check_place(int64_t n_items, int64_t epoch, int64_t consumed,
                       stoker_error *err)
{
    if (n_items < 1)
        return stk_fail(err, -EINVAL, "the data set has no items");
    if (n_items > STK_MAX_ITEMS)
        return refuse_number(err, "the number of items", n_items, "over 2^48");
    if (epoch < 0 || epoch >= STK_MAX_EPOCHS)
        return refuse_number(err, "epoch", epoch, "must be 0 ... 2^40 - 1");
    if (consumed < 0 || consumed > n_items)
        return stk_fail(err, -EINVAL,
                        "consumed is %lld: outside the epoch of %lld samples",
                        LONG(consumed), LONG(n_items));
    return 0;
}

/* Rows of this rank in the steps that are left behind `consumed`. */
static int64_t tickets_from(const struct stk_plan *plan, int64_t consumed)
{
    int64_t left = plan->n_items - consumed;
    int64_t partial = plan->drop_last ? 0 : left % plan->global;
    return left / plan->global * plan->rows + divide_up(partial, plan->world);
}

int64_t stk_plan_steps_from(const struct stk_plan *plan, int64_t consumed)
{
    int64_t left = plan->n_items - consumed;
    return plan->drop_last ? left / plan->global
                           : divide_up(left, plan->global);
}

/* Epochs end early enough that every ticket has a number: far behind any
 * run's end, but then no sum overflows below. */
static int64_t numbered_epochs(const struct stk_plan *plan)
{
    int64_t later = (INT64_MAX - plan->first_tickets) / plan->tickets;
    int64_t most = STK_MAX_EPOCHS - plan->epoch - 1;
    return plan->epoch + 1 + min_i64(later, most);
}

int stk_plan_init(struct stk_plan *plan, const stoker_options *opt,
                  int64_t n_items, int64_t epoch, int64_t consumed,
                  stoker_error *err)
{
    int rc = check_share(opt, err);
    if (rc == 0)
        rc = check_place(n_items, epoch, consumed, err);
    if (rc != 0)
        return rc;

    /* At most (2^31 - 1)^2: fits. */
    int64_t global = opt->global_batch_size ? opt->global_batch_size
                                            : opt->batch_size * opt->world_size;
    if (opt->drop_last && n_items < global)
        return stk_fail(err, -EINVAL,
                        "drop_last leaves no batch: %lld items, but a batch "
                        "over all ranks takes %lld",
                        LONG(n_items), LONG(global));
    *plan = (struct stk_plan){
        .seed = opt->seed,
        .n_items = n_items,
        .rank = opt->rank,
        .world = opt->world_size,
        .global = global,
        .rows = divide_up(global, opt->world_size),
        .epoch = epoch,
        .consumed = consumed,
        .n_epochs = opt->n_epochs ? opt->n_epochs : STK_MAX_EPOCHS,
        .shuffle = opt->shuffle != 0,
        .drop_last = opt->drop_last != 0,
    };
    plan->first_steps = stk_plan_steps_from(plan, consumed);
    plan->first_tickets = tickets_from(plan, consumed);
    plan->steps = stk_plan_steps_from(plan, 0);
    plan->tickets = tickets_from(plan, 0);
    plan->n_epochs = min_i64(plan->n_epochs, numbered_epochs(plan));
    return 0;
}

/* Of each epoch, from the one where the run starts to the last. */
static int64_t total(const struct stk_plan *plan, int64_t first, int64_t each)
{
    int64_t later = plan->n_epochs - plan->epoch - 1;
    return later < 0 ? 0 : first + later * each;
}

int64_t stk_plan_n_seqs(const struct stk_plan *plan)
{
    return total(plan, plan->first_steps, plan->steps);
}

int64_t stk_plan_n_tickets(const struct stk_plan *plan)
{
    return total(plan, plan->first_tickets, plan->tickets);
}

/* Step `step` of the run's epoch number `nth` (0: the one it starts in). */
static void fill_step(const struct stk_plan *plan, int64_t nth, int64_t step,
                      struct stk_step *out)
{
    int64_t start = nth ? 0 : plan->consumed;
    int64_t steps = nth ? plan->steps : plan->first_steps;
    int64_t first = start + step * plan->global;
    int64_t n = min_i64(plan->global, plan->n_items - first);
    bool is_last = step == steps - 1;

    *out = (struct stk_step){
        .epoch = plan->epoch + nth,
        .step = step,
        .first_position = first,
        .n_positions = n,
        .first_ticket = step * plan->rows,
        .consumed_after = is_last ? plan->n_items : first + n,
        .n_rows = (int32_t)divide_up(n, plan->world),
        .is_last_of_epoch = is_last,
    };
    if (nth)
        out->first_ticket += plan->first_tickets + (nth - 1) * plan->tickets;
}

int stk_plan_step(const struct stk_plan *plan, int64_t seq,
                  struct stk_step *out)
{
    if (seq < 0 || seq >= stk_plan_n_seqs(plan))
        return STOKER_END;
    if (seq < plan->first_steps) {
        fill_step(plan, 0, seq, out);
        return 0;
    }
    int64_t rest = seq - plan->first_steps;
    fill_step(plan, 1 + rest / plan->steps, rest % plan->steps, out);
    return 0;
}

int64_t stk_plan_position(const struct stk_plan *plan,
                          const struct stk_step *step, int64_t row)
{
    int64_t share = step->n_positions / plan->world;
    int64_t extra = step->n_positions % plan->world;
    int64_t n = share + (plan->rank < extra);
    if (row < 0 || row >= n)
        return -1;
    return step->first_position + plan->rank * share +
           min_i64(plan->rank, extra) + row;
}

int stk_plan_ticket(const struct stk_plan *plan, int64_t t,
                    struct stk_ticket *out)
{
    if (t < 0 || t >= stk_plan_n_tickets(plan))
        return STOKER_END;

    int64_t nth = 0, seq = 0, in_epoch = t;
    if (t >= plan->first_tickets) {
        nth = 1 + (t - plan->first_tickets) / plan->tickets;
        in_epoch = (t - plan->first_tickets) % plan->tickets;
        seq = plan->first_steps + (nth - 1) * plan->steps;
    }
    /* Only an epoch's last step has fewer rows, so division finds it too. */
    struct stk_step step;
    fill_step(plan, nth, in_epoch / plan->rows, &step);
    int64_t row = in_epoch % plan->rows;

    *out = (struct stk_ticket){
        .seq = seq + step.step,
        .epoch = step.epoch,
        .step = step.step,
        .position = stk_plan_position(plan, &step, row),
        .id = -1,
        .row = (int32_t)row,
        .n_rows = step.n_rows,
    };
    if (out->position >= 0) {
        struct stk_order order;
        stk_order_init(&order, plan->seed, step.epoch, plan->n_items,
                       plan->shuffle);
        out->id = stk_order_id(&order, out->position);
    }
    return 0;
}
