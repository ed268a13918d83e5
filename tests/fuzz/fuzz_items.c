/* Any list of items: refused with its index, or a data set that answers every
 * question about every id, inside and outside. */
#include <stdlib.h>
#include <string.h>

#include "stoker/stoker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_ITEMS = 16, ENTRY = 32, TEXT = 8 };

static int64_t number(const uint8_t *p)
{
    int64_t value;
    memcpy(&value, p, sizeof value);
    /* Half of them near 0, where sense is. */
    return p[0] & 1 ? value : value % 64;
}

static void make(const uint8_t *p, stoker_item *item, char text[TEXT + 1])
{
    memcpy(text, p, TEXT);
    text[TEXT] = '\0';
    item->source = p[8] % 3 ? p[8] % 3 - 1 : (int8_t)p[8];
    item->reserved0 = p[9] > 250;
    item->path = p[10] & 1 ? text : NULL;
    item->name = p[10] & 2 ? text + 1 : NULL;
    item->data = p[10] & 4 ? p : NULL;
    item->offset = p[10] & 8 ? number(p + 11) : 0;
    item->length = number(p + 16);
    item->label = number(p + 24);
}

static void ask(const stoker_dataset *ds, size_t n)
{
    uint8_t print[16];
    char path[64];
    int64_t count = stoker_dataset_count(ds);

    if (count != (int64_t)n)
        abort();
    for (int64_t id = -2; id < count + 2; id++) {
        int64_t length = stoker_dataset_path(ds, id, path, 5);
        if ((length < 0) != (id < 0 || id >= count))
            abort();
        stoker_dataset_path(ds, id, path, sizeof path);
        stoker_dataset_label(ds, id);
    }
    stoker_dataset_fingerprint(ds, print);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    stoker_item items[MAX_ITEMS] = {{0}};
    char text[MAX_ITEMS][TEXT + 1];
    stoker_dataset *ds = NULL;
    stoker_error err;
    size_t n_items = n / ENTRY < MAX_ITEMS ? n / ENTRY : MAX_ITEMS;

    for (size_t i = 0; i < n_items; i++)
        make(data + i * ENTRY, &items[i], text[i]);
    int rc =
        stoker_dataset_from_items(&ds, items, n_items, sizeof items[0], &err);
    if (rc < 0) {
        if (ds || err.code != rc || !err.text[0])
            abort();
        return 0;
    }
    ask(ds, n_items);
    stoker_dataset_free(ds);
    return 0;
}
