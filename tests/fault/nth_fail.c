/* A preloaded library that makes the n-th call of one kind fail, once or from
 * then on: memory, map, open, thread, setup or submit.  The program arms it
 * by nth_arm(); nth_count() says how many calls of that kind it has made. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>

/* As in fcntl.h, which may replace them by inlines. */
int open(const char *path, int flags, ...);
int openat(int dir, const char *path, int flags, ...);

void nth_arm(const char *kind, long at, int for_ever);
long nth_count(void);

static atomic_long n_calls, fail_at;
static atomic_int is_for_ever;
static char armed[16]; /* "": nothing fails */

/* The next definition behind this library's; a macro, for dlsym's result is
 * no function in ISO C. */
#define NEXT(name)                                                             \
    static __typeof__(&name) real;                                             \
    if (!real) {                                                               \
        void *found = dlsym(RTLD_NEXT, #name);                                 \
        memcpy(&real, &found, sizeof real);                                    \
    }

static int fails(const char *kind)
{
    if (strcmp(armed, kind) != 0)
        return 0;
    long n = atomic_fetch_add(&n_calls, 1) + 1, at = atomic_load(&fail_at);
    return at > 0 && (n == at || (n > at && atomic_load(&is_for_ever)));
}

void nth_arm(const char *kind, long at, int for_ever)
{
    atomic_store(&n_calls, 0);
    atomic_store(&fail_at, at);
    atomic_store(&is_for_ever, for_ever);
    memset(armed, 0, sizeof armed);
    strncpy(armed, kind, sizeof armed - 1);
}

long nth_count(void)
{
    return atomic_load(&n_calls);
}

/* glibc's own, so that dlsym's allocations find memory. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    if (fails("memory")) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    if (fails("memory")) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    if (fails("memory")) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(memory, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    if (fails("memory"))
        return ENOMEM;
    *out = __libc_memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    NEXT(mmap)
    if (fails("map")) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(at, n, protection, flags, fd, offset);
}

int mprotect(void *at, size_t n, int protection)
{
    NEXT(mprotect)
    if (fails("map")) {
        errno = ENOMEM;
        return -1;
    }
    return real(at, n, protection);
}

int open(const char *path, int flags, ...)
{
    NEXT(open)
    va_list ap;
    va_start(ap, flags);
    unsigned mode = va_arg(ap, unsigned); /* not read where there is none */
    va_end(ap);
    if (fails("open")) {
        errno = EMFILE;
        return -1;
    }
    return real(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    NEXT(openat)
    va_list ap;
    va_start(ap, flags);
    unsigned mode = va_arg(ap, unsigned);
    va_end(ap);
    if (fails("open")) {
        errno = EMFILE;
        return -1;
    }
    return real(dir, path, flags, mode);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*body)(void *), void *self)
{
    NEXT(pthread_create)
    return fails("thread") ? EAGAIN : real(thread, attr, body, self);
}

struct io_uring;
struct io_uring_params;
struct io_uring_cqe;
struct __kernel_timespec;

int io_uring_queue_init(unsigned entries, struct io_uring *ring,
                        unsigned flags);
int io_uring_submit(struct io_uring *ring);
int io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                     struct io_uring_cqe **cqe, unsigned n,
                                     struct __kernel_timespec *time,
                                     void *mask);

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
    NEXT(io_uring_queue_init)
    return fails("setup") ? -ENOMEM : real(entries, ring, flags);
}

int io_uring_submit(struct io_uring *ring)
{
    NEXT(io_uring_submit)
    return fails("submit") ? -EAGAIN : real(ring);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                     struct io_uring_cqe **cqe, unsigned n,
                                     struct __kernel_timespec *time, void *mask)
{
    NEXT(io_uring_submit_and_wait_timeout)
    return fails("submit") ? -EAGAIN : real(ring, cqe, n, time, mask);
}
