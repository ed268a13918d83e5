/* Any bytes as memory items through the whole loader: two workers, masked
 * faults, small limits.  Every id must come once, valid or listed. */
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "mutate.h"
#include "stoker/stoker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_ITEMS = 12 };

/* Cuts data in up to MAX_ITEMS pieces of lengths that it says itself. */
static size_t cut(const uint8_t *data, size_t n, stoker_item *items)
{
    size_t n_items = 0, at = 0;

    while (at + 2 < n && n_items < MAX_ITEMS) {
        size_t want = (size_t)data[at] << 8 | data[at + 1];
        size_t length = n - at - 2 < want ? n - at - 2 : want;
        items[n_items] = (stoker_item){.name = "item",
                                       .source = STOKER_SOURCE_MEMORY,
                                       .data = data + at + 2,
                                       .length = (int64_t)length,
                                       .label = (int64_t)n_items};
        n_items++;
        at += 2 + length;
    }
    return n_items;
}

static void choose(stoker_options *opt, stoker_transform *list, uint8_t choice)
{
    stoker_options_init(opt, sizeof *opt);
    list[0] = choice & 1 ? stoker_random_resized_crop(9, 7)
                         : stoker_center_crop(8, 8);
    opt->transforms = list;
    opt->n_transforms = 1;
    opt->n_workers = 2;
    opt->batch_size = 3;
    opt->n_slots = 2;
    opt->n_epochs = 1;
    opt->reads_ahead = 2;
    opt->on_error = choice & 2 ? STOKER_REFILL : STOKER_MASK;
    opt->damaged =
        choice >> 2 & 1 ? STOKER_DAMAGED_LENIENT : STOKER_DAMAGED_PILLOW;
    opt->decoder = choice >> 3 & 1;
    opt->unlimited_bad = 1;
    opt->max_pixels = 1 << 18;
    opt->max_decoder_bytes = 32 << 20;
    opt->max_scans = 20;
}

/* Plays the epoch; returns the rows that were no padding. */
static int64_t play(stoker_loader *loader, stoker_error *err)
{
    stoker_batch *batch;
    int64_t n_rows = 0;
    int rc;

    while ((rc = stoker_loader_next(loader, &batch, -1, err)) == 0) {
        stoker_tensor id = {.size = sizeof id};
        stoker_batch_tensor(batch, "id", &id);
        for (int64_t i = 0; i < id.shape[0]; i++)
            n_rows += ((const int64_t *)id.data)[i] >= 0;
        stoker_batch_release(batch);
    }
    if (rc < 0 && !err->text[0])
        abort(); /* an error is a sentence */
    return rc < 0 ? -1 : n_rows;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed)
{
    uint32_t random = seed;

    if (room < 64 || (n >= 64 && draw(&random, 16) != 0))
        return LLVMFuzzerMutate(data, n, room);
    data[0] = (uint8_t)draw(&random, 256);
    n = 1;
    for (uint32_t i = 1 + draw(&random, 5); i > 0 && room - n > 2; i--) {
        size_t bytes = fuzz_make(data + n + 2, room - n - 2, random, FUZZ_ALL);
        data[n] = (uint8_t)(bytes >> 8);
        data[n + 1] = (uint8_t)bytes;
        n += 2 + bytes;
        draw(&random, 2);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    stoker_item items[MAX_ITEMS];
    stoker_transform list[1];
    stoker_options opt;
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_error err;

    if (n < 4)
        return 0;
    size_t n_items = cut(data + 1, n - 1, items);
    if (n_items == 0)
        return 0;
    choose(&opt, list, data[0]);
    if (stoker_dataset_from_items(&ds, items, n_items, sizeof items[0], &err))
        abort();
    if (stoker_loader_open(&loader, ds, &opt, &err) != 0)
        abort();
    int64_t n_rows = play(loader, &err);
    /* refill may run out of substitutes: then an error ended it */
    if (n_rows != (int64_t)n_items && opt.on_error == STOKER_MASK)
        abort();
    if (stoker_loader_close(&loader) != 0)
        abort();
    stoker_dataset_free(ds);
    return 0;
}
