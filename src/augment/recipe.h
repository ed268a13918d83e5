/* A sample's recipe: a pure function of (program, seed, epoch, id, image
 * size), without libm transcendentals. */
#ifndef STK_RECIPE_H
#define STK_RECIPE_H

#include "augment/program.h"

struct stk_key {
    uint64_t seed, epoch, id;
};

/* Returns 0, or -ERANGE when the image is too small for RandomCrop. */
int stk_recipe_make(const struct stk_program *program, struct stk_key key,
                    int32_t width, int32_t height,
                    struct stk_geometry *geometry, stoker_error *err);

/* exp and log with the same bits on every CPU; golden vectors in the tests. */
double stk_exp(double x);
double stk_log(double x);

#endif
