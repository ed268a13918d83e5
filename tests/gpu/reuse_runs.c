/* The consumers behind the soaks and the mutants. */
#include "reuse_runs.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

int64_t reuse_run_host(int n, struct reuse_run run)
{
    stoker_options opt = rig_options(-1, STOKER_U8);
    opt.n_slots = 3;
    opt.guard = run.guard;
    stoker_loader *loader = rig_open(&opt);
    int64_t before = rig_counts().early_reuses;
    CUdeviceptr to[2]; /* a stream's own */
    CUstream streams[2];

    for (int i = 0; i < 2; i++) {
        rig.user.cuMemAlloc(&to[i], IMAGE);
        rig.user.cuStreamCreate(&streams[i], 1);
    }
    if (run.mutate)
        run.mutate(loader);
    for (int i = 0; i < n; i++) {
        int which = run.uses_second_stream && i % 2;
        CUstream used = streams[which];
        if (!run.forgets_mark)
            ck_assert_int_eq(stoker_loader_mark(loader, streams[0], &rig.err),
                             0);
        stoker_batch *batch = rig_next(loader);
        ck_assert_int_eq(rig_tensor(batch, "image").pinned, 1);
        if (used != streams[0] && !run.forgets_record)
            ck_assert_int_eq(stoker_batch_record_stream(batch, used, &rig.err),
                             0);
        if (run.frees_at_once || run.marks_early)
            atomic_store(&batch->was_seen, 0);
        if (run.marks_early) {
            stk_guard_die_on(&loader->home->gpu->guard, batch->buffer, used,
                             &rig.err);
            batch->is_lost = true; /* its end does not give it back again */
        }
        rig_copy_and_forget(batch, to[which], used);
    }
    for (int i = 0; i < 2; i++)
        rig.user.cuStreamSynchronize(streams[i]);
    stoker_loader_close(&loader);
    for (int i = 0; i < 2; i++) {
        rig.user.cuStreamDestroy(streams[i]);
        rig.user.cuMemFree(to[i]);
    }
    return rig_counts().early_reuses - before;
}

enum { KEEP = 64 }; /* batches between two looks at the pixels */

struct seen {
    uint8_t got[KEEP][IMAGE * 4];
    int64_t want[KEEP][ROWS];
};

/* The kernel's table, as the house defines it. */
static float value_of(int64_t id, int channel)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f};
    static const float std[3] = {0.229f, 0.224f, 0.225f};
    float t = (float)id * (1.0f / 255);
    t = t - mean[channel];
    return t / std[channel];
}

static bool is_good(const struct seen *seen, int i, bool is_float)
{
    for (int k = 0; k < IMAGE; k++) {
        int64_t id = seen->want[i][k / ROW];
        float got;
        if (!is_float && seen->got[i][k] != id)
            return false;
        memcpy(&got, &seen->got[i][4 * k], sizeof got);
        if (is_float && got != value_of(id, k % ROW / (ROW / 3)))
            return false;
    }
    return true;
}

/* Late copies back of one batch on `stream`, and its end. */
static void use(stoker_loader *loader, struct seen *seen, int i,
                CUstream stream, const struct reuse_run *run)
{
    if (run->uses_mark)
        ck_assert_int_eq(stoker_loader_mark(loader, stream, NULL), 0);
    stoker_batch *batch = rig_next(loader);
    stoker_tensor image = rig_tensor(batch, "image");

    ck_assert_int_eq(image.device, 0);
    memcpy(seen->want[i], rig_tensor(batch, "id").data, sizeof seen->want[i]);
    if (!run->forgets_acquire)
        ck_assert_int_eq(stoker_batch_acquire(batch, stream, NULL), 0);
    rig.copy_back(seen->got[i], (CUdeviceptr)(uintptr_t)image.data,
                  run->is_float ? IMAGE * 4 : IMAGE, stream);
    if (run->forgets_release) {
        /* Free while the reader is queued; its own end changes nothing. */
        stk_guard_unlease(&loader->home->gpu->guard,
                          (uint32_t)batch->device_buffer);
        batch->is_lost = true;
        stoker_batch_release(batch);
    } else if (run->uses_mark)
        stoker_batch_release(batch);
    else
        ck_assert_int_eq(stoker_batch_release_on(batch, stream, NULL), 0);
}

