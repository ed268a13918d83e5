/* Makes the n-th call of one function, or of a group, fail: once or from then
 * on.  The program arms it by nth_arm(); nth_count() says how many such calls
 * it has made.  Built twice: as a preloaded library (other libraries' calls
 * fail, too), and with NTH_WRAP for --wrap under AddressSanitizer, which has
 * its own malloc and finds what leaks. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

void nth_arm(const char *names, long at, int for_ever);
long nth_count(void);

static atomic_long n_calls, fail_at;
static atomic_int is_for_ever;
static char armed[128]; /* " name name ": spaces around each */

static int fails(const char *name, int code)
{
    if (!armed[0] || !strstr(armed, name))
        return 0;
    long n = atomic_fetch_add(&n_calls, 1) + 1, at = atomic_load(&fail_at);
    if (at <= 0 || (n != at && !(n > at && atomic_load(&is_for_ever))))
        return 0;
    errno = code;
    return 1;
}

void nth_arm(const char *names, long at, int for_ever)
{
    armed[0] = 0;
    atomic_store(&n_calls, 0);
    atomic_store(&fail_at, at);
    atomic_store(&is_for_ever, for_ever);
    if (names[0])
        snprintf(armed, sizeof armed, " %s ", names);
}

long nth_count(void)
{
    return atomic_load(&n_calls);
}

/* FAKE(type, f, parameters): begins the f that callers reach.  REAL(f)(...)
 * is the definition behind it. */
#ifdef NTH_WRAP
#define FAKE(type, f, ...)                                                     \
    type __real_##f(__VA_ARGS__);                                              \
    type __wrap_##f(__VA_ARGS__);                                              \
    type __wrap_##f(__VA_ARGS__)
#define REAL(f) __real_##f
#else
#define FAKE(type, f, ...)                                                     \
    type f(__VA_ARGS__);                                                       \
    type f(__VA_ARGS__)
#define REAL(f) (__extension__(__typeof__(&f)) next(#f))

/* dlsym's result is no function in ISO C; calls it often, which is cheap
 * beside what a test does. */
static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* glibc's own, so that dlsym's allocations find memory. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
#endif

/* ---- memory ------------------------------------------------------------- */

#ifdef NTH_WRAP
#define LIBC(f) __real_##f
#else
#define LIBC(f) __libc_##f
#endif

FAKE(void *, malloc, size_t bytes)
{
    return fails(" malloc ", ENOMEM) ? NULL : LIBC(malloc)(bytes);
}

FAKE(void *, calloc, size_t n, size_t bytes)
{
    return fails(" calloc ", ENOMEM) ? NULL : LIBC(calloc)(n, bytes);
}

FAKE(void *, realloc, void *memory, size_t bytes)
{
    return fails(" realloc ", ENOMEM) ? NULL : LIBC(realloc)(memory, bytes);
}

FAKE(int, posix_memalign, void **out, size_t alignment, size_t bytes)
{
    if (fails(" posix_memalign ", ENOMEM))
        return ENOMEM;
#ifdef NTH_WRAP
    return __real_posix_memalign(out, alignment, bytes);
#else
    *out = __libc_memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
#endif
}

FAKE(void *, mmap, void *at, size_t n, int protection, int flags, int fd,
     off_t offset)
{
    return fails(" mmap ", ENOMEM)
               ? MAP_FAILED
               : REAL(mmap)(at, n, protection, flags, fd, offset);
}

FAKE(int, mprotect, void *at, size_t n, int protection)
{
    return fails(" mprotect ", ENOMEM) ? -1 : REAL(mprotect)(at, n, protection);
}

FAKE(int, madvise, void *at, size_t n, int advice)
{
    return fails(" madvise ", EINVAL) ? -1 : REAL(madvise)(at, n, advice);
}

/* ---- files -------------------------------------------------------------- */

FAKE(int, open, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    unsigned mode = va_arg(ap, unsigned); /* not read where there is none */
    va_end(ap);
    return fails(" open ", EMFILE) ? -1 : REAL(open)(path, flags, mode);
}

FAKE(int, openat, int dir, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    unsigned mode = va_arg(ap, unsigned);
    va_end(ap);
    return fails(" openat ", EMFILE) ? -1
                                     : REAL(openat)(dir, path, flags, mode);
}

