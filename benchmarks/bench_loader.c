/* The whole loader over a folder of images (files directly in it or in class
 * folders): images a second and CPU time an image, from memory or from files.
 * Prints one line: "img_s cpu_ms_img own_share", and with --stages another. */
#include <dirent.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "stoker/stoker.h"

enum { MAX_FILES = 100000 };

static char *paths[MAX_FILES];
static stoker_item items[MAX_FILES];
static size_t n_files;

static bool is_image(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot &&
           (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
            strcasecmp(dot, ".png") == 0);
}

static void find(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) && n_files < MAX_FILES) {
        char *path;
        struct stat st;
        if (entry->d_name[0] == '.' ||
            asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
            continue;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            find(path);
            free(path);
        } else if (is_image(path)) {
            paths[n_files++] = path;
        } else {
            free(path);
        }
    }
    if (dir)
        closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_all(bool in_memory)
{
    qsort(paths, n_files, sizeof paths[0], by_name);
    for (size_t i = 0; i < n_files; i++) {
        items[i] = (stoker_item){.path = paths[i], .length = -1};
        if (!in_memory)
            continue;
        FILE *f = fopen(paths[i], "rb");
        struct stat st;
        if (!f || fstat(fileno(f), &st) < 0)
            exit(1);
        void *data = malloc((size_t)st.st_size);
        if (fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
            exit(1);
        fclose(f);
        items[i] = (stoker_item){.name = paths[i],
                                 .source = STOKER_SOURCE_MEMORY,
                                 .data = data,
                                 .length = st.st_size};
    }
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int find_word(const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    fprintf(stderr, "bench_loader: unknown word %s\n", word);
    exit(2);
}

static const float mean[3] = {0.485f, 0.456f, 0.406f};
static const float std[3] = {0.229f, 0.224f, 0.225f};
static stoker_transform list[3];
static bool in_memory, with_stages;
static double limit = 2; /* seconds */

static void usage(void)
{
    fputs("usage: bench_loader FOLDER [--memory] [--val] [--nhwc] [--bicubic] "
          "[--stages]\n"
          "         [--dtype u8|f16|bf16|f32] [--decoder auto|libjpeg] "
          "[--cpu LEVEL]\n"
          "         [--io auto|uring|pread] [--workers N] [--batch N] "
          "[--slots N]\n"
          "         [--ahead N] [--seconds S]\n",
          stderr);
    exit(2);
}

static void read_option(stoker_options *opt, int c, const char *value)
{
    static const char *const dtypes[] = {"u8", "f16", "bf16", "f32"};
    static const char *const cpus[] = {"auto", "scalar", "avx2", "avx512",
                                       "vec128"};
    static const char *const decoders[] = {"auto", "libjpeg"};
    static const char *const ios[] = {"auto", "uring", "pread"};

    switch (c) {
    case 'm':
        in_memory = true;
        break;
    case 't':
        opt->dtype = find_word(value, dtypes, 4);
        break;
    case 'c':
        opt->cpu = find_word(value, cpus, 5);
        break;
    case 'd':
        opt->decoder = find_word(value, decoders, 2);
        break;
    case 'i':
        opt->io = find_word(value, ios, 3);
        break;
    case 'w':
        opt->n_workers = atoi(value);
        break;
    case 's':
        limit = atof(value);
        break;
    case 'n':
        opt->layout = STOKER_NHWC;
        break;
    case 'b':
        opt->batch_size = atoi(value);
        break;
    case 'a':
        opt->reads_ahead = atoi(value);
        break;
    case 'l':
        opt->n_slots = atoi(value);
        break;
    case 'v':
        list[0] = stoker_resize(256, 0);
        list[1] = stoker_center_crop(224, 224);
        break;
    case 'u':
        list[0].as.random_resized_crop.interpolation = STOKER_BICUBIC;
        break;
    case 'g':
        with_stages = true;
        break;
    default:
        usage();
    }
}

static void read_options(stoker_options *opt, int argc, char **argv)
{
    static const struct option longs[] = {
        {"memory", 0, 0, 'm'},  {"dtype", 1, 0, 't'},   {"cpu", 1, 0, 'c'},
        {"decoder", 1, 0, 'd'}, {"workers", 1, 0, 'w'}, {"seconds", 1, 0, 's'},
        {"val", 0, 0, 'v'},     {"nhwc", 0, 0, 'n'},    {"io", 1, 0, 'i'},
        {"batch", 1, 0, 'b'},   {"bicubic", 0, 0, 'u'}, {"slots", 1, 0, 'l'},
        {"ahead", 1, 0, 'a'},   {"stages", 0, 0, 'g'},  {0},
    };
    int c;

    stoker_options_init(opt, sizeof *opt);
    list[0] = stoker_random_resized_crop(224, 224);
    list[1] = stoker_random_horizontal_flip(0.5);
    opt->n_workers = 2;
    opt->n_transforms = 2;
    opt->transforms = list;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        read_option(opt, c, optarg);
    if (optind + 1 != argc)
        usage();
    if (opt->dtype != STOKER_U8)
        list[opt->n_transforms++] = stoker_normalize(mean, std);
}

static void die(const stoker_error *err)
{
    fprintf(stderr, "bench_loader: %s\n", err->text);
    exit(1);
}

/* Plays epochs for `limit` seconds behind the first, which fills caches and
 * scratch; returns images, and the seconds and CPU seconds they took. */
static int64_t play(stoker_loader *loader, double *wall, double *cpu)
{
    stoker_batch *batch;
    stoker_error err;
    int64_t n = 0;
    double start = 0, now = 0;

    for (int epoch = 0; !n || now - start < limit;) {
        int rc = stoker_loader_next(loader, &batch, -1, &err);
        if (rc < 0)
            die(&err);
        now = seconds(CLOCK_MONOTONIC);
        if (rc == STOKER_END) {
            if (epoch++ == 0) {
                start = now;
                *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
            }
            continue;
        }
        stoker_batch_info info = {.size = sizeof info};
        stoker_batch_info_get(batch, &info);
        n += epoch ? info.n_rows : 0;
        stoker_batch_release(batch);
    }
    *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - *cpu;
    *wall = now - start;
    return n;
}

static void print_stages(const stoker_stats *stats)
{
    double k = 1e-6 / (double)stats->n_samples;

    printf("ms/img: read %.4f probe %.4f decode %.4f resample %.4f "
           "emit %.4f idle %.4f input %.4f\n",
           k * (double)stats->read_ns, k * (double)stats->probe_ns,
           k * (double)stats->decode_ns, k * (double)stats->resample_ns,
           k * (double)stats->emit_ns, k * (double)stats->idle_ns,
           k * (double)stats->input_ns);
}

int main(int argc, char **argv)
{
    stoker_options opt;
    stoker_error err;
    stoker_dataset *ds;
    stoker_loader *loader = NULL;
    double wall, cpu = 0;

    read_options(&opt, argc, argv);
    find(argv[optind]);
    read_all(in_memory);
    if (stoker_dataset_from_items(&ds, items, n_files, sizeof items[0], &err) ||
        stoker_loader_open(&loader, ds, &opt, &err))
        die(&err);
    int64_t n = play(loader, &wall, &cpu);
    stoker_stats stats = {.size = sizeof stats};
    stoker_loader_stats(loader, &stats);
    printf("%.1f %.4f %.3f\n", (double)n / wall, cpu * 1e3 / (double)n,
           (double)stats.n_own_decoder / (double)stats.n_samples);
    if (with_stages)
        print_stages(&stats);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    return 0;
}
