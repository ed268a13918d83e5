/* From an image's size to its window: torchvision's get_params and geometry,
 * with draws keyed by (seed, epoch, id, entry of the list).
 *
 * Words of the draws, 64-bit numbers with the high word first; the stream is
 * STK_STREAM_OP + the entry's index in the list:
 *   RandomResizedCrop  block t (try 0 ... 9): words 0-1 area, 2-3 ratio;
 *                      block 16 + t: words 0-1 top, 2-3 left
 *   RandomCrop         block 0: words 0-1 top, 2-3 left
 *   Random*Flip        block 0: words 0-1 */
#include "augment/recipe.h"

#include <errno.h>
#include <math.h>

#include "augment/taps.h"
#include "base/rng.h"

enum { N_TRIES = 10, PLACE_BLOCK = 16, MAX_GRID_SIDE = 1 << 28 };

static struct stk_draw draw(struct stk_key key, int32_t index, uint32_t block)
{
    return stk_rng_draw(key.seed, key.epoch, key.id,
                        STK_STREAM_OP + (uint32_t)index, block);
}

/* Uniform in [0, 1) from words 0-1 or 2-3. */
static double uniform(const struct stk_draw *d, int first)
{
    return stk_rng_double(d->word[first], d->word[first + 1]);
}

/* Uniform in 0 ... n-1. */
static int32_t below(const struct stk_draw *d, int first, int32_t n)
{
    return (int32_t)stk_rng_below(d->word[first], d->word[first + 1],
                                  (uint64_t)n);
}

/* One try of RandomResizedCrop; false when it does not fit. */
static bool try_window(const double scale[2], const double ratio[2],
                       const struct stk_draw *d, int32_t width, int32_t height,
                       struct stk_window *out)
{
    double area = (double)width * height;
    double target = area * (scale[0] + (scale[1] - scale[0]) * uniform(d, 0));
    double low = stk_log(ratio[0]), high = stk_log(ratio[1]);
    double aspect = stk_exp(low + (high - low) * uniform(d, 2));
    /* rint: halves to even, as Python's round(). */
    double w = rint(sqrt(target * aspect)), h = rint(sqrt(target / aspect));

    if (!(w >= 1.0 && w <= width && h >= 1.0 && h <= height))
        return false;
    out->width = (int32_t)w;
    out->height = (int32_t)h;
    return true;
}

/* torchvision's fallback: the largest central window of a permitted ratio. */
static struct stk_window central_window(const double ratio[2], int32_t width,
                                        int32_t height)
{
    struct stk_window window = {0, 0, height, width};
    double in_ratio = (double)width / height;

    if (in_ratio < ratio[0])
        window.height = (int32_t)rint(width / ratio[0]);
    else if (in_ratio > ratio[1])
        window.width = (int32_t)rint(height * ratio[1]);
    /* An extreme ratio may round to no pixels, where torchvision fails. */
    if (window.height < 1)
        window.height = 1;
    if (window.width < 1)
        window.width = 1;
    window.top = (height - window.height) / 2;
    window.left = (width - window.width) / 2;
    return window;
}

static struct stk_window
random_resized_window(const struct stk_program *program, struct stk_key key,
                      int32_t width, int32_t height)
{
    const double *scale = program->crop.as.random_resized_crop.scale;
    const double *ratio = program->crop.as.random_resized_crop.ratio;

    for (uint32_t t = 0; t < N_TRIES; t++) {
        struct stk_draw d = draw(key, program->crop_index, t);
        struct stk_window window;
        if (!try_window(scale, ratio, &d, width, height, &window))
            continue;
        d = draw(key, program->crop_index, PLACE_BLOCK + t);
        window.top = below(&d, 0, height - window.height + 1);
        window.left = below(&d, 2, width - window.width + 1);
        return window;
    }
    return central_window(ratio, width, height);
}

/* torchvision's _compute_resized_output_size: the shorter side becomes size,
 * the longer int(size * long / short), and max_size bounds that. */
static int resized_size(const stoker_transform *resize, int32_t width,
                        int32_t height, struct stk_geometry *geometry,
                        stoker_error *err)
{
    int64_t size = resize->as.resize.height;
    int64_t max_size = resize->as.resize.max_size;
    int64_t shorter = width <= height ? width : height;
    int64_t longer = width <= height ? height : width;

    if (resize->as.resize.width) {
        geometry->grid_height = resize->as.resize.height;
        geometry->grid_width = resize->as.resize.width;
        return 0;
    }
    /* Integers below 2^53: the double quotients are Python's own. */
    int64_t new_short = size;
    int64_t new_long = (int64_t)((double)(size * longer) / (double)shorter);
    if (max_size && new_long > max_size) {
        new_short =
            (int64_t)((double)(max_size * new_short) / (double)new_long);
        new_long = max_size;
    }
    if (new_short < 1 || new_long > MAX_GRID_SIDE)
        return stk_fail(err, -ERANGE,
                        "%d x %d (width x height) cannot be resized to a "
                        "shorter side of %lld",
                        width, height, (long long)size);
    bool is_tall = width <= height;
    geometry->grid_width = (int32_t)(is_tall ? new_short : new_long);
    geometry->grid_height = (int32_t)(is_tall ? new_long : new_short);
    return 0;
}

