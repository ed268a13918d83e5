/* Compiles a list of transforms: [RandomResizedCrop | Resize? (CenterCrop |
 * RandomCrop)?] flips* Normalize?.  Everything that could fail a sample later
 * for a reason known now is refused here, by name. */
#include "augment/program.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "augment/values.h"
#include "base/mem.h"

enum { MAX_SIDE = 65500 }; /* libjpeg's largest side, Pillow's with it */

/* A compilation under way. */
struct compiler {
    struct stk_program *program;
    const stoker_transform *list;
    size_t n, at; /* at: the entry that is looked at */
    stoker_error *err;
};

static const char *kind_name(int32_t kind)
{
    static const char *const names[] = {
        [STOKER_RANDOM_RESIZED_CROP] = "RandomResizedCrop",
        [STOKER_RESIZE] = "Resize",
        [STOKER_CENTER_CROP] = "CenterCrop",
        [STOKER_RANDOM_CROP] = "RandomCrop",
        [STOKER_RANDOM_HORIZONTAL_FLIP] = "RandomHorizontalFlip",
        [STOKER_RANDOM_VERTICAL_FLIP] = "RandomVerticalFlip",
        [STOKER_NORMALIZE] = "Normalize",
    };
    bool known = kind >= STOKER_RANDOM_RESIZED_CROP && kind <= STOKER_NORMALIZE;

    return known ? names[kind] : "?";
}

