/* JSON lines of bad samples: escaping, and appending so that several ranks
 * may share a file, a full disk leaves no half line and a mount that hangs is
 * left behind. */
#include "loader/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "loader/errand.h"
#include "plan/dataset.h"

enum { PATH_BYTES = 4352 };
/* Every byte of name, shard and reason may become six; the rest is short. */
enum { LINE_BYTES = 6 * (2 * PATH_BYTES + (int)sizeof(stoker_error)) + 1024 };

/* Returns the descriptor, or the error. */
static int open_file(const char *path, stoker_error *err)
{
    struct stat st;

    /* O_NONBLOCK: a pipe without a reader is refused, not waited for. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK,
                  0644);
    if (fd < 0) {
        int code = -errno;
        return stk_fail(err, code, "ledger %s: %s", path, strerror(-code));
    }
    if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
        close(fd);
        return stk_fail(err, -EINVAL, "ledger %s: is a pipe, not a file", path);
    }
    return fd;
}

/* Length of the UTF-8 character at s, 0 where there is none (Unicode's table
 * of well-formed byte sequences: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
    unsigned low = 0x80, high = 0xbf; /* of the second byte */

    if (n == 1)
        return 1;
    if (*s < 0xc2 || *s > 0xf4)
        return 0;
    if (*s == 0xe0)
        low = 0xa0;
    if (*s == 0xed)
        high = 0x9f;
    if (*s == 0xf0)
        low = 0x90;
    if (*s == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) /* the final 0 ends it */
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* Appends text as the inside of a JSON string to line at n; returns the new
 * end.  Bytes that are not UTF-8 become \udcXX, as Python's surrogateescape
 * does, so that a file's name comes back. */
static size_t add_text(char *line, size_t n, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        size_t length = utf8_length(s);
        if (length == 0) {
            n += (size_t)sprintf(line + n, "\\udc%02x", *s++);
        } else if (*s < 0x20 || *s == 0x7f) {
            n += (size_t)sprintf(line + n, "\\u%04x", *s++);
        } else {
            if (*s == '"' || *s == '\\')
                line[n++] = '\\';
            memcpy(line + n, s, length);
            n += length;
            s += length;
        }
    }
    return n;
}

static size_t add(char *line, size_t n, const char *key, const char *text)
{
    n += (size_t)sprintf(line + n, ", \"%s\": \"", key);
    n = add_text(line, n, text);
    line[n++] = '"';
    line[n] = '\0';
    return n;
}

static const char *stage_name(int stage)
{
    static const char *const names[] = {"none",   "plan",    "read",  "probe",
                                        "decode", "augment", "batch", "device"};
    return stage >= 0 && stage < 8 ? names[stage] : "none";
}

/* The sample's name and, where it is a range of a shard, where it lies. */
static size_t add_source(char *line, size_t n, const stoker_dataset *ds,
                         int64_t id)
{
    char path[PATH_BYTES] = "";
    struct stk_part part = {0};

    stk_dataset_name(ds, id, path, sizeof path);
    n = add(line, n, "path", path);
    if (stk_dataset_part(ds, id, path, sizeof path, &part) < 0 ||
        part.source != STOKER_SOURCE_FILE ||
        (part.offset == 0 && part.length < 0))
        return n;
    n = add(line, n, "shard", path);
    return n + (size_t)sprintf(line + n, ", \"offset\": %lld, \"length\": %lld",
                               (long long)part.offset, (long long)part.length);
}

static size_t make_line(char *line, const stoker_dataset *ds,
                        const stoker_bad *bad)
{
    char hash[33];

    for (int i = 0; i < 16; i++)
        sprintf(hash + 2 * i, "%02x", bad->hash[i]);
    size_t n =
        (size_t)sprintf(line,
                        "{\"id\": %lld, \"epoch\": %lld, \"position\": %lld, "
                        "\"attempt\": %d",
                        (long long)bad->id, (long long)bad->epoch,
                        (long long)bad->position, bad->attempt);
    n = add_source(line, n, ds, bad->id);
    n = add(line, n, "stage", stage_name(bad->error.stage));
    n += (size_t)sprintf(line + n, ", \"code\": %d", bad->error.code);
    n = add(line, n, "reason", bad->error.text);
    n = add(line, n, "bytes_hash", hash);
    memcpy(line + n, "}\n", 2);
    return n + 2;
}

/* Takes n bytes that end half a line off again, unless another writer has
 * appended since: then the next line begins on a fresh one. */
static void undo(struct stk_ledger *ledger, off_t n)
{
    struct stat st;
    off_t end = lseek(ledger->fd, 0, SEEK_CUR);

    if (end < n || fstat(ledger->fd, &st) < 0 || st.st_size != end ||
        ftruncate(ledger->fd, end - n) < 0)
        ledger->is_torn = true;
}

