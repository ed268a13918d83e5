/* The system itself, call by call. */
#include "read/io_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static int open_file(void *self, const char *path)
{
    (void)self;
    /* NONBLOCK: a FIFO or a device must not hold the worker before fstat can
     * refuse it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

static int stat_file(void *self, int fd, struct stk_io_stat *out)
{
    struct stat st;

    (void)self;
    if (fstat(fd, &st) < 0)
        return -errno;
    *out = (struct stk_io_stat){
        .mode = st.st_mode,
        .size = st.st_size,
        .mtime_ns =
            (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
    };
    return 0;
}

static int64_t read_file(void *self, int fd, void *to, size_t n, int64_t offset)
{
    (void)self;
    ssize_t got = pread(fd, to, n, offset);
    return got < 0 ? -errno : got;
}

static void advise_file(void *self, int fd, int64_t offset, int64_t n)
{
    (void)self;
    posix_fadvise(fd, offset, n, POSIX_FADV_WILLNEED);
}

static void close_file(void *self, int fd)
{
    (void)self;
    close(fd);
}

static int64_t now_ns(void *self)
{
    (void)self;
    return stk_now_ns();
}

static void sleep_ns(void *self, int64_t ns)
{
    struct timespec t = {ns / 1000000000, ns % 1000000000};

    (void)self;
    nanosleep(&t, NULL);
}

const struct stk_io_calls stk_io_system = {
    .open = open_file,
    .stat = stat_file,
    .read = read_file,
    .advise = advise_file,
    .close = close_file,
    .now_ns = now_ns,
    .sleep_ns = sleep_ns,
};