__attribute__((format(printf, 2, 3))) static int
refuse(const struct compiler *c, const char *fmt, ...)
{
    char reason[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    return stk_fail(c->err, -EINVAL, "transforms[%zu] %s: %s", c->at,
                    kind_name(c->list[c->at].kind), reason);
}

static const stoker_transform *current(const struct compiler *c)
{
    return c->at < c->n ? &c->list[c->at] : NULL;
}

static bool is_at(const struct compiler *c, int32_t kind)
{
    return c->at < c->n && c->list[c->at].kind == kind;
}

static int check_side(const struct compiler *c, const char *name, int32_t side)
{
    if (side < 1 || side > MAX_SIDE)
        return refuse(c, "%s %d is not in 1 ... %d", name, side, MAX_SIDE);
    return 0;
}

static int check_size(const struct compiler *c, int32_t height, int32_t width)
{
    int rc = check_side(c, "height", height);
    return rc < 0 ? rc : check_side(c, "width", width);
}

static int check_filter(const struct compiler *c, int32_t interpolation,
                        int32_t antialias)
{
    if (interpolation != STOKER_BILINEAR && interpolation != STOKER_BICUBIC)
        return refuse(c,
                      "interpolation %d is neither bilinear (%d) nor bicubic "
                      "(%d)",
                      interpolation, STOKER_BILINEAR, STOKER_BICUBIC);
    if (!antialias)
        return refuse(c, "antialias=False is not what Pillow computes");
    c->program->interpolation = interpolation;
    return 0;
}

/* low and high are finite, above (or at) the bound, and in order. */
static int check_range(const struct compiler *c, const char *name,
                       const double range[2], bool may_be_zero)
{
    for (int i = 0; i < 2; i++)
        if (!isfinite(range[i]) || range[i] < 0.0 ||
            (range[i] == 0.0 && !(may_be_zero && i == 0)))
            return refuse(c, "%s[%d] %g is not a %s number", name, i, range[i],
                          may_be_zero ? "usable" : "positive");
    if (range[0] > range[1])
        return refuse(c, "%s (%g, %g) is not in order", name, range[0],
                      range[1]);
    return 0;
}

static void set_output(struct stk_program *program, int32_t height,
                       int32_t width)
{
    program->out_height = height;
    program->out_width = width;
}

static int take_random_resized_crop(struct compiler *c)
{
    const stoker_transform *entry = current(c);
    int32_t height = entry->as.random_resized_crop.height;
    int32_t width = entry->as.random_resized_crop.width;

    int rc = check_size(c, height, width);
    if (rc == 0)
        rc = check_range(c, "scale", entry->as.random_resized_crop.scale, true);
    if (rc == 0)
        rc =
            check_range(c, "ratio", entry->as.random_resized_crop.ratio, false);
    if (rc == 0)
        rc = check_filter(c, entry->as.random_resized_crop.interpolation,
                          entry->as.random_resized_crop.antialias);
    if (rc < 0)
        return rc;
    c->program->cut = STK_CUT_RANDOM_RESIZED_CROP;
    c->program->crop = *entry;
    c->program->crop_index = (int32_t)c->at++;
    set_output(c->program, height, width);
    return 0;
}

static int take_resize(struct compiler *c)
{
    const stoker_transform *entry = current(c);
    int32_t height = entry->as.resize.height, width = entry->as.resize.width;
    int32_t max_size = entry->as.resize.max_size;

    int rc = check_side(c, width ? "height" : "size", height);
    if (rc == 0 && width)
        rc = check_side(c, "width", width);
    if (rc == 0)
        rc = check_filter(c, entry->as.resize.interpolation,
                          entry->as.resize.antialias);
    if (rc < 0)
        return rc;
    if (max_size && width)
        return refuse(c, "max_size needs size to be an int");
    if (max_size && (max_size <= height || max_size > MAX_SIDE))
        return refuse(c, "max_size %d is not in %d ... %d (above size)",
                      max_size, height + 1, MAX_SIDE);
    c->program->cut = STK_CUT_RESIZE;
    c->program->resize = *entry;
    c->program->resize_index = (int32_t)c->at++;
    set_output(c->program, height, width);
    return 0;
}

static int take_crop(struct compiler *c)
{
    const stoker_transform *entry = current(c);

    int rc = check_size(c, entry->as.crop.height, entry->as.crop.width);
    if (rc < 0)
        return rc;
    if (entry->as.crop.padding)
        return refuse(c, "padding %d: only 0 is supported",
                      entry->as.crop.padding);
    c->program->cut = entry->kind == STOKER_CENTER_CROP
                          ? STK_CUT_RESIZE_CENTER_CROP
                          : STK_CUT_RESIZE_RANDOM_CROP;
    c->program->crop = *entry;
    c->program->crop_index = (int32_t)c->at++;
    set_output(c->program, entry->as.crop.height, entry->as.crop.width);
    return 0;
}

/* The one cut and the one resample at the head of the list. */
static int take_cut(struct compiler *c)
{
    int rc = 0;

    if (is_at(c, STOKER_RANDOM_RESIZED_CROP))
        return take_random_resized_crop(c);
    if (is_at(c, STOKER_RESIZE))
        rc = take_resize(c);
    if (rc == 0 &&
        (is_at(c, STOKER_CENTER_CROP) || is_at(c, STOKER_RANDOM_CROP)))
        return take_crop(c);
    bool is_resampled_again =
        is_at(c, STOKER_RESIZE) || is_at(c, STOKER_RANDOM_RESIZED_CROP);
    if (rc == 0 && c->program->cut == STK_CUT_RESIZE &&
        c->program->out_width == 0 && !is_resampled_again) {
        c->at = (size_t)c->program->resize_index;
        return refuse(c, "the output size is unknown: give (height, width), "
                         "or a CenterCrop or RandomCrop behind it");
    }
    return rc;
}

static int take_flips(struct compiler *c)
{
    while (is_at(c, STOKER_RANDOM_HORIZONTAL_FLIP) ||
           is_at(c, STOKER_RANDOM_VERTICAL_FLIP)) {
        const stoker_transform *entry = current(c);
        double p = entry->as.flip.p;
        if (!(p >= 0.0 && p <= 1.0))
            return refuse(c, "p %g is not in 0 ... 1", p);
        int32_t i = c->program->n_flips++;
        c->program->flips[i].index = (int32_t)c->at++;
        c->program->flips[i].vertical =
            entry->kind == STOKER_RANDOM_VERTICAL_FLIP;
        c->program->flips[i].p = p;
    }
    return 0;
}

static int take_normalize(struct compiler *c)
{
    const stoker_transform *entry = current(c);

    if (!is_at(c, STOKER_NORMALIZE))
        return 0;
    if (c->program->dtype == STOKER_U8)
        return refuse(c, "needs a float dtype, not u8");
    for (int i = 0; i < 3; i++) {
        float mean = entry->as.normalize.mean[i];
        float std = entry->as.normalize.std[i];
        if (!isfinite(mean))
            return refuse(c, "mean[%d] %g is not finite", i, (double)mean);
        if (!isfinite(std) || std == 0.0f)
            return refuse(c, "std[%d] %g cannot be divided by", i, (double)std);
        c->program->mean[i] = mean;
        c->program->std[i] = std;
    }
    c->program->has_normalize = true;
    c->at++;
    return 0;
}

/* What stands where the grammar has no room for it: why. */
static int refuse_rest(const struct compiler *c)
{
    const struct stk_program *program = c->program;

    switch (current(c)->kind) {
    case STOKER_RANDOM_RESIZED_CROP:
    case STOKER_RESIZE:
        if (program->cut && (program->resize.kind ||
                             program->cut == STK_CUT_RANDOM_RESIZED_CROP))
            return refuse(c, "a second resample cannot be folded into one");
        return refuse(c, "must stand before crops, flips and Normalize");
    case STOKER_CENTER_CROP:
    case STOKER_RANDOM_CROP:
        if (program->cut && program->cut != STK_CUT_RESIZE)
            return refuse(c, "a second crop cannot be folded into one");
        return refuse(c, "must stand before flips and Normalize");
    case STOKER_NORMALIZE:
        return refuse(c, "a second Normalize cannot be folded into one table");
    default:
        return refuse(c, "must stand before Normalize");
    }
}

static int check_entries(struct compiler *c)
{
    for (c->at = 0; c->at < c->n; c->at++) {
        const stoker_transform *entry = current(c);
        if (strcmp(kind_name(entry->kind), "?") == 0)
            return stk_fail(c->err, -EINVAL,
                            "transforms[%zu]: kind %d is unknown", c->at,
                            entry->kind);
        if (entry->reserved0)
            return refuse(c, "reserved0 must be 0");
    }
    c->at = 0;
    return 0;
}

static int check_arguments(const struct compiler *c, size_t entry_bytes)
{
    const struct stk_program *program = c->program;

    if (entry_bytes != sizeof(stoker_transform))
        return stk_fail(c->err, -EINVAL,
                        "transforms: an entry has %zu bytes, not %zu",
                        entry_bytes, sizeof(stoker_transform));
    if (c->n > STK_MAX_TRANSFORMS)
        return stk_fail(c->err, -EINVAL,
                        "transforms: %zu entries, at most %d fit", c->n,
                        STK_MAX_TRANSFORMS);
    if (c->n == 0 || !c->list)
        return stk_fail(c->err, -EINVAL,
                        "transforms: an empty list leaves the output size "
                        "unknown");
    if (stk_dtype_bytes(program->dtype) == 0)
        return stk_fail(c->err, -EINVAL, "dtype %d is not u8, f16, bf16 or f32",
                        program->dtype);
    if (program->layout != STOKER_NCHW && program->layout != STOKER_NHWC)
        return stk_fail(c->err, -EINVAL, "layout %d is unknown",
                        program->layout);
    if (program->pixels != STOKER_PIXELS_PILLOW13 &&
        program->pixels != STOKER_PIXELS_PILLOW12)
        return stk_fail(c->err, -EINVAL, "pixels %d is unknown",
                        program->pixels);
    return 0;
}

int stk_program_compile(struct stk_program *program,
                        const stoker_transform *list, size_t n,
                        size_t entry_bytes, int dtype, int layout, int pixels,
                        stoker_error *err)
{
    struct compiler c = {program, list, n, 0, err};

    memset(program, 0, sizeof *program);
    program->dtype = dtype;
    program->layout = layout;
    program->pixels = pixels;
    program->interpolation = STOKER_BILINEAR;

    int rc = check_arguments(&c, entry_bytes);
    if (rc == 0)
        rc = check_entries(&c);
    if (rc == 0)
        rc = take_cut(&c);
    if (rc == 0)
        rc = take_flips(&c);
    if (rc == 0)
        rc = take_normalize(&c);
    if (rc < 0)
        return rc;
    if (current(&c))
        return refuse_rest(&c);
    if (!program->cut) {
        c.at = 0;
        return refuse(&c, "the output size is unknown without a crop or a "
                          "Resize to (height, width) before it");
    }
    if (stk_mul_overflows((size_t)program->out_height,
                          (size_t)program->out_width, &program->sample_bytes) ||
        stk_mul_overflows(program->sample_bytes, 3 * stk_dtype_bytes(dtype),
                          &program->sample_bytes))
        return stk_fail(err, -EINVAL,
                        "transforms: a sample of %d x %d is too "
                        "large for this machine",
                        program->out_height, program->out_width);
    stk_values_fill(program);
    program->hash = stk_program_hash(program);
    return 0;
}
