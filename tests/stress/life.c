/* A loader's life with everything at random: options, engine, policy, bad
 * files, seeks, lease patterns, threads that release and threads that watch.
 * Whatever happens, a valid row holds its own photo and an error a text. */
#include "life.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_HELD = 64 };

/* DLPack's two heads, as far as a deleter is reached. */
struct managed {
    unsigned char tensor[48];
    void *context;
    void (*deleter)(struct managed *self);
};

/* What is leased and waits for another thread to let it go. */
struct held {
    stoker_batch *batch; /* or */
    struct managed *view;
};

struct life {
    struct world *world;
    uint64_t seed;
    stoker_options opt;
    stoker_transform list[1];
    stoker_loader *loader;
    char ledger[96];
    pthread_mutex_t lock; /* over held and is_closed */
    pthread_cond_t changed;
    struct held held[MAX_HELD];
    int n_held, is_closed;
    atomic_int watch_ends;
};

static void count(atomic_llong *what, long long n)
{
    atomic_fetch_add_explicit(what, n, memory_order_relaxed);
}

static void complain(struct life *life, const char *what, const char *text)
{
    fprintf(stderr, "stress: life %llu: %s: %s\n",
            (unsigned long long)life->seed, what, text);
    count(&life->world->tally.complaints, 1);
}

/* ---- the options -------------------------------------------------------- */

static void choose(struct life *life, uint64_t *rng)
{
    static const int ios[] = {STOKER_IO_AUTO, STOKER_IO_PREAD};
    stoker_options *opt = &life->opt;

    stoker_options_init(opt, sizeof *opt);
    life->list[0] = draw(rng, 2) ? stoker_random_resized_crop(9, 7)
                                 : stoker_center_crop(8, 8);
    opt->transforms = life->list;
    opt->n_transforms = 1;
    opt->seed = draw(rng, 1000);
    opt->shuffle = (int32_t)draw(rng, 2);
    opt->drop_last = (int32_t)draw(rng, 2);
    opt->world_size = 1 + (int32_t)draw(rng, 3);
    opt->rank = (int32_t)draw(rng, (uint64_t)opt->world_size);
    opt->batch_size = 1 + (int64_t)draw(rng, 20);
    opt->n_epochs = (int64_t)draw(rng, 4);
    opt->io = ios[draw(rng, 2)];
    opt->n_workers = 1 + (int32_t)draw(rng, 5);
    opt->reads_ahead = 1 + (int32_t)draw(rng, 8);
    opt->stall_timeout_ms = 60000;
    opt->retry_ms = 5;
    opt->decoder = (int32_t)draw(rng, 2);
    opt->layout = (int32_t)draw(rng, 2);
    opt->on_error = (int32_t)draw(rng, 3);
    opt->unlimited_bad = draw(rng, 4) != 0;
    opt->n_slots = 2 + (int32_t)draw(rng, 4);
    opt->max_file_bytes = 1 << 20;
    if (draw(rng, 3) == 0) {
        snprintf(life->ledger, sizeof life->ledger, "%s/ledger_%llu",
                 life->world->top, (unsigned long long)life->seed);
        opt->ledger_path = life->ledger;
    }
}

static stoker_dataset *choose_dataset(struct life *life, uint64_t *rng)
{
    stoker_item items[N_PHOTOS];
    char paths[N_PHOTOS][96];
    stoker_dataset *ds = NULL;
    stoker_error err;
    /* drop_last wants a whole batch of all ranks. */
    size_t least = life->opt.drop_last ? 60 : 1;
    size_t n = least + draw(rng, N_PHOTOS + 1 - least);

    memcpy(items, life->world->photos.items, sizeof items);
    if (draw(rng, 2))
        for (int i = 0; i < N_PHOTOS; i++) {
            snprintf(paths[i], sizeof paths[i], "%s/photo_%d.jpg",
                     life->world->top, i);
            items[i] =
                (stoker_item){.path = paths[i], .length = -1, .label = i};
        }
    if (stoker_dataset_from_items(&ds, items, n, sizeof items[0], &err) != 0)
        complain(life, "from_items", err.text);
    return ds;
}

/* ---- the threads beside the consumer ------------------------------------ */

static void let_go(struct held held)
{
    if (held.view)
        held.view->deleter(held.view);
    else
        stoker_batch_release(held.batch);
}

/* Releases in random order, also after close. */
static void *release_body(void *self)
{
    struct life *life = self;
    uint64_t rng = life->seed ^ 0xabcdef;

    pthread_mutex_lock(&life->lock);
    while (life->n_held || !life->is_closed) {
        if (!life->n_held) {
            pthread_cond_wait(&life->changed, &life->lock);
            continue;
        }
        int i = (int)draw(&rng, (uint64_t)life->n_held);
        struct held one = life->held[i];
        life->held[i] = life->held[--life->n_held];
        bool is_late = life->is_closed;
        pthread_mutex_unlock(&life->lock);
        if (draw(&rng, 4) == 0)
            sched_yield();
        let_go(one);
        count(&life->world->tally.late, is_late);
        pthread_mutex_lock(&life->lock);
    }
    pthread_mutex_unlock(&life->lock);
    return NULL;
}

/* Asks all that any thread may ask at any time. */
static void *watch_body(void *self)
{
    struct life *life = self;
    stoker_stats stats = {.size = sizeof stats};
    stoker_bad bad[4] = {{.size = sizeof bad[0]}};
    stoker_cursor cursor = {.size = sizeof cursor};
    stoker_digest digest;
    int64_t epoch, from, to;
    char text[600];

    while (!atomic_load(&life->watch_ends)) {
        stoker_loader_stats(life->loader, &stats);
        stoker_loader_report(life->loader, text, sizeof text);
        stoker_loader_cursor(life->loader, &cursor);
        stoker_loader_digest(life->loader, &digest, &epoch, &from, &to);
        stoker_loader_bad(life->loader, 0, bad, 4, sizeof bad[0]);
        usleep(500); /* a watcher's pace, nothing waits for it */
    }
    return NULL;
}

