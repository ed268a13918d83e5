/* The book of bad samples: list and budget. */
#include "loader/faults.h"

#include <errno.h>
#include <float.h>
#include <string.h>

#include "base/mem.h"

struct stk_fault *stk_fault_make(const stoker_error *err, int64_t epoch,
                                 int64_t position, int32_t attempt)
{
    struct stk_fault *fault = stk_calloc(1, sizeof *fault);
    if (!fault)
        return NULL;
    fault->bad = (stoker_bad){.size = sizeof fault->bad,
                              .id = err->id,
                              .epoch = epoch,
                              .position = position,
                              .attempt = attempt,
                              .error = *err};
    return fault;
}

void stk_faults_free(struct stk_fault *fault)
{
    while (fault) {
        struct stk_fault *next = fault->next;
        stk_free(fault);
        fault = next;
    }
}

/* Of this rank's share of an epoch; what is given twice is the smaller. */
static int64_t budget(const stoker_options *opt, int64_t n_items)
{
    int64_t share =
        n_items / opt->world_size + (n_items % opt->world_size != 0);
    int64_t fraction = INT64_MAX;

    if (opt->unlimited_bad)
        return -1;
    /* 0.29 of 100 are 29, though the product of doubles is just below. */
    if (opt->max_bad_fraction >= 0)
        fraction = (int64_t)(opt->max_bad_fraction * (double)share *
                             (1 + 2 * DBL_EPSILON));
    if (opt->max_bad >= 0)
        return opt->max_bad < fraction ? opt->max_bad : fraction;
    if (opt->max_bad_fraction >= 0)
        return fraction;
    return share / 1000 > 100 ? share / 1000 : 100;
}

int stk_book_open(struct stk_book *book, const stoker_options *opt,
                  int64_t n_items, stoker_error *err)
{
    memset(book, 0, sizeof *book);
    book->max_bad = budget(opt, n_items);
    book->max_run = opt->unlimited_bad ? -1 : opt->max_bad_run;
    return stk_ledger_open(&book->ledger, opt->ledger_path,
                           opt->stall_timeout_ms, err);
}

void stk_book_close(struct stk_book *book)
{
    stk_ledger_close(&book->ledger);
    stk_free(book->list);
    book->list = NULL;
}

void stk_book_begin(struct stk_book *book)
{
    book->n_rows = book->n_bad = book->run = 0;
}

static void keep(struct stk_book *book, const stoker_bad *bad)
{
    book->n_all++;
    if (book->n_listed == STK_MAX_KEPT)
        return;
    if (book->n_listed == book->n_room) {
        int64_t room = book->n_room ? 2 * book->n_room : 16;
        stoker_bad *list = stk_calloc((size_t)room, sizeof *list);
        if (!list)
            return; /* counted, not listed */
        if (book->n_listed)
            memcpy(list, book->list, (size_t)book->n_listed * sizeof *list);
        stk_free(book->list);
        book->list = list;
        book->n_room = room;
    }
    book->list[book->n_listed++] = *bad;
}

void stk_book_keep(struct stk_book *book, const struct stk_fault *fault)
{
    for (; fault; fault = fault->next)
        keep(book, &fault->bad);
}

int stk_book_write(struct stk_book *book, const stoker_dataset *ds,
                   const struct stk_fault *fault, stoker_error *err)
{
    int rc = 0;

    for (; fault && rc == 0; fault = fault->next)
        rc = stk_ledger_write(&book->ledger, ds, &fault->bad, err);
    return rc;
}

enum { FIRST_ALL_BAD = 8 };

int stk_book_count(struct stk_book *book, bool was_bad, const char *last,
                   stoker_error *err)
{
    book->n_rows++;
    if (!was_bad) {
        book->run = 0;
        return 0;
    }
    book->n_bad++;
    book->run++;
    if (book->max_run < 0 && book->max_bad < 0)
        return 0; /* lifted */

    const char *what = NULL;
    if (book->n_bad == book->n_rows && book->n_rows == FIRST_ALL_BAD)
        what = "the first 8 samples are all bad";
    else if (book->max_run >= 0 && book->run >= book->max_run)
        what = "too many bad samples in a row (max_bad_run)";
    else if (book->max_bad >= 0 && book->n_bad > book->max_bad)
        what = "too many bad samples in this epoch (max_bad)";
    if (!what)
        return 0;
    return stk_fail(err, -EIO,
                    "%s: %lld of %lld; the mount or the data set looks "
                    "broken, or raise the budget; the last: %s",
                    what, (long long)book->n_bad, (long long)book->n_rows,
                    last);
}