int64_t reuse_run_device(int n, struct reuse_run run)
{
    static struct seen seen;
    stoker_options opt = rig_options(0, run.is_float ? STOKER_F32 : STOKER_U8);
    opt.guard = run.guard;
    stoker_loader *loader = rig_open(&opt);
    int64_t before = rig_counts().early_reuses, n_wrong = 0;
    CUstream stream;

    rig.user.cuStreamCreate(&stream, 1);
    if (run.mutate)
        run.mutate(loader);
    for (int done = 0; done < n; done += KEEP) {
        for (int i = 0; i < KEEP; i++)
            use(loader, &seen, i, stream, &run);
        rig.user.cuStreamSynchronize(stream);
        for (int i = 0; i < KEEP; i++)
            n_wrong += !is_good(&seen, i, run.is_float);
    }
    stoker_loader_close(&loader);
    rig.user.cuStreamDestroy(stream);
    return n_wrong + rig_counts().early_reuses - before;
}

struct consumer {
    pthread_t thread;
    stoker_loader *loader;
    int n, device;
    int64_t n_wrong;
    struct seen *seen;
};

/* libcheck's assertions are the main thread's, so it counts instead. */
static void *consume(void *self)
{
    struct consumer *c = self;
    CUcontext popped;
    CUdeviceptr to;
    CUstream stream;

    rig.user.cuCtxPushCurrent(rig.user.context);
    rig.user.cuStreamCreate(&stream, 1);
    rig.user.cuMemAlloc(&to, IMAGE);
    for (int done = 0; done < c->n; done++) {
        const int i = done % KEEP;
        stoker_batch *batch;
        stoker_tensor image = {.size = sizeof image}, id = {.size = sizeof id};
        int rc;
        do
            rc = stoker_loader_next(c->loader, &batch, 20000, NULL);
        while (rc == STOKER_END);
        if (rc) {
            c->n_wrong++;
            break;
        }
        stoker_batch_tensor(batch, "image", &image);
        stoker_batch_tensor(batch, "id", &id);
        memcpy(c->seen->want[i], id.data, sizeof c->seen->want[i]);
        if (c->device < 0) {
            rig.user.cuMemcpyHtoDAsync(to, image.data, IMAGE, stream);
            rig.copy_back(c->seen->got[i], to, IMAGE, stream);
        } else {
            c->n_wrong += stoker_batch_acquire(batch, stream, NULL) != 0;
            rig.copy_back(c->seen->got[i], (CUdeviceptr)(uintptr_t)image.data,
                          IMAGE, stream);
        }
        c->n_wrong += stoker_batch_release_on(batch, stream, NULL) != 0;
        if (i == KEEP - 1 || done == c->n - 1) {
            rig.user.cuStreamSynchronize(stream);
            for (int k = 0; k <= i; k++)
                c->n_wrong += !is_good(c->seen, k, false);
        }
    }
    rig.user.cuStreamDestroy(stream);
    rig.user.cuMemFree(to);
    rig.user.cuCtxPopCurrent(&popped);
    return NULL;
}

int64_t reuse_run_threads(int n, int device)
{
    enum { N_THREADS = 3 };
    struct consumer consumers[N_THREADS];
    stoker_options opt = rig_options(device, STOKER_U8);
    stoker_loader *loader = rig_open(&opt);
    int64_t before = rig_counts().early_reuses, n_wrong = 0;

    for (int i = 0; i < N_THREADS; i++) {
        consumers[i] =
            (struct consumer){.loader = loader,
                              .n = n / N_THREADS + 1,
                              .device = device,
                              .seen = calloc(1, sizeof(struct seen))};
        pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(consumers[i].thread, NULL);
        n_wrong += consumers[i].n_wrong;
        free(consumers[i].seen);
    }
    stoker_loader_close(&loader);
    return n_wrong + rig_counts().early_reuses - before;
}
