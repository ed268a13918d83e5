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

/* Opens what has bytes to copy: a link or a fifo stays where it is, and is
 * not waited for. */
static int open_regular(const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0)
        return -errno;
    if (!S_ISREG(about.st_mode))
        return -EXDEV;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *bytes, size_t n)
{
    for (ssize_t wrote; n > 0; bytes += wrote, n -= (size_t)wrote)
        if ((wrote = write(fd, bytes, n)) < 0)
            return -errno;
    return 0;
}

/* Copies to a new file and then removes the old one: across file systems. */
static int copy_over(const char *from, const char *to)
{
    char bytes[65536];
    int rc = 0;
    ssize_t n = 0;
    int in = open_regular(from);
    if (in < 0)
        return in;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out < 0) {
        rc = -errno;
        close(in);
        return rc;
    }
    while (rc == 0 && (n = read(in, bytes, sizeof(bytes))) > 0)
        rc = write_all(out, bytes, (size_t)n);
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

/* What realpath() says of a folder that need not be there yet: of the nearest
 * one above it that is.  NULL where even that cannot be known. */
static char *real_above(const char *path)
{
    char *cut = strdup(path), *real = NULL;
    while (cut && !(real = realpath(cut, NULL)) && errno == ENOENT) {
        char *slash = strrchr(cut, '/');
        if (slash == cut && cut[1])
            cut[1] = 0;
        else if (slash && slash != cut)
            *slash = 0;
        else if (!slash && strcmp(cut, ".") != 0)
            strcpy(cut, ".");
        else
            break;
    }
    free(cut);
    return real;
}

int scan_check_move(const struct scan *scan)
{
    char *folder = realpath(scan->folder, NULL);
    char *to = folder ? real_above(scan->move_to) : NULL;
    size_t n = folder ? strlen(folder) : 0;
    bool inside =
        to && strncmp(to, folder, n) == 0 && (to[n] == 0 || to[n] == '/');
    free(folder);
    free(to);
    if (!inside)
        return CLI_OK;
    return cli_fail(CLI_USAGE, "scan",
                    "--move-bad %s lies inside %s, where it would become a "
                    "class",
                    scan->move_to, scan->folder);
}

/* What the bytes themselves say.  Storage that fails or hangs, missing memory
 * and missing rights say nothing about a file. */
static bool is_of_the_file(int32_t code)
{
    return code == -EBADMSG || code == -ENODATA || code == -EFBIG ||
           code == -ENOTSUP || code == -ERANGE || code == -EINVAL ||
           code == -EISDIR || code == -ENOENT;
}

/* Files may have been mended since they were looked at, perhaps hours ago. */
static bool is_still_bad(const struct scan *scan, stoker_checker *checker,
                         int64_t id)
{
    const struct verdict *verdict = &scan->verdicts[id];
    stoker_image_info info = {.size = sizeof(info)};
    stoker_error err;
    int code = verdict->code;
    const char *why = verdict->text ? verdict->text : "a file was not read";
    if (is_of_the_file(code)) {
        code = stoker_checker_check(checker, id, &info, &err);
        why = code ? err.text : why;
    }
    if (code == 0)
        cli_fail(CLI_BAD, "scan", "%s; it stays, as it is good by now", why);
    else if (!is_of_the_file(code))
        cli_fail(CLI_BAD, "scan", "%s; it stays, as it may be good", why);
    return is_of_the_file(code);
}

static void move_id(struct scan *scan, int64_t id)
{
    size_t root = strlen(scan->folder);
    char *from = feed_path(&scan->feed, id), *to = NULL;
    const char *rest = from;
    if (from && strncmp(from, scan->folder, root) == 0)
        rest = from + root;
    int rc = -ENOMEM;
    if (from &&
        asprintf(&to, "%s/%s", scan->move_to, rest + strspn(rest, "/")) >= 0)
        rc = move_one(from, to);
    if (rc == 0)
        scan->n_moved++;
    else
        cli_fail(CLI_BAD, "scan", "%s stays: %s: %s", from ? from : "a file",
                 to ? to : scan->move_to, strerror(-rc));
    free(from);
    free(to);
}

int scan_move_bad(struct scan *scan)
{
    stoker_checker *checker = NULL;
    stoker_error err;
    if (stoker_checker_open(&checker, scan->feed.ds, &scan->feed.options,
                            &err) != 0)
        return cli_fail(CLI_BAD, "scan", "%s", err.text);
    for (int64_t id = 0; id < scan->n; id++)
        if (scan->verdicts[id].code != 0 && is_still_bad(scan, checker, id))
            move_id(scan, id);
    stoker_checker_close(&checker);
    return CLI_OK;
}
