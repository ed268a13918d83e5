/* Exported planning: cursors as bytes, who gets which id, digests.  Argument
 * checks only; the work is in plan/.  Nothing here reads a file. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "plan/cursor.h"
#include "plan/digest.h"
#include "plan/plan.h"

void stoker_cursor_pack(const stoker_cursor *cursor,
                        uint8_t out[STOKER_STATE_BYTES])
{
    stk_cursor_pack(cursor, out);
}

static int fail(stoker_error *err, int code)
{
    return stk_fail_at(err, STOKER_STAGE_PLAN, -1, code);
}

int stoker_cursor_unpack(stoker_cursor *cursor, const void *bytes, size_t n,
                         stoker_error *err)
{
    if (!cursor || !bytes)
        return fail(err, stk_fail(err, -EINVAL, "%s is NULL",
                                  cursor ? "bytes" : "cursor"));
    if (cursor->size < sizeof *cursor)
        return fail(err, stk_fail(err, -EINVAL,
                                  "cursor->size is %zu: set it to "
                                  "sizeof(stoker_cursor)",
                                  cursor->size));
    stoker_cursor read;
    int rc = stk_cursor_unpack(&read, bytes, n, err);
    if (rc != 0)
        return fail(err, rc);
    read.size = cursor->size;
    memcpy(cursor, &read, sizeof read);
    return 0;
}

/* The plan of one epoch, whatever n_epochs says. */
static int plan_epoch(struct stk_plan *plan, const stoker_options *opt,
                      int64_t n_items, int64_t epoch, int64_t consumed,
                      stoker_error *err)
{
    int rc = opt ? stk_plan_init(plan, opt, n_items, epoch, consumed, err)
                 : stk_fail(err, -EINVAL, "options is NULL");
    if (rc != 0)
        return fail(err, rc);
    plan->n_epochs = epoch + 1;
    return 0;
}

static void order_of(struct stk_order *order, const struct stk_plan *plan)
{
    stk_order_init(order, plan->seed, plan->epoch, plan->n_items,
                   plan->shuffle);
}

int64_t stoker_plan_steps(const stoker_options *opt, int64_t n_items,
                          int64_t consumed, stoker_error *err)
{
    struct stk_plan plan;
    int rc = plan_epoch(&plan, opt, n_items, 0, consumed, err);
    return rc != 0 ? rc : plan.first_steps;
}

static int check_room(size_t want, const int64_t *ids, size_t n,
                      stoker_error *err)
{
    if (n >= want && (ids || want == 0))
        return 0;
    return fail(err, stk_fail(err, ids ? -ENOSPC : -EINVAL,
                              "room for %zu ids, %zu are needed",
                              ids ? n : (size_t)0, want));
}

int stoker_plan_ids(const stoker_options *opt, int64_t n_items, int64_t epoch,
                    int64_t consumed, int64_t step, int64_t *ids, size_t n,
                    size_t *n_rows, stoker_error *err)
{
    struct stk_plan plan;
    struct stk_step place;
    struct stk_order order;

    if (n_rows)
        *n_rows = 0;
    int rc = plan_epoch(&plan, opt, n_items, epoch, consumed, err);
    if (rc != 0)
        return rc;
    if (step < 0)
        return fail(err, stk_fail(err, -EINVAL, "step is negative"));
    if (stk_plan_step(&plan, step, &place) == STOKER_END)
        return STOKER_END;
    if (n_rows)
        *n_rows = (size_t)place.n_rows;
    rc = check_room((size_t)place.n_rows, ids, n, err);
    if (rc != 0)
        return rc;
    order_of(&order, &plan);
    for (int32_t row = 0; row < place.n_rows; row++) {
        int64_t position = stk_plan_position(&plan, &place, row);
        ids[row] = position < 0 ? -1 : stk_order_id(&order, position);
    }
    return 0;
}

int stoker_plan_dropped(const stoker_options *opt, int64_t n_items,
                        int64_t epoch, int64_t *ids, size_t n, size_t *n_rows,
                        stoker_error *err)
{
    struct stk_plan plan;
    struct stk_order order;

    if (n_rows)
        *n_rows = 0;
    int rc = plan_epoch(&plan, opt, n_items, epoch, 0, err);
    if (rc != 0)
        return rc;
    int64_t n_dropped = plan.drop_last ? n_items % plan.global : 0;
    if (n_rows)
        *n_rows = (size_t)n_dropped;
    rc = check_room((size_t)n_dropped, ids, n, err);
    if (rc != 0)
        return rc;
    order_of(&order, &plan);
    for (int64_t i = 0; i < n_dropped; i++)
        ids[i] = stk_order_id(&order, n_items - n_dropped + i);
    return 0;
}

int64_t stoker_plan_id(const stoker_options *opt, int64_t n_items,
                       int64_t epoch, int64_t position, int32_t attempt)
{
    struct stk_order order;

    if (!opt || n_items < 1 || n_items > STK_MAX_ITEMS || epoch < 0 ||
        epoch >= STK_MAX_EPOCHS || position < 0 || position >= n_items ||
        attempt < 0 || attempt > STK_MAX_ATTEMPTS)
        return -1;
    if (attempt > 0)
        return stk_order_substitute(opt->seed, epoch, n_items, position,
                                    attempt);
    stk_order_init(&order, opt->seed, epoch, n_items, opt->shuffle != 0);
    return stk_order_id(&order, position);
}

void stoker_digest_add(stoker_digest *sum, const stoker_digest *more)
{
    stk_digest_sum(sum->good, more->good);
    stk_digest_sum(sum->bad, more->bad);
    stk_digest_sum(sum->refill, more->refill);
    stk_digest_sum(sum->pixels, more->pixels);
    sum->n_good += more->n_good;
    sum->n_bad += more->n_bad;
    sum->n_refill += more->n_refill;
}

int stoker_plan_digest(const stoker_options *opt, int64_t n_items,
                       int64_t epoch, int64_t from, int64_t to,
                       stoker_digest *out, stoker_error *err)
{
    struct stk_plan plan;
    struct stk_order order;

    int rc = plan_epoch(&plan, opt, n_items, epoch, 0, err);
    if (rc != 0)
        return rc;
    if (!out || from < 0 || from > to || to > n_items)
        return fail(
            err,
            out ? stk_fail(err, -EINVAL,
                           "positions %lld ... %lld are outside the epoch of "
                           "%lld samples",
                           (long long)from, (long long)to, (long long)n_items)
                : stk_fail(err, -EINVAL, "out is NULL"));
    order_of(&order, &plan);
    stk_digest_range(&order, from, to, out);
    return 0;
}
