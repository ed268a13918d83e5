/* stoker synth: a folder of made-up photos, one sub-folder a class. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "photo.h"

enum { MAX_THREADS = 64 };

/* Shared by the threads; all but the atomics is fixed before they start. */
struct synth {
    const char *folder;
    int64_t count, seed, classes, jobs;
    double megapixels;
    atomic_llong next;  /* relaxed: only the number itself matters */
    atomic_llong bytes; /* relaxed, read after the joins */
    atomic_int failed;  /* the first errno; relaxed, as above */
};

static int make_one(struct synth *synth, int64_t index, uint8_t **rgb,
                    size_t *room)
{
    struct photo photo;
    char name[64], path[4096];
    photo_choose(&photo, (uint64_t)synth->seed, index,
                 (int)(index % synth->classes), synth->megapixels);
    size_t want = (size_t)photo.width * (size_t)photo.height * 3;
    if (want > *room) {
        free(*rgb);
        *rgb = malloc(want);
        *room = *rgb ? want : 0;
    }
    if (!*rgb)
        return -ENOMEM;
    photo_class_name(photo.label, name, sizeof(name));
    if (snprintf(path, sizeof(path), "%s/%s/photo_%06lld.jpg", synth->folder,
                 name, (long long)index) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    int rc = photo_draw(&photo, *rgb);
    if (rc == 0)
        rc = photo_file_write(&photo, *rgb, path);
    struct stat file;
    if (rc == 0 && stat(path, &file) == 0)
        atomic_fetch_add_explicit(&synth->bytes, file.st_size,
                                  memory_order_relaxed);
    return rc;
}

static void *work(void *arg)
{
    struct synth *synth = arg;
    uint8_t *rgb = NULL;
    size_t room = 0;
    for (;;) {
        int64_t index =
            atomic_fetch_add_explicit(&synth->next, 1, memory_order_relaxed);
        if (index >= synth->count ||
            atomic_load_explicit(&synth->failed, memory_order_relaxed))
            break;
        int rc = make_one(synth, index, &rgb, &room);
        if (rc != 0)
            atomic_store_explicit(&synth->failed, -rc, memory_order_relaxed);
    }
    free(rgb);
    return NULL;
}

/* Makes the folder and its classes; refuses one that holds anything. */
static int make_folders(const struct synth *synth)
{
    char path[4096], name[64];
    int status = cli_make_folder("synth", synth->folder);
    if (status != CLI_OK)
        return status;
    for (int label = 0; label < synth->classes; label++) {
        photo_class_name(label, name, sizeof(name));
        snprintf(path, sizeof(path), "%s/%s", synth->folder, name);
        if (mkdir(path, 0777) != 0)
            return cli_fail(CLI_BAD, "synth", "%s: %s", path, strerror(errno));
    }
    return CLI_OK;
}

static int run(struct synth *synth)
{
    pthread_t threads[MAX_THREADS];
    double began = cli_seconds();
    int n = 0;
    if (synth->jobs == 0)
        synth->jobs = sysconf(_SC_NPROCESSORS_ONLN);
    if (synth->jobs > MAX_THREADS)
        synth->jobs = MAX_THREADS;
    while (n + 1 < synth->jobs &&
           pthread_create(&threads[n], NULL, work, synth) == 0)
        n++;
    work(synth);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    int failed = atomic_load_explicit(&synth->failed, memory_order_relaxed);
    if (failed)
        return cli_fail(CLI_BAD, "synth", "%s: %s", synth->folder,
                        strerror(failed));
    double bytes =
        (double)atomic_load_explicit(&synth->bytes, memory_order_relaxed);
    printf("made %lld photos in %lld classes, %.1f MB, in %.1f s: %s\n",
           (long long)synth->count, (long long)synth->classes, bytes * 1e-6,
           cli_seconds() - began, synth->folder);
    return CLI_OK;
}

int cli_synth(int argc, char **argv)
{
    struct synth synth = {.count = 500, .classes = 10};
    struct cli_flags flags = {
        .command = "synth",
        .operand = "DIR",
        .sentence = "Makes a folder of photos with the sizes, qualities and "
                    "detail of real ones.\nClasses differ by colour and "
                    "shape; a seed always gives the same photos."};
    int status;
    cli_int(&flags, "count", "N", &synth.count, 1, 100000000, "[500]");
    cli_int(&flags, "seed", "S", &synth.seed, 0, INT64_MAX, "[0]");
    cli_int(&flags, "classes", "N", &synth.classes, 1, PHOTO_CLASSES_MAX,
            "[10]");
    cli_real(&flags, "megapixels", "M", &synth.megapixels, 1000,
             "all of this size [ImageNet's sizes]");
    cli_int(&flags, "jobs", "N", &synth.jobs, 0, MAX_THREADS,
            "threads [0: all CPUs]");
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    if (synth.classes > synth.count)
        synth.classes = synth.count;
    synth.folder = flags.operand_value;
    status = make_folders(&synth);
    return status == CLI_OK ? run(&synth) : status;
}
