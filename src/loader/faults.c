/* The book of bad samples: list, ledger and budget. */
#include "loader/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static int64_t budget(const stoker_options *opt, int64_t n_items)
{
    if (opt->unlimited_bad)
        return -1;
    if (opt->max_bad >= 0)
        return opt->max_bad;
    if (opt->max_bad_fraction >= 0)
        return (int64_t)(opt->max_bad_fraction * (double)n_items);
    return n_items / 1000 > 100 ? n_items / 1000 : 100;
}

int stk_book_open(struct stk_book *book, const stoker_options *opt,
                  int64_t n_items, stoker_error *err)
{
    memset(book, 0, sizeof *book);
    book->ledger = -1;
    book->max_bad = budget(opt, n_items);
    book->max_run = opt->unlimited_bad ? -1 : opt->max_bad_run;
    if (!opt->ledger_path)
        return 0;
    if (strlen(opt->ledger_path) >= sizeof book->ledger_path)
        return stk_fail(err, -ENAMETOOLONG, "ledger_path: over %zu bytes",
                        sizeof book->ledger_path - 1);
    strcpy(book->ledger_path, opt->ledger_path);
    book->ledger =
        open(opt->ledger_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (book->ledger < 0) {
        int code = -errno;
        return stk_fail(err, code, "ledger %s: %s", opt->ledger_path,
                        strerror(-code));
    }
    return 0;
}

void stk_book_close(struct stk_book *book)
{
    if (book->ledger >= 0)
        close(book->ledger);
    book->ledger = -1;
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

/* JSON needs \u00XX for control bytes; bytes that are not UTF-8 are kept as
 * \udcXX, as Python's surrogateescape does, so that the name comes back. */
static size_t json_text(char *out, size_t room, const char *text)
{
    size_t n = 0;
    const unsigned char *s = (const unsigned char *)text;

    while (*s && n + 8 < room) {
        size_t tail = *s < 0x80   ? 0
                      : *s < 0xc2 ? 9
                      : *s < 0xe0 ? 1
                      : *s < 0xf0 ? 2
                      : *s < 0xf5 ? 3
                                  : 9;
        bool good = tail != 9;
        for (size_t i = 1; good && i <= tail; i++)
            good = (s[i] & 0xc0) == 0x80;
        if (!good) {
            n += (size_t)sprintf(out + n, "\\udc%02x", *s++);
        } else if (*s == '"' || *s == '\\') {
            out[n++] = '\\';
            out[n++] = (char)*s++;
        } else if (*s < 0x20 || *s == 0x7f) {
            n += (size_t)sprintf(out + n, "\\u%04x", *s++);
        } else {
            memcpy(out + n, s, tail + 1);
            n += tail + 1;
            s += tail + 1;
        }
    }
    out[n] = '\0';
    return n;
}

static const char *stage_name(int stage)
{
    static const char *const names[] = {"none",   "plan",    "read",  "probe",
                                        "decode", "augment", "batch", "device"};
    return stage >= 0 && stage < 8 ? names[stage] : "none";
}

static int ledger_write(struct stk_book *book, const stoker_bad *bad,
                        stoker_error *err)
{
    char text[4096], line[4608], hash[33];

    json_text(text, sizeof text, bad->error.text);
    for (int i = 0; i < 16; i++)
        sprintf(hash + 2 * i, "%02x", bad->hash[i]);
    int n = snprintf(line, sizeof line,
                     "{\"id\": %lld, \"epoch\": %lld, \"position\": %lld, "
                     "\"attempt\": %d, \"stage\": \"%s\", \"code\": %d, "
                     "\"reason\": \"%s\", \"bytes_hash\": \"%s\"}\n",
                     (long long)bad->id, (long long)bad->epoch,
                     (long long)bad->position, bad->attempt,
                     stage_name(bad->error.stage), bad->error.code, text, hash);
    /* One write a line: O_APPEND keeps the lines of several ranks whole. */
    ssize_t wrote;
    do {
        wrote = write(book->ledger, line, (size_t)n);
    } while (wrote < 0 && errno == EINTR);
    if (wrote == n)
        return 0;
    int code = wrote < 0 ? -errno : -ENOSPC;
    return stk_fail(err, code,
                    "ledger %s: %s; free some space or open the "
                    "loader without a ledger",
                    book->ledger_path, strerror(-code));
}

int stk_book_keep(struct stk_book *book, const struct stk_fault *fault,
                  stoker_error *err)
{
    for (; fault; fault = fault->next) {
        keep(book, &fault->bad);
        if (book->ledger >= 0) {
            int rc = ledger_write(book, &fault->bad, err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
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
    else if (book->max_run >= 0 && book->run > book->max_run)
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
