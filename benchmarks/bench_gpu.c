/* Pinned and device batches over the stand-in driver (LD_LIBRARY_PATH names
 * its folder) or a real one.
 *   bench_gpu host [FOLDER]  CPU time a batch, pinned against plain
 *   bench_gpu device  how long a device waits between steps of 20 ms, with
 *                     batches copied ahead and with copies in the step's own
 *                     stream as DataLoader's users make them
 *   bench_gpu first   the first batch, with a ring of 512 MB and a small one
 * Without a folder the photos are flat: what is timed is everything but the
 * decoding. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

#include "base/clock.h"
#include "pin/cuda.h"
#include "stoker/stoker.h"

enum { SIDE = 224, N_PHOTOS = 64, STEP_NS = 20000000 };

static stoker_error err;
static struct stk_cuda user;
static stoker_dataset *ds;
static stoker_transform crop;

static void must(int rc)
{
    if (rc == 0)
        return;
    fprintf(stderr, "bench_gpu: %s (%d)\n", err.text, rc);
    exit(1);
}

static stoker_item photo(int level)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n_bytes = 0;
    JSAMPLE line[SIDE];
    JSAMPROW row = line;

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &n_bytes);
    jpeg.image_width = jpeg.image_height = SIDE;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    memset(line, level, sizeof line);
    for (int y = 0; y < SIDE; y++)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (stoker_item){.name = "flat",
                         .source = STOKER_SOURCE_MEMORY,
                         .data = bytes,
                         .length = (int64_t)n_bytes};
}

static void make_photos(const char *folder)
{
    static stoker_item items[N_PHOTOS];

    if (folder) {
        must(stoker_dataset_from_folder(&ds, folder, NULL, &err));
        return;
    }

    for (int i = 0; i < N_PHOTOS; i++)
        items[i] = photo(i);
    must(
        stoker_dataset_from_items(&ds, items, N_PHOTOS, sizeof items[0], &err));
}

static stoker_options options(int64_t rows)
{
    stoker_options opt;

    stoker_options_init(&opt, sizeof opt);
    crop = stoker_random_resized_crop(SIDE, SIDE);
    opt.transforms = &crop;
    opt.n_transforms = 1;
    opt.batch_size = rows;
    opt.global_batch_size = rows;
    return opt;
}

static stoker_loader *open_loader(const stoker_options *opt)
{
    stoker_loader *loader;
    must(stoker_loader_open(&loader, ds, opt, &err));
    return loader;
}

static stoker_batch *next(stoker_loader *loader)
{
    stoker_batch *batch;
    int rc;

    while ((rc = stoker_loader_next(loader, &batch, -1, &err)) == STOKER_END)
        ;
    must(rc);
    return batch;
}

static void pace(double bytes_s)
{
    void (*set)(uint64_t, int, double);
    *(void **)&set = dlsym(user.library, "standin_pace");
    if (set)
        set(1, 0, bytes_s);
    printf("driver: %s\n", set ? "the stand-in" : "a real one");
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* CPU milliseconds of the whole process a batch, over n batches. */
static double play(int pin, int n)
{
    stoker_options opt = options(N_PHOTOS);
    opt.pin = pin;
    stoker_loader *loader = open_loader(&opt);
    for (int i = 0; i < 8; i++)
        stoker_batch_release(next(loader));
    double start = cpu_seconds();
    for (int i = 0; i < n; i++) {
        must(stoker_loader_mark(loader, NULL, &err));
        stoker_batch_release(next(loader));
    }
    double ms = (cpu_seconds() - start) * 1e3 / n;
    stoker_loader_close(&loader);
    return ms;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench_host(void)
{
    enum { ROUNDS = 15, N = 150 };
    double plain[ROUNDS], pinned[ROUNDS];

    pace(0);
    for (int i = 0; i < ROUNDS; i++) {
        plain[i] = play(STOKER_PIN_OFF, N);
        pinned[i] = play(STOKER_PIN_REQUIRE, N);
    }
    qsort(plain, ROUNDS, sizeof plain[0], by_value);
    qsort(pinned, ROUNDS, sizeof pinned[0], by_value);
    double a = plain[ROUNDS / 2], b = pinned[ROUNDS / 2];
    printf("host mode, %d x %d batches of %d, CPU ms a batch, median (range): "
           "plain %.3f (%.3f-%.3f), pinned %.3f (%.3f-%.3f): %+.1f %%\n",
           ROUNDS, N, N_PHOTOS, a, plain[0], plain[ROUNDS - 1], b, pinned[0],
           pinned[ROUNDS - 1], 100 * (b - a) / a);
}

/* A step: a kernel that only waits on the device's own clock. */
static const char spin_ptx[] = ".version 6.0\n"
                               ".target sm_50\n"
                               ".address_size 64\n"
                               ".visible .entry stk_spin(.param .u64 ns)\n"
                               "{\n"
                               "  .reg .pred %is_early;\n"
                               "  .reg .b64 %length, %start, %now;\n"
                               "  ld.param.u64 %length, [ns];\n"
                               "  mov.u64 %start, %globaltimer;\n"
                               "AGAIN:\n"
                               "  mov.u64 %now, %globaltimer;\n"
                               "  sub.u64 %now, %now, %start;\n"
                               "  setp.lt.u64 %is_early, %now, %length;\n"
                               "  @%is_early bra AGAIN;\n"
                               "  ret;\n"
                               "}\n";

enum { N_STEPS = 200, WARM_UP = 4 };

/* One training run on a stream of its own, a pair of events a step. */
struct run {
    CUmodule module;
    CUfunction spin;
    CUstream stream;
    CUevent begun[WARM_UP + N_STEPS], done[WARM_UP + N_STEPS];
};

static void run_open(struct run *run)
{
    int rc = user.cuModuleLoadData(&run->module, spin_ptx);

    if (rc == 0)
        rc = user.cuModuleGetFunction(&run->spin, run->module, "stk_spin");
    if (rc == 0)
        rc = user.cuStreamCreate(&run->stream, CU_STREAM_NON_BLOCKING);
    for (int i = 0; rc == 0 && i < WARM_UP + N_STEPS; i++) {
        rc = user.cuEventCreate(&run->begun[i], 0);
        if (rc == 0)
            rc = user.cuEventCreate(&run->done[i], 0);
    }
    if (rc != 0) {
        fprintf(stderr, "bench_gpu: the driver says %d\n", rc);
        exit(1);
    }
}

static void run_close(struct run *run)
{
    for (int i = 0; i < WARM_UP + N_STEPS; i++) {
        user.cuEventDestroy(run->begun[i]);
        user.cuEventDestroy(run->done[i]);
    }
    user.cuStreamDestroy(run->stream);
    user.cuModuleUnload(run->module);
}

static void launch_step(struct run *run, int i)
{
    uint64_t ns = STEP_NS;
    void *arguments[] = {&ns};

    user.cuEventRecord(run->begun[i], run->stream);
    user.cuLaunchKernel(run->spin, 1, 1, 1, 1, 1, 1, 0, run->stream, arguments,
                        NULL);
    user.cuEventRecord(run->done[i], run->stream);
}

/* The share of the device's time outside of all steps, in percent. */
static double idle_share(const struct run *run)
{
    float whole = 0, one;
    double busy = 0;

    user.cuEventElapsedTime(&whole, run->begun[WARM_UP],
                            run->done[WARM_UP + N_STEPS - 1]);
    for (int i = WARM_UP; i < WARM_UP + N_STEPS; i++) {
        user.cuEventElapsedTime(&one, run->begun[i], run->done[i]);
        busy += (double)one;
    }
    return 100 * ((double)whole - busy) / (double)whole;
}

/* A loop that launches a step and then waits for the one before, as one that
 * prints the last loss does. */
static double steps(bool ahead)
{
    stoker_options opt = options(N_PHOTOS);
    stoker_tensor image = {.size = sizeof image};
    CUdeviceptr to = 0;
    struct run run;

    if (ahead)
        opt.device = 0;
    else
        opt.pin = STOKER_PIN_REQUIRE;
    stoker_loader *loader = open_loader(&opt);
    run_open(&run);
    if (!ahead)
        user.cuMemAlloc(&to, (size_t)N_PHOTOS * 3 * SIDE * SIDE);
    for (int i = 0; i < WARM_UP + N_STEPS; i++) {
        stoker_batch *batch = next(loader);
        if (ahead) {
            must(stoker_batch_acquire(batch, run.stream, &err));
        } else { /* what DataLoader's users do in the step's own stream */
            must(stoker_batch_tensor(batch, "image", &image));
            user.cuMemcpyHtoDAsync(
                to, image.data, (size_t)N_PHOTOS * 3 * SIDE * SIDE, run.stream);
        }
        launch_step(&run, i);
        must(stoker_batch_release_on(batch, run.stream, &err));
        if (i > 0)
            user.cuEventSynchronize(run.done[i - 1]);
    }
    user.cuStreamSynchronize(run.stream);
    double share = idle_share(&run);
    stoker_loader_close(&loader);
    run_close(&run);
    if (to)
        user.cuMemFree(to);
    return share;
}

static void bench_device(void)
{
    pace(10e9);
    printf("%d steps of %d ms, batches of %.1f MB over 10 GB/s: the device "
           "waits %.2f %% of its time copied ahead, %.2f %% copied in the "
           "step's stream\n",
           N_STEPS, STEP_NS / 1000000, N_PHOTOS * 3.0 * SIDE * SIDE * 1e-6,
           steps(true), steps(false));
}

/* Milliseconds from open to the first batch. */
static double first(int pin, int ring_mb)
{
    stoker_options opt = options(N_PHOTOS);
    stoker_stats stats = {.size = sizeof stats};

    opt.pin = pin;
    opt.n_slots = ring_mb * (1 << 20) / (N_PHOTOS * 3 * SIDE * SIDE) + 1;
    stoker_loader *loader = open_loader(&opt);
    stoker_batch_release(next(loader));
    stoker_loader_stats(loader, &stats);
    stoker_loader_close(&loader);
    return (double)stats.first_batch_ns * 1e-6;
}

static void bench_first(void)
{
    enum { ROUNDS = 15 };
    static const struct {
        int pin, mb;
        const char *name;
    } kinds[] = {{STOKER_PIN_OFF, 32, "plain"},
                 {STOKER_PIN_OFF, 512, "plain"},
                 {STOKER_PIN_REQUIRE, 32, "pinned"},
                 {STOKER_PIN_REQUIRE, 512, "pinned"}};
    double ms[4][ROUNDS];

    pace(0);
    for (int i = 0; i < ROUNDS; i++)
        for (int k = 0; k < 4; k++)
            ms[k][i] = first(kinds[k].pin, kinds[k].mb);
    for (int k = 0; k < 4; k++) {
        qsort(ms[k], ROUNDS, sizeof ms[k][0], by_value);
        printf("first batch, %s, ring of %3d MB: median %.1f ms (%.1f-%.1f)\n",
               kinds[k].name, kinds[k].mb, ms[k][ROUNDS / 2], ms[k][0],
               ms[k][ROUNDS - 1]);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int rc = stk_cuda_open(&user, 0, &err);

    if (rc < 0) {
        fprintf(stderr, "SKIPPED: %s\n", err.text);
        return 77;
    }
    user.cuCtxPushCurrent(user.context);
    make_photos(argc > 2 ? argv[2] : NULL);
    if (!what[0] || strcmp(what, "host") == 0)
        bench_host();
    if (!what[0] || strcmp(what, "device") == 0)
        bench_device();
    if (!what[0] || strcmp(what, "first") == 0)
        bench_first();
    return 0;
}