/* Opens the file where it is not, or has been removed since: lines that go on
 * into a file without a name are lost. */
static int find(struct stk_ledger *ledger, stoker_error *err)
{
    struct stat st;

    if (ledger->fd >= 0 && (fstat(ledger->fd, &st) < 0 || st.st_nlink > 0))
        return 0;
    int fd = open_file(ledger->path, err);
    if (fd < 0)
        return fd;
    if (ledger->fd >= 0)
        close(ledger->fd);
    ledger->fd = fd;
    ledger->is_torn = false;
    return 0;
}

/* One write a line: O_APPEND keeps the lines of several ranks whole. */
static int append(struct stk_ledger *ledger, const char *line, size_t n,
                  stoker_error *err)
{
    ssize_t wrote;

    do {
        wrote = write(ledger->fd, line, n);
    } while (wrote < 0 && errno == EINTR);
    if (wrote == (ssize_t)n) {
        ledger->is_torn = false;
        return 0;
    }
    int code = wrote < 0 ? -errno : -ENOSPC;
    if (wrote > 0) {
        /* Disk, quota or file size: what cut a write short, the next says. */
        ssize_t more = write(ledger->fd, line + wrote, n - (size_t)wrote);
        if (more < 0)
            code = -errno;
        undo(ledger, wrote + (more > 0 ? more : 0));
    }
    return stk_fail(err, code,
                    "ledger %s: %s; free some space, or open the loader "
                    "without a ledger",
                    ledger->path, strerror(-code));
}

/* The file may lie on storage that hangs: all is done aside. */
struct job {
    struct stk_errand errand;
    struct stk_ledger ledger; /* while it runs, the one that counts */
    stoker_error error;
    int rc;
    size_t n;
    char line[]; /* a newline, for a torn file, and n bytes */
};

static void write_aside(struct stk_errand *errand)
{
    struct job *job = (struct job *)errand;
    size_t torn;

    job->rc = find(&job->ledger, &job->error);
    if (job->rc < 0 || job->n == 0)
        return;
    torn = job->ledger.is_torn;
    job->rc =
        append(&job->ledger, job->line + 1 - torn, job->n + torn, &job->error);
}

static void close_aside(struct stk_errand *errand)
{
    struct job *job = (struct job *)errand;

    if (job->ledger.fd >= 0)
        close(job->ledger.fd);
    job->ledger.fd = -1;
}

static int run_aside(struct stk_ledger *ledger,
                     void (*run)(struct stk_errand *errand), const char *line,
                     size_t n, stoker_error *err)
{
    struct job *job = stk_calloc(1, sizeof *job + 1 + n);

    if (!job)
        return stk_fail(err, -ENOMEM, "ledger: no memory");
    job->errand.run = run;
    job->errand.forget = close_aside;
    job->ledger = *ledger;
    job->n = n;
    job->line[0] = '\n';
    memcpy(job->line + 1, line, n);
    if (stk_errand_run(&job->errand, ledger->stall_timeout_ms) < 0) {
        ledger->fd = -1; /* left behind; the next line opens the file anew */
        return stk_fail(err, -ETIMEDOUT,
                        "ledger %s: stalled: its storage has not answered for "
                        "%d ms",
                        ledger->path, ledger->stall_timeout_ms);
    }
    int rc = job->rc;
    *ledger = job->ledger;
    if (rc < 0 && err)
        *err = job->error;
    stk_free(job);
    return rc;
}

int stk_ledger_open(struct stk_ledger *ledger, const char *path,
                    int32_t stall_timeout_ms, stoker_error *err)
{
    *ledger =
        (struct stk_ledger){.fd = -1, .stall_timeout_ms = stall_timeout_ms};
    if (!path)
        return 0;
    if (strlen(path) >= sizeof ledger->path)
        return stk_fail(err, -ENAMETOOLONG, "ledger_path: over %zu bytes",
                        sizeof ledger->path - 1);
    strcpy(ledger->path, path);
    return run_aside(ledger, write_aside, "", 0, err);
}

int stk_ledger_write(struct stk_ledger *ledger, const stoker_dataset *ds,
                     const stoker_bad *bad, stoker_error *err)
{
    char line[LINE_BYTES];

    if (!ledger->path[0])
        return 0;
    return run_aside(ledger, write_aside, line, make_line(line, ds, bad), err);
}

void stk_ledger_close(struct stk_ledger *ledger)
{
    if (ledger->fd >= 0 &&
        run_aside(ledger, close_aside, "", 0, NULL) == -ENOMEM)
        close(ledger->fd);
    ledger->fd = -1;
}
