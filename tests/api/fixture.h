/* Fifty photos and a data set of them before each test, and what a test of
 * loaders over them does all the time. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "photos.h"

extern struct photos photos;
extern stoker_dataset *ds;
extern stoker_transform crop; /* for photos_options() */
extern stoker_error err;

void setup(void);
void teardown(void);

/* A loader over ds, or the test has failed. */
stoker_loader *open_with(const stoker_options *opt);

stoker_tensor tensor_of(const stoker_batch *batch, const char *name);

#endif
