/* Ways to get a folder's files out of the page cache, against one another:
 * plain calls, io_uring as the loader uses it, and what io_uring offers on
 * top (registered buffers, registered files, opening through the ring).  Every
 * way looks at all bytes once, as a decoder will.  Prints CPU microseconds a
 * file, the median of rounds in turn.  Usage: bench_read FOLDER [rounds] */
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

enum { MAX_FILES = 20000, MAX_ROUNDS = 101, DEPTH = 4, BUFFER = 8 << 20 };

static char *paths[MAX_FILES];
static int n_files;
static uint8_t *buffers[DEPTH];
static uint64_t seen; /* keeps the looks from being left out */

static int visit(const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
    (void)ftw;
    if (type == FTW_F && st->st_size < BUFFER && n_files < MAX_FILES)
        paths[n_files++] = strdup(path);
    return 0;
}

static void look(const uint8_t *bytes, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i + 64 <= n; i += 64) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        sum += word;
    }
    seen += sum;
}

static int open_file(const char *path, size_t *n_bytes)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        exit(1);
    *n_bytes = (size_t)st.st_size;
    return fd;
}

static void by_pread(void)
{
    for (int i = 0; i < n_files; i++) {
        size_t n;
        int fd = open_file(paths[i], &n);
        if (pread(fd, buffers[0], n, 0) != (ssize_t)n)
            exit(1);
        close(fd);
        look(buffers[0], n);
    }
}

/* What a reader without a copy would gain; a file cut short while it is
 * mapped would kill the process, so the library does not do it. */
static void by_mmap(void)
{
    for (int i = 0; i < n_files; i++) {
        size_t n;
        int fd = open_file(paths[i], &n);
        uint8_t *data =
            mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (data == MAP_FAILED)
            exit(1);
        close(fd);
        look(data, n);
        munmap(data, n);
    }
}

/* A ring with what its way needs, DEPTH reads in flight. */
struct way {
    struct io_uring ring;
    bool fixed_buffers, fixed_files, opens; /* opens: through the ring */
    int fds[DEPTH];
    size_t n[DEPTH];
};

static void set_up(struct way *way)
{
    struct iovec vectors[DEPTH];
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;

    if (io_uring_queue_init(4 * DEPTH, &way->ring, flags) < 0 &&
        io_uring_queue_init(4 * DEPTH, &way->ring, 0) < 0)
        exit(77);
    for (int i = 0; i < DEPTH; i++)
        vectors[i] = (struct iovec){buffers[i], BUFFER};
    if (way->fixed_buffers &&
        io_uring_register_buffers(&way->ring, vectors, DEPTH) < 0)
        exit(77);
    if (way->fixed_files && io_uring_register_files_sparse(&way->ring, DEPTH))
        exit(77);
}

static void begin(struct way *way, int slot, const char *path)
{
    struct io_uring_sqe *sqe;
    int fd;

    if (way->opens) { /* as far as size and close go, one more saving */
        struct stat st;
        if (stat(path, &st) < 0)
            exit(1);
        way->n[slot] = (size_t)st.st_size;
        sqe = io_uring_get_sqe(&way->ring);
        io_uring_prep_openat_direct(sqe, AT_FDCWD, path, O_RDONLY, 0,
                                    (unsigned)slot);
        sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
        fd = slot;
    } else {
        way->fds[slot] = fd = open_file(path, &way->n[slot]);
        if (way->fixed_files) {
            io_uring_register_files_update(&way->ring, (unsigned)slot, &fd, 1);
            fd = slot;
        }
    }
    sqe = io_uring_get_sqe(&way->ring);
    if (way->fixed_buffers)
        io_uring_prep_read_fixed(sqe, fd, buffers[slot], (unsigned)way->n[slot],
                                 0, slot);
    else
        io_uring_prep_read(sqe, fd, buffers[slot], (unsigned)way->n[slot], 0);
    sqe->flags |= way->fixed_files ? IOSQE_FIXED_FILE : 0;
    io_uring_sqe_set_data64(sqe, (uint64_t)slot + 1);
}

static void end(struct way *way, int slot)
{
    if (!way->opens)
        close(way->fds[slot]); /* a registered slot is closed by its reuse */
    look(buffers[slot], way->n[slot]);
}

static void by_ring(struct way *way)
{
    struct io_uring_cqe *cqe;
    int next = 0, n_flying = 0;

    while (n_flying < DEPTH && next < n_files) {
        begin(way, n_flying++, paths[next++]);
    }
    while (n_flying) {
        io_uring_submit_and_wait(&way->ring, 1);
        while (io_uring_peek_cqe(&way->ring, &cqe) == 0) {
            uint64_t slot = cqe->user_data - 1;
            int result = cqe->res;
            io_uring_cqe_seen(&way->ring, cqe);
            if (slot >= DEPTH || result != (int)way->n[slot])
                exit(1);
            end(way, (int)slot);
            n_flying--;
            if (next < n_files) {
                begin(way, (int)slot, paths[next++]);
                n_flying++;
            }
        }
    }
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct way ways[] = {
        {.opens = false},
        {.fixed_buffers = true},
        {.fixed_files = true},
        {.fixed_buffers = true, .fixed_files = true},
        {.fixed_buffers = true, .fixed_files = true, .opens = true},
    };
    static const char *const names[] = {"open, fstat, pread, close",
                                        "the same, mmap instead of pread",
                                        "io_uring",
                                        "io_uring, registered buffers",
                                        "io_uring, registered files",
                                        "io_uring, both",
                                        "io_uring, both, opens by ring"};
    enum { N_WAYS = sizeof names / sizeof names[0] };
    static double us[N_WAYS][MAX_ROUNDS];
    int rounds = argc > 2 ? atoi(argv[2]) : 15;

    if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS ||
        nftw(argv[1], visit, 16, 0) != 0 || n_files == 0) {
        fprintf(stderr, "usage: bench_read FOLDER [rounds]\n");
        return 2;
    }
    for (int i = 0; i < DEPTH; i++) {
        buffers[i] = aligned_alloc(4096, BUFFER);
        memset(buffers[i], 1, BUFFER);
    }
    for (int w = 0; w < N_WAYS - 2; w++)
        set_up(&ways[w]);
    for (int r = 0; r < rounds; r++)
        for (int w = 0; w < N_WAYS; w++) {
            double start = cpu_us();
            if (w < 2)
                (w ? by_mmap : by_pread)();
            else
                by_ring(&ways[w - 2]);
            us[w][r] = (cpu_us() - start) / n_files;
        }
    for (int w = 0; w < N_WAYS; w++) {
        qsort(us[w], (size_t)rounds, sizeof us[w][0], by_value);
        printf("%-32s %7.2f us of CPU a file\n", names[w], us[w][rounds / 2]);
    }
    return seen == 42; /* never: but the compiler does not know */
}
