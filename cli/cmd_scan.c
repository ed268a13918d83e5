/* stoker scan: reads and decodes every image of a folder, whole, on all
 * CPUs, and finds what is bad and what will surprise. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "scan.h"

enum { MAX_JOBS = 256, HUGE_PIXELS = 50000000, TINY_SIDE = 32 };

/* Shared by the threads.  next: relaxed, only the number matters.  done and
 * bytes: relaxed, for the progress bar.  Verdicts are published by joins. */
struct crew {
    struct scan *scan;
    atomic_llong next, done, bad, bytes;
    atomic_int failed;  /* threads that could not start to check */
    atomic_int alive;   /* release at a thread's end, acquire by the bar */
    stoker_error error; /* of the thread that failed first */
};

/* Whether a name's extension says another format than the bytes do. */
static bool other_extension(const char *path, const char *format)
{
    static const struct {
        const char *extension, *format;
    } known[] = {{".jpg", "JPEG"},
                 {".jpeg", "JPEG"},
                 {".png", "PNG"},
                 {".webp", "WEBP"}};
    const char *dot = path ? strrchr(path, '.') : NULL;
    if (!dot || !format[0])
        return false;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcasecmp(dot, known[i].extension) == 0)
            return strcmp(known[i].format, format) != 0;
    return true;
}

static uint8_t surprises_of(const struct scan *scan, int64_t id,
                            const stoker_image_info *info)
{
    unsigned found = 0;
    if (info->mode[0] && strcmp(info->mode, "RGB") != 0)
        found |= SCAN_NOT_RGB;
    if (strncmp(info->mode, "I;16", 4) == 0 || strcmp(info->mode, "I") == 0)
        found |= SCAN_DEEP_GREY;
    if (info->orientation > 1)
        found |= SCAN_ROTATED;
    if ((int64_t)info->width * info->height > HUGE_PIXELS)
        found |= SCAN_HUGE;
    if (info->width > 0 && info->height > 0 &&
        (info->width < TINY_SIDE || info->height < TINY_SIDE))
        found |= SCAN_TINY;
    if (info->n_warnings > 0)
        found |= SCAN_WARNINGS;
    char *path = feed_path(&scan->feed, id);
    if (other_extension(path, info->format))
        found |= SCAN_EXTENSION;
    free(path);
    return (uint8_t)found;
}

static void check_one(struct crew *crew, stoker_checker *checker, int64_t id)
{
    struct scan *scan = crew->scan;
    struct verdict *verdict = &scan->verdicts[id];
    stoker_image_info info = {.size = sizeof(info)};
    stoker_error err;
    verdict->code = stoker_checker_check(checker, id, &info, &err);
    if (verdict->code != 0) {
        verdict->text = strdup(err.text);
        atomic_fetch_add_explicit(&crew->bad, 1, memory_order_relaxed);
    }
    memcpy(verdict->hash, info.hash, sizeof(verdict->hash));
    memcpy(verdict->format, info.format, sizeof(verdict->format));
    memcpy(verdict->mode, info.mode, sizeof(verdict->mode));
    verdict->width = info.width;
    verdict->height = info.height;
    verdict->surprises = surprises_of(scan, id, &info);
    atomic_fetch_add_explicit(&crew->bytes, info.n_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&crew->done, 1, memory_order_relaxed);
}

static void *work(void *arg)
{
    struct crew *crew = arg;
    stoker_checker *checker = NULL;
    stoker_error err;
    int rc = stoker_checker_open(&checker, crew->scan->feed.ds,
                                 &crew->scan->feed.options, &err);
    if (rc != 0 && atomic_fetch_add(&crew->failed, 1) == 0)
        crew->error = err;
    while (rc == 0) {
        int64_t id =
            atomic_fetch_add_explicit(&crew->next, 1, memory_order_relaxed);
        if (id >= crew->scan->n)
            break;
        check_one(crew, checker, id);
    }
    if (checker)
        stoker_checker_close(&checker);
    atomic_fetch_sub_explicit(&crew->alive, 1, memory_order_release);
    return NULL;
}

static void draw_bar(struct crew *crew, double began)
{
    long long n = crew->scan->n;
    long long done = atomic_load_explicit(&crew->done, memory_order_relaxed);
    long long bad = atomic_load_explicit(&crew->bad, memory_order_relaxed);
    double passed = cli_seconds() - began;
    double left = done ? passed * (double)(n - done) / (double)done : 0;
    char bar[31];
    int full = n ? (int)(done * 30 / n) : 30;
    for (int i = 0; i < 30; i++)
        bar[i] = i < full ? '#' : '.';
    bar[30] = 0;
    fprintf(stderr, "\r[%s] %lld of %lld, %lld bad, %.0f s left   ", bar, done,
            n, bad, left);
}