/* Where a central crop begins on one axis of the grid; below 0: padding.
 * torchvision pads with (crop - size) // 2 before and crops a larger image
 * at int(round((size - crop) / 2.0)). */
static int32_t central_begin(int32_t size, int32_t crop)
{
    if (crop > size)
        return -((crop - size) / 2);
    return (int32_t)rint((size - crop) / 2.0);
}

static int cut_grid(const struct stk_program *program, struct stk_key key,
                    struct stk_geometry *geometry, stoker_error *err)
{
    int32_t height = geometry->grid_height, width = geometry->grid_width;
    struct stk_window *view = &geometry->view;

    *view = (struct stk_window){0, 0, program->out_height, program->out_width};
    if (program->cut == STK_CUT_RESIZE_CENTER_CROP) {
        view->top = central_begin(height, view->height);
        view->left = central_begin(width, view->width);
    } else if (program->cut == STK_CUT_RESIZE_RANDOM_CROP) {
        if (view->height > height || view->width > width)
            return stk_fail(err, -ERANGE,
                            "RandomCrop of %d x %d does not fit into %d x %d%s "
                            "(width x height)",
                            view->width, view->height, width, height,
                            program->resize.kind ? " after Resize" : "");
        struct stk_draw d = draw(key, program->crop_index, 0);
        view->top = below(&d, 0, height - view->height + 1);
        view->left = below(&d, 2, width - view->width + 1);
    }
    return 0;
}

/* The part of [begin, begin + n) that lies in [0, size). */
static void clip(int32_t begin, int32_t n, int32_t size, int32_t *first,
                 int32_t *last)
{
    *first = begin < 0 ? 0 : begin;
    *last = (begin + n > size ? size : begin + n) - 1;
}

/* Source pixels of one axis that grid samples first ... last need. */
static void source_axis(int32_t in_size, int32_t grid_size, int interpolation,
                        int32_t first, int32_t last, int32_t *begin, int32_t *n)
{
    struct stk_taps taps;
    int32_t unused, end;

    stk_taps_init(&taps, in_size, grid_size, interpolation);
    stk_taps_bounds(&taps, first, begin, &unused);
    stk_taps_bounds(&taps, last, &unused, &end);
    *n = end - *begin;
}

static void set_source(struct stk_geometry *geometry)
{
    const struct stk_window *crop = &geometry->crop, *view = &geometry->view;
    int32_t first, last, begin;

    clip(view->top, view->height, geometry->grid_height, &first, &last);
    source_axis(crop->height, geometry->grid_height, geometry->interpolation,
                first, last, &begin, &geometry->source.height);
    geometry->source.top = crop->top + begin;
    clip(view->left, view->width, geometry->grid_width, &first, &last);
    source_axis(crop->width, geometry->grid_width, geometry->interpolation,
                first, last, &begin, &geometry->source.width);
    geometry->source.left = crop->left + begin;
}

/* Pillow 13's order of passes, where both are needed; up to 12.2 the
 * horizontal one always came first. */
static bool is_vertical_first(const struct stk_program *program,
                              const struct stk_geometry *geometry)
{
    int64_t h = geometry->crop.height, w = geometry->crop.width;
    int64_t oh = geometry->grid_height, ow = geometry->grid_width;

    return program->pixels == STOKER_PIXELS_PILLOW13 && h != oh && w != ow &&
           h > oh && h - oh > 2 * (w - ow);
}

static void draw_flips(const struct stk_program *program, struct stk_key key,
                       struct stk_geometry *geometry)
{
    for (int32_t i = 0; i < program->n_flips; i++) {
        struct stk_draw d = draw(key, program->flips[i].index, 0);
        bool flip = uniform(&d, 0) < program->flips[i].p;
        if (program->flips[i].vertical)
            geometry->flip_vertical ^= flip;
        else
            geometry->flip_horizontal ^= flip;
    }
}

int stk_recipe_make(const struct stk_program *program, struct stk_key key,
                    int32_t width, int32_t height,
                    struct stk_geometry *geometry, stoker_error *err)
{
    int rc;

    if (width < 1 || height < 1)
        return stk_fail(err, -ERANGE, "an image of %d x %d has no pixels",
                        width, height);
    *geometry = (struct stk_geometry){
        .crop = {0, 0, height, width},
        .grid_height = height,
        .grid_width = width,
        .interpolation = program->interpolation,
    };
    if (program->cut == STK_CUT_RANDOM_RESIZED_CROP) {
        geometry->crop = random_resized_window(program, key, width, height);
        geometry->grid_height = program->out_height;
        geometry->grid_width = program->out_width;
    } else if (program->resize.kind) {
        rc = resized_size(&program->resize, width, height, geometry, err);
        if (rc < 0)
            return rc;
    }
    rc = cut_grid(program, key, geometry, err);
    if (rc < 0)
        return rc;
    set_source(geometry);
    geometry->vertical_first = is_vertical_first(program, geometry);
    draw_flips(program, key, geometry);
    /* A crop alone is reported as the source pixels that it keeps. */
    bool is_crop_alone =
        program->cut != STK_CUT_RANDOM_RESIZED_CROP && !program->resize.kind;
    geometry->report = is_crop_alone ? geometry->source : geometry->crop;
    return 0;
}
