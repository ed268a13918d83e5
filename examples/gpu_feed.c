/* Feeds a stream of a GPU, by the CUDA driver API:
 *
 *     gpu_feed FOLDER
 *
 * stoker copies batches ahead, on a stream of its own, and makes floats of
 * them there.  A step here only reads: it fetches the labels and the first
 * image of each batch.  In their place stand your kernels.  Nothing waits on
 * the host between the first batch and the last.
 *
 * Exits with 77 where there is no driver or no device. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <stoker/stoker.h>

enum { ORDINAL = 0, SIDE = 64, ROWS = 16, IMAGE_VALUES = 3 * SIDE * SIDE };

/* What a program with the CUDA toolkit has by #include <cuda.h> and -lcuda;
 * found at run time here, so that the example builds without.  The symbols
 * are those that cuda.h maps the names to. */
static struct {
    int (*init)(unsigned flags);
    int (*get_device)(int *device, int ordinal);
    int (*retain)(void **context, int device);
    int (*release)(int device);
    int (*push)(void *context);
    int (*new_stream)(void **stream, unsigned flags);
    int (*end_stream)(void *stream);
    int (*sync)(void *stream);
    int (*pin)(void *data, size_t bytes, unsigned flags);
    int (*unpin)(void *data);
    int (*fetch)(void *to, unsigned long long from, size_t bytes, void *stream);
} cu;

enum { STREAM_NON_BLOCKING = 1 };

static void find(void *library, const char *symbol, void *to)
{
    void *found = dlsym(library, symbol);
    if (!found) {
        fprintf(stderr, "gpu_feed: the driver has no %s\n", symbol);
        exit(1);
    }
    *(void **)to = found;
}

static void find_driver(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "SKIPPED: no CUDA driver: %s\n", dlerror());
        exit(77);
    }
    find(library, "cuInit", &cu.init);
    find(library, "cuDeviceGet", &cu.get_device);
    find(library, "cuDevicePrimaryCtxRetain", &cu.retain);
    find(library, "cuDevicePrimaryCtxRelease_v2", &cu.release);
    find(library, "cuCtxPushCurrent_v2", &cu.push);
    find(library, "cuStreamCreate", &cu.new_stream);
    find(library, "cuStreamDestroy_v2", &cu.end_stream);
    find(library, "cuStreamSynchronize", &cu.sync);
    find(library, "cuMemHostRegister_v2", &cu.pin);
    find(library, "cuMemHostUnregister", &cu.unpin);
    find(library, "cuMemcpyDtoHAsync_v2", &cu.fetch);
}

static void must(int code, const char *what)
{
    if (code == 0)
        return;
    fprintf(stderr, "gpu_feed: %s: CUDA error %d\n", what, code);
    exit(1);
}

static void need(int rc, const stoker_error *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "gpu_feed: %s\n", err->text);
    exit(1);
}

/* What the steps bring home: page-locked, or the host would wait for them. */
struct results {
    size_t bytes;
    int64_t *labels; /* ROWS a step, -1 where nothing came */
    float *images;   /* the first of each step */
    int64_t n_steps, n_rows;
};

static void results_init(struct results *out, int64_t n_steps)
{
    size_t n = (size_t)n_steps;
    size_t label_bytes = n * ROWS * sizeof *out->labels;

    out->bytes = label_bytes + n * IMAGE_VALUES * sizeof *out->images;
    out->bytes = (out->bytes + 4095) / 4096 * 4096;
    out->labels = aligned_alloc(4096, out->bytes);
    if (!out->labels)
        exit(1);
    out->images = (float *)((char *)out->labels + label_bytes);
    out->n_steps = out->n_rows = 0;
    must(cu.pin(out->labels, out->bytes, 0), "cuMemHostRegister");
}

/* In the place of a training step: all of it is given to the stream, nothing
 * is waited for. */
static void step(struct results *out, const stoker_tensor *image,
                 const stoker_tensor *label, void *stream)
{
    int64_t rows = image->shape[0];

    must(cu.fetch(out->labels + out->n_rows, (uintptr_t)label->data,
                  (size_t)rows * sizeof *out->labels, stream),
         "cuMemcpyDtoHAsync");
    must(cu.fetch(out->images + out->n_steps * IMAGE_VALUES,
                  (uintptr_t)image->data, IMAGE_VALUES * sizeof *out->images,
                  stream),
         "cuMemcpyDtoHAsync");
    out->n_rows += rows;
    out->n_steps++;
}