static int look(struct scan *scan)
{
    pthread_t threads[MAX_JOBS];
    struct crew crew = {.scan = scan};
    bool bar = !scan->json && isatty(STDERR_FILENO);
    double began = cli_seconds();
    int n = 0;
    atomic_store(&crew.alive, (int)scan->jobs);
    while (n < scan->jobs &&
           pthread_create(&threads[n], NULL, work, &crew) == 0)
        n++;
    if (n == 0)
        return cli_fail(CLI_BAD, "scan", "no thread could be started");
    atomic_fetch_sub(&crew.alive, (int)scan->jobs - n);
    while (bar && atomic_load_explicit(&crew.alive, memory_order_acquire)) {
        draw_bar(&crew, began);
        usleep(100000);
    }
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    if (bar)
        fprintf(stderr, "\r%78s\r", "");
    scan->seconds = cli_seconds() - began;
    scan->n_bad = atomic_load(&crew.bad);
    scan->bytes = (double)atomic_load(&crew.bytes);
    if (atomic_load(&crew.failed) == n)
        return cli_fail(CLI_BAD, "scan", "%s", crew.error.text);
    return CLI_OK;
}

static int by_hash(const void *a, const void *b)
{
    const struct verdict *const *x = a, *const *y = b;
    int order = memcmp((*x)->hash, (*y)->hash, sizeof((*x)->hash));
    return order ? order : (*x > *y) - (*x < *y);
}

/* Marks every file whose bytes an earlier file has. */
static int find_duplicates(struct scan *scan)
{
    static const uint8_t none[16];
    struct verdict **order = calloc((size_t)scan->n + 1, sizeof(*order));
    size_t n = 0;
    if (!order)
        return cli_fail(CLI_BAD, "scan", "out of memory");
    for (int64_t id = 0; id < scan->n; id++)
        if (memcmp(scan->verdicts[id].hash, none, sizeof(none)) != 0)
            order[n++] = &scan->verdicts[id];
    qsort(order, n, sizeof(*order), by_hash);
    for (size_t i = 1; i < n; i++)
        if (memcmp(order[i - 1]->hash, order[i]->hash, sizeof(none)) == 0)
            order[i]->surprises |= SCAN_DUPLICATE;
    free(order);
    for (int64_t id = 0; id < scan->n; id++) {
        struct verdict *verdict = &scan->verdicts[id];
        if (verdict->code != 0)
            verdict->surprises = 0; /* bad says enough */
        for (int i = 0; i < SCAN_SURPRISES; i++)
            scan->n_surprises[i] += verdict->surprises >> i & 1;
    }
    return CLI_OK;
}

/* Asked for no more than its head, the library starts no CUDA driver. */
static int usable_cpus(void)
{
    stoker_system system = {.size = offsetof(stoker_system, cuda_driver)};
    stoker_system_get(&system);
    return system.n_cpus;
}

static int run(struct scan *scan)
{
    stoker_error err;
    stoker_folder_options folder;
    stoker_folder_options_init(&folder, sizeof(folder));
    folder.allow_empty = 1;
    folder.stall_timeout_ms = (int32_t)(scan->stall_s * 1000);
    if (stoker_dataset_from_folder(&scan->feed.ds, scan->folder, &folder,
                                   &err) != 0)
        return cli_fail(CLI_BAD, "scan", "%s", err.text);
    feed_settle(&scan->feed);
    scan->feed.options.stall_timeout_ms = (int32_t)(scan->stall_s * 1000);
    if (scan->jobs == 0)
        scan->jobs = usable_cpus();
    scan->n = stoker_dataset_count(scan->feed.ds);
    scan->verdicts = calloc((size_t)scan->n + 1, sizeof(*scan->verdicts));
    if (!scan->verdicts)
        return cli_fail(CLI_BAD, "scan", "out of memory");
    int status = look(scan);
    if (status == CLI_OK)
        status = find_duplicates(scan);
    if (status == CLI_OK && scan->move_to)
        status = scan_move_bad(scan);
    if (status != CLI_OK)
        return status;
    if (scan->json)
        scan_print_json(scan);
    else if (scan->list)
        scan_print_list(scan);
    else
        scan_print_words(scan);
    return scan->n_bad ? CLI_BAD : CLI_OK;
}

int cli_scan(int argc, char **argv)
{
    struct scan scan = {.jobs = 0, .stall_s = 120};
    struct cli_flags flags = {
        .command = "scan",
        .operand = "FOLDER",
        .sentence = "Reads and decodes every image of a folder whole; reports "
                    "what is bad, by\nreason, and what will surprise.",
        .more = "Exits with 1 when a file is bad."};
    int status;
    feed_init(&scan.feed);
    cli_int(&flags, "jobs", "N", &scan.jobs, 0, MAX_JOBS,
            "threads [0: the CPUs this process may use]");
    cli_switch(&flags, "json", &scan.json, "one object instead of words");
    cli_switch(&flags, "list", &scan.list, "only the bad paths, one a line");
    cli_text(&flags, "move-bad", "DIR", &scan.move_to,
             "move bad files there, under their relative names");
    cli_int(&flags, "stall-timeout", "SECONDS", &scan.stall_s, 1, 86400,
            "a file that does not answer for so long is bad [120]");
    feed_damaged_flag(&flags, &scan.feed);
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    if (scan.list && (scan.json || scan.move_to))
        return cli_fail(CLI_USAGE, "scan",
                        "--list goes neither with --json nor --move-bad");
    scan.folder = flags.operand_value;
    if (scan.move_to && (status = scan_check_move(&scan)) != CLI_OK)
        return status;
    status = run(&scan);
    for (int64_t id = 0; scan.verdicts && id < scan.n; id++)
        free(scan.verdicts[id].text);
    free(scan.verdicts);
    feed_close(&scan.feed);
    return status;
}
