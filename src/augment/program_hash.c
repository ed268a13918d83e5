/* A program's identity, which cursors carry: what is covered is a promise. */
#include <string.h>

#include "augment/values.h"
#include "base/hash.h"

static void add_double(struct stk_hash *hash, double value)
{
    uint64_t bits;

    value += 0.0; /* -0 and 0 decide the same pixels */
    memcpy(&bits, &value, sizeof bits);
    stk_hash_add_u64(hash, bits);
}

static void add_cut(struct stk_hash *hash, const struct stk_program *program)
{
    const stoker_transform *crop = &program->crop, *resize = &program->resize;

    stk_hash_add_u64(hash, (uint64_t)program->cut);
    stk_hash_add_u64(hash, (uint64_t)program->crop_index);
    if (program->cut == STK_CUT_RANDOM_RESIZED_CROP)
        for (int i = 0; i < 2; i++) {
            add_double(hash, crop->as.random_resized_crop.scale[i]);
            add_double(hash, crop->as.random_resized_crop.ratio[i]);
        }
    stk_hash_add_u64(hash, (uint64_t)resize->kind);
    if (resize->kind) {
        stk_hash_add_u64(hash, (uint64_t)resize->as.resize.height);
        stk_hash_add_u64(hash, (uint64_t)resize->as.resize.width);
        stk_hash_add_u64(hash, (uint64_t)resize->as.resize.max_size);
    }
}

uint64_t stk_program_hash(const struct stk_program *program)
{
    struct stk_hash hash;
    uint8_t out[16];
    uint64_t first = 0;

    stk_hash_begin(&hash, stk_hash_key);
    stk_hash_add_u64(&hash, 1); /* version of what is covered, and how */
    stk_hash_add_u64(&hash, (uint64_t)program->out_height);
    stk_hash_add_u64(&hash, (uint64_t)program->out_width);
    stk_hash_add_u64(&hash, (uint64_t)program->dtype);
    stk_hash_add_u64(&hash, (uint64_t)program->pixels);
    stk_hash_add_u64(&hash, (uint64_t)program->interpolation);
    add_cut(&hash, program);
    stk_hash_add_u64(&hash, (uint64_t)program->n_flips);
    for (int32_t i = 0; i < program->n_flips; i++) {
        stk_hash_add_u64(&hash, (uint64_t)program->flips[i].index);
        stk_hash_add_u64(&hash, program->flips[i].vertical);
        add_double(&hash, program->flips[i].p);
    }
    stk_hash_add_u64(&hash, program->has_normalize);
    for (int i = 0; i < 3 && program->has_normalize; i++) {
        add_double(&hash, (double)program->mean[i]);
        add_double(&hash, (double)program->std[i]);
    }
    stk_hash_end(&hash, out);
    for (int i = 7; i >= 0; i--)
        first = first << 8 | out[i];
    return first;
}