/* Hands over to the releaser; false: its hands are full. */
static bool hand_over(struct life *life, struct held held)
{
    bool has_room;

    pthread_mutex_lock(&life->lock);
    has_room = life->n_held < MAX_HELD;
    if (has_room)
        life->held[life->n_held++] = held;
    pthread_cond_signal(&life->changed);
    pthread_mutex_unlock(&life->lock);
    return has_room;
}

/* ---- the consumer ------------------------------------------------------- */

static void check_rows(struct life *life, stoker_batch *batch)
{
    stoker_tensor image = {.size = sizeof image}, id = image, valid = image,
                  label = image;
    struct tally *tally = &life->world->tally;

    stoker_batch_tensor(batch, "image", &image);
    stoker_batch_tensor(batch, "id", &id);
    stoker_batch_tensor(batch, "valid", &valid);
    stoker_batch_tensor(batch, "label", &label);
    for (int64_t i = 0; i < id.shape[0]; i++) {
        const int64_t *ids = id.data, *labels = label.data;
        const uint8_t *pixels = image.data, *good = valid.data;
        int64_t n = image.strides[0], want = good[i] ? ids[i] : 0;
        bool is_right = good[i] ? labels[i] == ids[i] : labels[i] == -100;
        for (int64_t k = 0; k < n; k++)
            is_right = is_right && pixels[i * n + k] == want;
        if (!is_right)
            complain(life, "a row is not its photo's", "");
        count(&tally->bad_rows, !good[i]);
    }
    count(&tally->rows, id.shape[0]);
    count(&tally->batches, 1);
}

/* At once, by another thread, or as a view that outlives the batch. */
static void end_lease(struct life *life, stoker_batch *batch, uint64_t *rng)
{
    static const char *const names[] = {"image", "label"};
    struct held held = {.batch = batch};
    void *view = NULL;
    uint64_t how = draw(rng, 4);

    if (how == 1 &&
        stoker_batch_dlpack(batch, names[draw(rng, 2)], 0, &view, NULL) == 0) {
        count(&life->world->tally.views, 1);
        let_go(held);
        held = (struct held){.view = view};
    }
    if (how == 0 || !hand_over(life, held))
        let_go(held);
}

static void seek(struct life *life, uint64_t *rng)
{
    stoker_cursor cursor = {.size = sizeof cursor};
    stoker_error err;

    stoker_loader_cursor(life->loader, &cursor);
    int64_t last = life->opt.n_epochs ? life->opt.n_epochs : 5;
    cursor.epoch = (int64_t)draw(rng, (uint64_t)last);
    cursor.consumed = (int64_t)draw(rng, (uint64_t)cursor.n_items + 1);
    int rc = stoker_loader_seek(life->loader, &cursor, &err);
    if (rc < 0)
        complain(life, "seek", err.text);
    count(&life->world->tally.seeks, 1);
}

static void consume(struct life *life, uint64_t *rng)
{
    static const int timeouts[] = {-1, 0, 3, 20000};
    struct tally *tally = &life->world->tally;
    uint64_t n_turns = 1 + draw(rng, 120);
    stoker_batch *batch;
    stoker_error err;

    for (uint64_t k = 0; k < n_turns; k++) {
        count(&tally->turns, 1);
        int rc = stoker_loader_next(life->loader, &batch,
                                    timeouts[draw(rng, 4)], &err);
        if (rc == 0) {
            check_rows(life, batch);
            end_lease(life, batch, rng);
        } else if (rc == -EBUSY) {
            sched_yield();
        } else if (rc < 0) {
            count(&tally->errors, 1);
            if (!err.text[0] || rc == -ETIMEDOUT || rc == -ECANCELED)
                complain(life, "next", err.text);
        }
        if (draw(rng, 16) == 0 || (rc < 0 && rc != -EBUSY))
            seek(life, rng);
    }
}

void life_play(struct world *world, uint64_t seed)
{
    struct life life = {.world = world, .seed = seed};
    pthread_t releaser, watcher;
    stoker_error err;
    uint64_t rng = seed * 0x9e3779b97f4a7c15u;

    choose(&life, &rng);
    stoker_dataset *ds = choose_dataset(&life, &rng);
    int rc = stoker_loader_open(&life.loader, ds, &life.opt, &err);
    stoker_dataset_free(ds);
    if (rc < 0) {
        complain(&life, "open", err.text);
        return;
    }
    pthread_mutex_init(&life.lock, NULL);
    pthread_cond_init(&life.changed, NULL);
    bool is_whole = pthread_create(&releaser, NULL, release_body, &life) == 0;
    is_whole =
        is_whole && pthread_create(&watcher, NULL, watch_body, &life) == 0;
    if (!is_whole)
        abort(); /* a machine without threads is no stress */
    consume(&life, &rng);
    atomic_store(&life.watch_ends, 1);
    pthread_join(watcher, NULL);
    if (stoker_loader_close(&life.loader) != 0)
        complain(&life, "close", "a worker was abandoned");
    pthread_mutex_lock(&life.lock);
    life.is_closed = 1;
    pthread_cond_signal(&life.changed);
    pthread_mutex_unlock(&life.lock);
    pthread_join(releaser, NULL);
    pthread_cond_destroy(&life.changed);
    pthread_mutex_destroy(&life.lock);
    if (life.ledger[0])
        unlink(life.ledger);
    count(&world->tally.lives, 1);
}
