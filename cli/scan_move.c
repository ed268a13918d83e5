/* Moves bad files out of a folder; never overwrites and never loses one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan.h"

/* Makes the folders above path, as mkdir -p. */
static int make_parents(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = 0;
        int rc = mkdir(path, 0777);
        *at = '/';
        if (rc != 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* Copies to a new file and then removes the old one: across file systems. */
static int copy_over(const char *from, const char *to)
{
    char bytes[65536];
    int rc = 0;
    ssize_t n = 0;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return -errno;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out < 0) {
        rc = -errno;
        close(in);
        return rc;
    }
    while (rc == 0 && (n = read(in, bytes, sizeof(bytes))) > 0)
        if (write(out, bytes, (size_t)n) != n)
            rc = errno ? -errno : -EIO;
    if (rc == 0 && n < 0)
        rc = -errno;
    if (rc == 0 && fsync(out) != 0)
        rc = -errno;
    close(in);
    close(out);
    if (rc == 0 && unlink(from) != 0)
        rc = -errno;
    if (rc != 0)
        unlink(to);
    return rc;
}

static int move_one(const char *from, char *to)
{
    int rc = make_parents(to);
    if (rc != 0)
        return rc;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EXDEV || errno == EINVAL || errno == ENOSYS)
        return copy_over(from, to);
    return -errno;
}

int scan_move_bad(struct scan *scan)
{
    size_t root = strlen(scan->folder);
    for (int64_t id = 0; id < scan->n; id++) {
        if (scan->verdicts[id].code == 0)
            continue;
        char *from = feed_path(&scan->feed, id), *to = NULL;
        const char *rest = from;
        if (from && strncmp(from, scan->folder, root) == 0)
            rest = from + root;
        int rc = -ENOMEM;
        if (from && asprintf(&to, "%s/%s", scan->move_to,
                             rest + strspn(rest, "/")) >= 0)
            rc = move_one(from, to);
        if (rc == 0)
            scan->n_moved++;
        else
            cli_fail(CLI_BAD, "scan", "%s stays: %s", from ? from : "a file",
                     strerror(-rc));
        free(from);
        free(to);
    }
    return CLI_OK;
}
