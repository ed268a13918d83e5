/* stress SECONDS [SEED]: several loaders live at once, each as life.c does,
 * while a vandal cuts, deletes and restores the files that they read.  Prints
 * what was done; exits 1 when a row was wrong, an error had no text, or
 * nothing moved for a minute.  scripts/stress builds it under TSan. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "life.h"

enum { N_LIVES = 3, PATIENCE_S = 60, TEXT_BYTES = 128 };

struct player {
    pthread_t thread;
    struct world *world;
    uint64_t seed;
};

static void *play_body(void *self)
{
    struct player *player = self;

    for (uint64_t i = 0; !atomic_load(&player->world->is_over); i++)
        life_play(player->world, player->seed + i);
    return NULL;
}

static void write_photo(const struct world *world, int i, size_t n)
{
    char path[96], fresh[112];

    snprintf(path, sizeof path, "%s/photo_%d.jpg", world->top, i);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *f = fopen(fresh, "wb");
    if (!f || (n && fwrite(world->photos.bytes[i], n, 1, f) != 1) ||
        fclose(f) != 0 || rename(fresh, path) != 0)
        perror(path);
}

/* Breaks one file, and mends the one that it broke before. */
static void *vandal_body(void *self)
{
    struct world *world = self;
    uint64_t rng = 77;
    int broken = 0;

    while (!atomic_load(&world->is_over)) {
        char path[96];
        write_photo(world, broken, world->photos.n_bytes[broken]);
        broken = (int)draw(&rng, N_PHOTOS);
        snprintf(path, sizeof path, "%s/photo_%d.jpg", world->top, broken);
        switch (draw(&rng, 4)) {
        case 0:
            unlink(path);
            break;
        case 1: /* in place: whoever reads it now must see that */
            if (truncate(path, 100) != 0)
                perror(path);
            break;
        case 2:
            write_photo(world, broken, 0);
            break;
        default:
            write_photo(world, broken, world->photos.n_bytes[broken] / 2);
        }
        usleep(2000);
    }
    return NULL;
}

static void say(const struct tally *t, double seconds)
{
    printf("stress: %.0f s: %lld lives, %lld batches, %lld rows (%lld bad or "
           "padding), %lld seeks, %lld errors, %lld views, %lld released "
           "after close, %lld complaints\n",
           seconds, (long long)t->lives, (long long)t->batches,
           (long long)t->rows, (long long)t->bad_rows, (long long)t->seeks,
           (long long)t->errors, (long long)t->views, (long long)t->late,
           (long long)t->complaints);
    fflush(stdout);
}

/* Waits for the end; a minute without a pulse is a hang. */
static void watch(const struct world *world, int seconds)
{
    long long pulse = -1;
    int still = 0;

    for (int s = 0; s < seconds; s++) {
        long long now = atomic_load(&world->tally.turns);
        still = now == pulse ? still + 1 : 0;
        pulse = now;
        if (still >= PATIENCE_S) {
            fprintf(stderr, "stress: nothing has moved for %d s\n", still);
            abort();
        }
        if (s && s % 60 == 0)
            say(&world->tally, s);
        sleep(1);
    }
}

static void furnish(struct world *world)
{
    strcpy(world->top, "/tmp/stoker_stress_XXXXXX");
    if (!mkdtemp(world->top)) {
        perror(world->top);
        exit(2);
    }
    photos_make(&world->photos, N_PHOTOS);
    for (int i = 0; i < N_PHOTOS; i++)
        write_photo(world, i, world->photos.n_bytes[i]);
    for (int i = 3; i < N_PHOTOS; i += 4)
        photos_break(&world->photos, i);
}

int main(int argc, char **argv)
{
    static struct world world;
    struct player players[N_LIVES];
    pthread_t vandal;
    char command[TEXT_BYTES];
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    furnish(&world);
    if (pthread_create(&vandal, NULL, vandal_body, &world) != 0)
        return 2;
    for (int i = 0; i < N_LIVES; i++) {
        players[i] = (struct player){
            .world = &world, .seed = (seed * N_LIVES + (uint64_t)i) << 32};
        if (pthread_create(&players[i].thread, NULL, play_body, &players[i]))
            return 2;
    }
    watch(&world, seconds);
    atomic_store(&world.is_over, 1);
    for (int i = 0; i < N_LIVES; i++)
        pthread_join(players[i].thread, NULL);
    pthread_join(vandal, NULL);
    say(&world.tally, seconds);
    snprintf(command, sizeof command, "rm -rf %s", world.top);
    if (system(command) != 0)
        return 2;
    photos_free(&world.photos);
    return atomic_load(&world.tally.complaints) ? 1 : 0;
}
