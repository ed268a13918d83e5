/* The consumer's side: looks the next batch's rows through, books them and
 * hands it out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loader/feed.h"
#include "plan/digest.h"

/* What ends the way of a row: the last attempt's error. */
static void row_error(const struct stk_columns *rows, int64_t row,
                      stoker_error *err)
{
    const struct stk_fault *fault = rows->faults[row];

    if (!fault) { /* there was no memory to say more */
        stk_fail(err, rows->code[row], "sample %lld: %s",
                 (long long)rows->id[row], strerror(-rows->code[row]));
        stk_fail_at(err, STOKER_STAGE_BATCH, rows->id[row], err->code);
        return;
    }
    while (fault->next)
        fault = fault->next;
    *err = fault->bad.error;
}

/* The error names the last substitute, which the user never asked for. */
static void say_who_asked(const struct stk_columns *rows, int64_t row,
                          stoker_error *err)
{
    const struct stk_fault *fault = rows->faults[row];
    size_t n = strlen(err->text);
    int substitutes = -1;

    for (; fault; fault = fault->next)
        substitutes++;
    if (substitutes > 0)
        snprintf(err->text + n, sizeof err->text - n,
                 "; sample %lld and its %d substitutes are all bad",
                 (long long)rows->planned_id[row], substitutes);
}

/* The lowest row that the ledger did not take, and why; -1: it took all. */
struct unwritten {
    int64_t row;
    stoker_error error;
};

/* Before the lock: storage may let a line wait for stall_timeout_ms. */
static void write_down(stoker_loader *loader, const stoker_batch *batch,
                       struct unwritten *out)
{
    out->row = -1;
    for (int64_t row = 0; row < batch->info.n_rows && out->row < 0; row++)
        if (stk_book_write(&loader->book, loader->dataset,
                           batch->rows.faults[row], &out->error) < 0)
            out->row = row;
}

/* Books one bad row.  Returns 0, or what ends the run. */
static int book_row(stoker_loader *loader, const struct stk_columns *rows,
                    int64_t row, const struct unwritten *unwritten,
                    stoker_error *err)
{
    const int policy = loader->opt.on_error;
    const int code = rows->code[row];
    stoker_error row_err;

    row_error(rows, row, &row_err);
    stk_book_keep(&loader->book, rows->faults[row]);
    if (code < 0 && (policy != STOKER_MASK || stk_fault_is_environment(code))) {
        *err = row_err;
        if (!stk_fault_is_environment(code))
            say_who_asked(rows, row, err);
        return code;
    }
    if (row == unwritten->row) {
        *err = unwritten->error;
        return err->code;
    }
    return stk_book_count(&loader->book, true, row_err.text, err);
}

/* Books the batch.  Returns 0, or the error that stands in its place: that of
 * the lowest row. */
static int inspect(stoker_loader *loader, stoker_batch *batch,
                   const struct unwritten *unwritten, stoker_error *err)
{
    const struct stk_columns *rows = &batch->rows;
    stoker_batch_info *info = &batch->info;
    stoker_error row_err;
    int rc = 0;

    for (int64_t row = 0; row < info->n_rows; row++) {
        bool was_bad = rows->code[row] < 0 || rows->attempt[row] > 0;
        info->n_valid += rows->valid[row];
        info->n_bad += rows->code[row] < 0;
        info->n_refilled += rows->attempt[row] > 0;
        if (rows->id[row] < 0)
            continue; /* padding */
        if (!was_bad) {
            stk_book_count(&loader->book, false, "", NULL);
            continue;
        }
        int row_rc =
            book_row(loader, rows, row, unwritten, rc ? &row_err : err);
        rc = rc ? rc : row_rc;
    }
    return rc;
}

/* Digest and budget are an epoch's: both begin again with it. */
static void begin_epoch(stoker_loader *loader, const stoker_batch_info *info)
{
    memset(&loader->digest, 0, sizeof loader->digest);
    loader->digest_epoch = info->epoch;
    loader->digest_from = info->first_position;
    stk_book_begin(&loader->book);
}

