/* A file system for real kernels' faults: `fuse_slow MOUNT FILE`.  Whatever
 * name is opened holds the bytes of FILE; the name's head says how it fails:
 *   hang_   reads and writes never answer (until the mount is aborted)
 *   opens_  open never answers
 *   again_  the first open of all is EIO, later ones never answer
 *   dirs_   a folder that never lists
 *   slow_   every read takes 50 ms
 *   once_   the first read of all is EIO
 *   eio_    every read is EIO
 *   close_  close() never answers
 *   stale_  every read is ESTALE
 *   short_  stat says all bytes, reads end at the half
 *   lies_   stat says twice the bytes
 * anything else is good. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse3/fuse.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char *bytes;
static size_t n_bytes;
static atomic_int n_failed_once;

static int is(const char *path, const char *head)
{
    return strncmp(path + 1, head, strlen(head)) == 0;
}

static int get(const char *path, struct stat *st, struct fuse_file_info *info)
{
    (void)info;
    memset(st, 0, sizeof *st);
    bool is_folder = strcmp(path, "/") == 0 || is(path, "dirs_");
    st->st_mode = is_folder ? S_IFDIR | 0755 : S_IFREG | 0644;
    st->st_nlink = 1;
    st->st_size = (off_t)(is(path, "lies_") ? 2 * n_bytes : n_bytes);
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
    if (is(path, "again_") && atomic_fetch_add(&n_failed_once, 1) == 0)
        return -EIO;
    if (is(path, "opens_") || is(path, "again_"))
        sleep(3600);
    info->direct_io = 1; /* no page cache between test and fault */
    return 0;
}

static int read_file(const char *path, char *to, size_t n, off_t at,
                     struct fuse_file_info *info)
{
    size_t end = n_bytes;

    (void)info;
    if (is(path, "hang_"))
        sleep(3600);
    if (is(path, "slow_"))
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    if (is(path, "once_") && atomic_fetch_add(&n_failed_once, 1) == 0)
        return -EIO;
    if (is(path, "eio_"))
        return -EIO;
    if (is(path, "stale_"))
        return -ESTALE;
    if (is(path, "short_"))
        end = n_bytes / 2;
    if ((size_t)at >= end)
        return 0;
    if (n > end - (size_t)at)
        n = end - (size_t)at;
    memcpy(to, bytes + at, n);
    return (int)n;
}

static int flush_file(const char *path, struct fuse_file_info *info)
{
    (void)info;
    if (is(path, "close_"))
        sleep(3600);
    return 0;
}

static int write_file(const char *path, const char *from, size_t n, off_t at,
                      struct fuse_file_info *info)
{
    (void)from;
    (void)at;
    (void)info;
    if (is(path, "hang_"))
        sleep(3600);
    return (int)n;
}

static int list(const char *path, void *to, fuse_fill_dir_t add, off_t at,
                struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)to;
    (void)add;
    (void)at;
    (void)info;
    (void)flags;
    if (is(path, "dirs_"))
        sleep(3600);
    return -ENOSYS;
}

int main(int argc, char **argv)
{
    static const struct fuse_operations operations = {.getattr = get,
                                                      .open = open_file,
                                                      .read = read_file,
                                                      .write = write_file,
                                                      .flush = flush_file,
                                                      .readdir = list};
    static char few[] = "max_idle_threads=2", fsname[] = "fsname=stoker_slow",
                flag[] = "-o", foreground[] = "-f";

    if (argc != 3)
        return 2;
    FILE *f = fopen(argv[2], "rb");
    bytes = malloc(1 << 20);
    if (!f || !bytes)
        return 2;
    n_bytes = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    char *args[] = {argv[0], foreground, flag, few, flag, fsname, argv[1]};
    return fuse_main(7, args, &operations, NULL);
}