FAKE(FILE *, fopen, const char *path, const char *mode)
{
    return fails(" fopen ", EMFILE) ? NULL : REAL(fopen)(path, mode);
}

FAKE(int, fstat, int fd, struct stat *st)
{
    return fails(" fstat ", EIO) ? -1 : REAL(fstat)(fd, st);
}

FAKE(ssize_t, getdents64, int fd, void *to, size_t n)
{
    return fails(" getdents64 ", EIO) ? -1 : REAL(getdents64)(fd, to, n);
}

FAKE(ssize_t, pread, int fd, void *to, size_t n, off_t at)
{
    return fails(" pread ", EIO) ? -1 : REAL(pread)(fd, to, n, at);
}

FAKE(ssize_t, write, int fd, const void *from, size_t n)
{
    return fails(" write ", ENOSPC) ? -1 : REAL(write)(fd, from, n);
}

/* ---- threads ------------------------------------------------------------ */

FAKE(int, pthread_create, pthread_t *thread, const pthread_attr_t *attr,
     void *(*body)(void *), void *self)
{
    return fails(" pthread_create ", EAGAIN)
               ? EAGAIN
               : REAL(pthread_create)(thread, attr, body, self);
}

/* A futex's wait comes back at once, as after a signal. */
FAKE(long, syscall, long number, ...)
{
    long a[6];
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET &&
        fails(" futex ", EINTR))
        return -1;
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- io_uring ----------------------------------------------------------- */

struct io_uring;
struct io_uring_cqe;
struct io_uring_probe;
struct __kernel_timespec;

FAKE(int, io_uring_queue_init, unsigned entries, struct io_uring *ring,
     unsigned flags)
{
    return fails(" io_uring_queue_init ", ENOMEM)
               ? -ENOMEM
               : REAL(io_uring_queue_init)(entries, ring, flags);
}

FAKE(struct io_uring_probe *, io_uring_get_probe_ring, struct io_uring *ring)
{
    return fails(" io_uring_get_probe_ring ", ENOMEM)
               ? NULL
               : REAL(io_uring_get_probe_ring)(ring);
}

FAKE(int, io_uring_submit, struct io_uring *ring)
{
    return fails(" io_uring_submit ", EAGAIN) ? -EAGAIN
                                              : REAL(io_uring_submit)(ring);
}

FAKE(int, io_uring_submit_and_wait, struct io_uring *ring, unsigned n)
{
    return fails(" io_uring_submit_and_wait ", EINTR)
               ? -EINTR
               : REAL(io_uring_submit_and_wait)(ring, n);
}

FAKE(int, io_uring_submit_and_wait_timeout, struct io_uring *ring,
     struct io_uring_cqe **cqe, unsigned n, struct __kernel_timespec *time,
     void *mask)
{
    return fails(" io_uring_submit_and_wait_timeout ", EAGAIN)
               ? -EAGAIN
               : REAL(io_uring_submit_and_wait_timeout)(ring, cqe, n, time,
                                                        mask);
}

/* What peek and wait come down to. */
FAKE(int, __io_uring_get_cqe, struct io_uring *ring, struct io_uring_cqe **cqe,
     unsigned submit, unsigned wait, void *mask)
{
    return fails(" __io_uring_get_cqe ", EAGAIN)
               ? -EAGAIN
               : REAL(__io_uring_get_cqe)(ring, cqe, submit, wait, mask);
}

/* ---- what the library does not call today ------------------------------- */

FAKE(int, mlock, const void *at, size_t n)
{
    return fails(" mlock ", ENOMEM) ? -1 : REAL(mlock)(at, n);
}

FAKE(int, eventfd, unsigned count, int flags)
{
    return fails(" eventfd ", EMFILE) ? -1 : REAL(eventfd)(count, flags);
}

FAKE(int, io_uring_register_buffers, struct io_uring *ring, const void *iov,
     unsigned n)
{
    return fails(" io_uring_register_buffers ", ENOMEM)
               ? -ENOMEM
               : REAL(io_uring_register_buffers)(ring, iov, n);
}

FAKE(int, io_uring_register_files, struct io_uring *ring, const int *files,
     unsigned n)
{
    return fails(" io_uring_register_files ", EMFILE)
               ? -EMFILE
               : REAL(io_uring_register_files)(ring, files, n);
}