static void add_digest(stoker_digest *digest, const stoker_batch *batch)
{
    const struct stk_columns *rows = &batch->rows;

    for (int64_t row = 0; row < batch->info.n_rows; row++) {
        if (rows->id[row] < 0)
            continue;
        stk_digest_sum(digest->pixels, rows->pixels[row]);
        if (rows->attempt[row] > 0) {
            stk_digest_id(digest->refill, rows->id[row]);
            digest->n_refill++;
        }
        if (rows->valid[row] && rows->attempt[row] == 0) {
            stk_digest_id(digest->good, rows->planned_id[row]);
            digest->n_good++;
        } else {
            stk_digest_id(digest->bad, rows->planned_id[row]);
            digest->n_bad++;
        }
    }
}

/* Books a batch and makes it the user's; under the lock.  A batch that is an
 * error instead goes back, and the cursor stays before it. */
static int deliver(stoker_loader *loader, stoker_batch *batch,
                   const struct unwritten *unwritten, stoker_error *err)
{
    if (batch->info.epoch != loader->digest_epoch)
        begin_epoch(loader, &batch->info);
    int rc = inspect(loader, batch, unwritten, err);
    if (rc < 0) {
        loader->sticky = *err;
        stk_batch_drop(batch, true);
        return rc;
    }
    /* Relaxed: the counts of shares order it. */
    atomic_store_explicit(&batch->was_seen, 1, memory_order_relaxed);
    add_digest(&loader->digest, batch);
    loader->epoch = batch->info.epoch;
    loader->consumed = batch->consumed_after;
    loader->end_is_due = batch->is_last_of_epoch;
    if (loader->n_batches == 0)
        loader->first_batch_ns = stk_now_ns() - loader->opened_ns;
    loader->n_batches++;
    loader->n_out++;
    loader->n_bad += batch->info.n_bad;
    loader->n_refilled += batch->info.n_refilled;
    return 0;
}

/* What cannot be started stays so until seek: nobody would fill a batch. */
static int start(stoker_loader *loader, stoker_error *err)
{
    if (loader->is_running)
        return 0;
    if (loader->has_lost_thread)
        return stk_fail(err, -ETIMEDOUT,
                        "a worker of this loader hangs in a read; close it "
                        "and open another");
    int rc = stk_loader_start(loader, err);
    if (rc < 0) {
        pthread_mutex_lock(&loader->lock);
        loader->sticky = *err;
        pthread_mutex_unlock(&loader->lock);
    }
    return rc;
}

/* Under the turnstile; state is touched under the lock, which is not held
 * while waiting, so that stats and cursor answer at any time. */
static int next_in_turn(stoker_loader *loader, stoker_batch **out,
                        int timeout_ms, stoker_error *err)
{
    if (loader->sticky.code) {
        *err = loader->sticky;
        return err->code;
    }
    if (loader->end_is_due) {
        loader->end_is_due = false;
        return STOKER_END;
    }
    if (loader->n_out >= stk_plan_n_seqs(&loader->plan))
        return STOKER_END;
    struct stk_gpu *gpu = loader->home->gpu;
    int rc = start(loader, err);
    if (rc == 0 && gpu)
        rc = stk_guard_mark(&gpu->guard, NULL, false, err);
    if (rc < 0)
        return rc;
    stoker_batch *batch;
    int64_t start = stk_now_ns();
    if (gpu)
        stk_guard_begin_wait(&gpu->guard);
    rc = loader->feed ? stk_feed_take(loader->feed, &batch, timeout_ms, err)
                      : stk_loader_take(loader, &batch, timeout_ms, err);
    if (gpu)
        stk_guard_end_wait(&gpu->guard);
    int64_t waited = stk_now_ns() - start;
    struct unwritten unwritten;
    if (rc == 0)
        write_down(loader, batch, &unwritten);
    pthread_mutex_lock(&loader->lock);
    loader->consumer_ns += waited;
    if (rc == 0)
        rc = deliver(loader, batch, &unwritten, err);
    pthread_mutex_unlock(&loader->lock);
    if (rc == 0)
        *out = batch;
    return rc;
}

int stk_loader_next(stoker_loader *loader, stoker_batch **out, int timeout_ms,
                    stoker_error *err)
{
    if (!stk_home_is_ours(loader->home))
        return stk_fail(err, -EOWNERDEAD,
                        "this loader was opened before a fork; open one in "
                        "the child, or use no worker processes");
    int rc = stk_loader_enter(loader, err);
    if (rc < 0)
        return rc;
    rc = next_in_turn(loader, out, timeout_ms, err);
    stk_loader_leave(loader);
    return rc;
}
