/* Test photos whose pixels are their position: photo i is one grey of level
 * i, so that order, sharding and epochs are checked by arithmetic. */
#ifndef PHOTOS_H
#define PHOTOS_H

#include "stoker/stoker.h"

enum { MAX_PHOTOS = 200 };

struct photos {
    int n;
    void *bytes[MAX_PHOTOS];
    size_t n_bytes[MAX_PHOTOS];
    stoker_item items[MAX_PHOTOS];
    char names[MAX_PHOTOS][32];
};

/* n photos in memory, label = position; freed by photos_free(). */
void photos_make(struct photos *photos, int n);
/* Photo i loses its second half: a truncated file. */
void photos_break(struct photos *photos, int i);
void photos_free(struct photos *photos);
stoker_dataset *photos_dataset(const struct photos *photos);
/* Writes them as DIR/class/NAME.jpg, two classes. */
void photos_write(const struct photos *photos, const char *dir);

/* CenterCrop of 8 x 8: small, and every pixel is the photo's level. */
stoker_options photos_options(stoker_transform *list);

#endif