static void play(stoker_loader *loader, struct results *out, void *stream)
{
    stoker_tensor image = {.size = sizeof image};
    stoker_tensor label = {.size = sizeof label};
    stoker_batch *batch;
    stoker_error err;
    int rc;

    while ((rc = stoker_loader_next(loader, &batch, -1, &err)) == STOKER_OK) {
        /* The stream waits for the copy; this thread does not. */
        need(stoker_batch_acquire(batch, stream, &err), &err);
        need(stoker_batch_tensor(batch, "image", &image), &err);
        need(stoker_batch_tensor(batch, "label", &label), &err);
        step(out, &image, &label, stream);
        /* The memory is used again behind what the stream has so far. */
        need(stoker_batch_release_on(batch, stream, &err), &err);
    }
    if (rc != STOKER_END)
        need(rc, &err);
    must(cu.sync(stream), "cuStreamSynchronize");
}

/* Every label of the folder came, as often as it stands there. */
static int check(const stoker_dataset *ds, const struct results *got)
{
    int64_t n = stoker_dataset_count(ds);
    int64_t n_classes = stoker_dataset_n_classes(ds);
    int64_t *counts = calloc((size_t)n_classes, sizeof *counts);
    int bad = !counts || got->n_rows != n;

    for (int64_t i = 0; !bad && i < n; i++) {
        counts[stoker_dataset_label(ds, i)]++;
        if (got->labels[i] < 0 || got->labels[i] >= n_classes)
            bad = 1;
        else
            counts[got->labels[i]]--;
    }
    for (int64_t i = 0; !bad && i < n_classes; i++)
        bad = counts[i] != 0;
    free(counts);
    return bad;
}

static void tell(stoker_loader *loader, const struct results *got, int bad)
{
    stoker_stats stats = {.size = sizeof stats};
    double sum = 0;
    int64_t n = got->n_steps * IMAGE_VALUES;

    for (int64_t i = 0; i < n; i++)
        sum += (double)got->images[i];
    stoker_loader_stats(loader, &stats);
    printf("%lld images in %lld steps, labels %s; mean of the first images "
           "%.3f\n%.1f MB copied in %.1f ms\n",
           (long long)got->n_rows, (long long)got->n_steps,
           bad ? "NOT as in the folder" : "as in the folder",
           n ? sum / (double)n : 0, (double)stats.bytes_copied * 1e-6,
           (double)stats.copy_ns * 1e-6);
}

static int run(const char *folder, void *stream)
{
    static const float mean[3] = {0.485F, 0.456F, 0.406F};
    static const float std[3] = {0.229F, 0.224F, 0.225F};
    stoker_transform transforms[] = {stoker_random_resized_crop(SIDE, SIDE),
                                     stoker_random_horizontal_flip(0.5),
                                     stoker_normalize(mean, std)};
    stoker_dataset *ds;
    stoker_loader *loader;
    stoker_options opt;
    stoker_error err;
    struct results results;

    need(stoker_dataset_from_folder(&ds, folder, NULL, &err), &err);
    stoker_options_init(&opt, sizeof opt);
    opt.transforms = transforms;
    opt.n_transforms = sizeof transforms / sizeof transforms[0];
    opt.dtype = STOKER_F32; /* bytes go over the bus, floats are made there */
    opt.batch_size = ROWS;
    opt.n_epochs = 1;
    opt.device = ORDINAL;
    need(stoker_loader_open(&loader, ds, &opt, &err), &err);
    results_init(&results,
                 stoker_plan_steps(&opt, stoker_dataset_count(ds), 0, &err));
    play(loader, &results, stream);
    int bad = check(ds, &results);
    tell(loader, &results, bad);
    must(cu.unpin(results.labels), "cuMemHostUnregister");
    free(results.labels);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    return bad;
}

int main(int argc, char **argv)
{
    void *context, *stream;
    int device;

    if (argc != 2) {
        fprintf(stderr, "usage: gpu_feed FOLDER\n");
        return 2;
    }
    find_driver();
    if (cu.init(0) != 0 || cu.get_device(&device, ORDINAL) != 0) {
        fprintf(stderr, "SKIPPED: the CUDA driver finds no device\n");
        return 77;
    }
    /* The primary context, as torch's and the runtime API's. */
    must(cu.retain(&context, device), "cuDevicePrimaryCtxRetain");
    must(cu.push(context), "cuCtxPushCurrent");
    must(cu.new_stream(&stream, STREAM_NON_BLOCKING), "cuStreamCreate");
    int bad = run(argv[1], stream);
    must(cu.end_stream(stream), "cuStreamDestroy");
    must(cu.release(device), "cuDevicePrimaryCtxRelease");
    return bad;
}
