/* Bad samples: how a worker reports one, and what the consumer keeps. */
#ifndef STK_FAULTS_H
#define STK_FAULTS_H

#include <errno.h>
#include <stdbool.h>

#include "loader/ledger.h"

/* One failed attempt at a row: made by a worker, handed over with its row,
 * freed by the consumer. */
struct stk_fault {
    stoker_bad bad;
    struct stk_fault *next; /* the attempt after this one */
};

/* NULL without memory: the run ends, for nothing bad goes unlisted. */
struct stk_fault *stk_fault_make(const stoker_error *err, int64_t epoch,
                                 int64_t position, int32_t attempt);
void stk_faults_free(struct stk_fault *fault);

/* Out of memory or of file descriptors says nothing about a sample: no policy
 * passes over it. */
static inline bool stk_fault_is_environment(int code)
{
    return code == -ENOMEM || code == -EMFILE || code == -ENFILE;
}

enum { STK_MAX_KEPT = 65536 };

/* The consumer's book: list, ledger file, budget.  Consumer only. */
struct stk_book {
    stoker_bad *list;
    int64_t n_listed, n_room, n_all;
    struct stk_ledger ledger; /* in the turnstile, not under the lock */
    int64_t max_bad, max_run; /* -1: no budget */
    int64_t n_rows, n_bad;    /* of this epoch, since begin or seek */
    int64_t run;              /* bad rows in a row */
};

int stk_book_open(struct stk_book *book, const stoker_options *opt,
                  int64_t n_items, stoker_error *err);
void stk_book_close(struct stk_book *book);

/* A new epoch, or a seek: the budget begins again, the list stays. */
void stk_book_begin(struct stk_book *book);

/* Puts every attempt of the chain on the list. */
void stk_book_keep(struct stk_book *book, const struct stk_fault *fault);

/* Writes every attempt of the chain to the ledger; ds names the samples.  May
 * wait for storage: not under the loader's lock.
 * Returns 0, or the error that ends the run. */
int stk_book_write(struct stk_book *book, const stoker_dataset *ds,
                   const struct stk_fault *fault, stoker_error *err);

/* Counts one row; -EIO with the text about a broken mount when the budget is
 * spent. */
int stk_book_count(struct stk_book *book, bool was_bad, const char *last,
                   stoker_error *err);

#endif
