/* Made-up photos: octaves of noise with equal contrast, as natural pictures
 * have (a 1/f spectrum), rough and smooth places, and in the middle a
 * coloured shape that says the class.  Whole numbers only, so that a seed
 * means the same pixels everywhere. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "photo.h"

/* splitmix64's step: a good mix of 64 bits. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* The key's n-th draw, 0 ... bound-1. */
static int draw(uint64_t key, int n, int bound)
{
    return (int)(mix(key ^ mix((uint64_t)n)) >> 33) % bound;
}

static const struct {
    const char *name;
    int r, g, b;
} colours[10] = {{"red", 210, 40, 35},     {"orange", 225, 120, 30},
                 {"yellow", 220, 200, 40}, {"lime", 140, 205, 45},
                 {"green", 40, 150, 60},   {"teal", 35, 165, 160},
                 {"blue", 45, 80, 205},    {"indigo", 80, 45, 150},
                 {"violet", 160, 70, 200}, {"pink", 230, 110, 160}};
static const char *const shapes[5] = {"disc", "square", "triangle", "ring",
                                      "stripes"};

static int colour_of(int label)
{
    return label % 10;
}

static int shape_of(int label)
{
    return (label + label / 10) % 5;
}

void photo_class_name(int label, char *text, size_t bytes)
{
    snprintf(text, bytes, "%02d_%s_%s", label, colours[colour_of(label)].name,
             shapes[shape_of(label)]);
}

/* Sizes as they come in ImageNet: mean about 470 x 400, most at 500 x 375. */
static void choose_size(struct photo *photo, double megapixels)
{
    static const short common[8][2] = {{500, 375}, {500, 375}, {500, 333},
                                       {375, 500}, {500, 400}, {333, 500},
                                       {640, 480}, {500, 375}};
    int pick = draw(photo->key, 1, 12);
    if (megapixels > 0) {
        /* 4:3 and 3:2, upright a third of the time. */
        int wide = pick & 1 ? 4 : 3, high = pick & 1 ? 3 : 2;
        int unit = 1;
        while ((double)(unit + 8) * (unit + 8) * wide * high <=
               megapixels * 1e6)
            unit += 8;
        photo->width = pick % 3 == 0 ? high * unit : wide * unit;
        photo->height = pick % 3 == 0 ? wide * unit : high * unit;
    } else if (pick < 8) {
        photo->width = common[pick][0];
        photo->height = common[pick][1];
    } else {
        photo->width = 160 + draw(photo->key, 2, 640);
        photo->height = 140 + draw(photo->key, 3, 540);
    }
}

void photo_choose(struct photo *photo, uint64_t seed, int64_t index, int label,
                  double megapixels)
{
    static const uint8_t qualities[20] = {75, 75, 80, 85, 85,  90, 90,
                                          90, 92, 92, 95, 95,  95, 96,
                                          96, 96, 96, 98, 100, 100};
    *photo =
        (struct photo){.key = mix(seed ^ mix((uint64_t)index)), .label = label};
    choose_size(photo, megapixels);
    photo->quality = qualities[draw(photo->key, 4, 20)];
    photo->grey = draw(photo->key, 5, 100) < 3;
    photo->halved = draw(photo->key, 6, 4) == 0;
    photo->optimised = draw(photo->key, 7, 2) == 0;
}

/* Adds one octave to a row: values on a lattice `cell` pixels wide, linear
 * between, times gain / 256. */
static void add_octave(int32_t *row, int width, int y, int shift, uint64_t key,
                       int gain)
{
    int cell = 1 << shift, part = y & (cell - 1);
    uint64_t upper = mix(key ^ (uint64_t)(y >> shift) << 20);
    uint64_t lower = mix(key ^ (uint64_t)((y >> shift) + 1) << 20);
    int32_t from = 0;
    for (int x = -cell; x < width; x += cell) {
        uint64_t at = (uint64_t)((x >> shift) + 2);
        int32_t above = (int32_t)(mix(upper + at) & 1023) - 512;
        int32_t below = (int32_t)(mix(lower + at) & 1023) - 512;
        int32_t to = (above * (cell - part) + below * part) * gain >> shift;
        int end = x + cell < width ? x + cell : width;
        for (int i = x < 0 ? 0 : x; i < end; i++)
            row[i] += from + ((to - from) * (i - x) >> shift);
        from = to;
    }
}

/* Noise of one row from the coarsest to the finest octave; fine ones fade
 * where the picture is smooth. */
static void noise_row(int32_t *row, int32_t *rough, int32_t *fine, int width,
                      int y, uint64_t key)
{
    /* Contrast by octave, finest first, in 1/8 levels of 256. */
    static const int gains[9] = {22, 34, 44, 50, 52, 52, 54, 60, 66};
    size_t bytes = (size_t)width * sizeof(*row);
    memset(row, 0, bytes);
    memset(rough, 0, bytes);
    memset(fine, 0, bytes);
    for (int i = 4; i < 9; i++)
        add_octave(row, width, y, i, mix(key + (uint64_t)i), gains[i]);
    for (int i = 0; i < 4; i++)
        add_octave(fine, width, y, i, mix(key + (uint64_t)i), gains[i]);
    add_octave(rough, width, y, 6, mix(key + 20), 256);
    for (int x = 0; x < width; x++) {
        /* 0 ... 640 of 256 */
        int32_t much = 256 + (rough[x] >> 8);
        much = much < 24 ? 24 : much;
        row[x] += fine[x] * (much >> 1) >> 8;
    }
}

/* Whether (dx, dy), measured in 1/256 of the radius, lies in the shape. */
static bool inside(int shape, int dx, int dy)
{
    int square = dx * dx + dy * dy;
    switch (shape) {
    case 0:
        return square < 65536;
    case 1:
        return abs(dx) < 210 && abs(dy) < 210;
    case 2:
        return dy > -230 && dy < 200 && abs(dx) * 2 < dy + 230;
    case 3:
        return square < 65536 && square > 20000;
    default:
        return abs(dx) < 230 && abs(dy) < 230 && ((dx + dy) & 255) < 120;
    }
}

static uint8_t clip(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Where the shape lies, and the two colours of the background. */
struct scene {
    int shape, x, y, radius;
    int top[3], bottom[3], colour[3];
};

static struct scene choose_scene(const struct photo *photo)
{
    int small = photo->width < photo->height ? photo->width : photo->height;
    int name = colour_of(photo->label);
    int rgb[3] = {colours[name].r, colours[name].g, colours[name].b};
    struct scene scene = {
        .shape = shape_of(photo->label),
        .radius = small / 5 + draw(photo->key, 10, small / 6 + 1) + 1,
        .x = photo->width / 3 + draw(photo->key, 11, photo->width / 3 + 1),
        .y = photo->height / 3 + draw(photo->key, 12, photo->height / 3 + 1)};
    for (int c = 0; c < 3; c++) {
        int light = draw(photo->key, 13, 80) + 90;
        scene.colour[c] = rgb[c] + draw(photo->key, 14 + c, 30) - 15;
        /* A tint of the class in the air helps small models along. */
        scene.top[c] =
            (light * 3 + rgb[c]) / 4 + draw(photo->key, 18 + c, 30) - 15;
        scene.bottom[c] =
            (light * 2 + rgb[c]) / 3 - 30 + draw(photo->key, 22 + c, 30);
    }
    return scene;
}

static void colour_row(const struct photo *photo, const struct scene *scene,
                       int y, const int32_t *light, const int32_t *warm,
                       uint8_t *out)
{
    int dy = (y - scene->y) * 256 / scene->radius;
    int base[3];
    for (int c = 0; c < 3; c++)
        base[c] = scene->top[c] +
                  (scene->bottom[c] - scene->top[c]) * y / photo->height;
    for (int x = 0; x < photo->width; x++) {
        int dx = (x - scene->x) * 256 / scene->radius;
        bool in =
            abs(dx) < 256 && abs(dy) < 256 && inside(scene->shape, dx, dy);
        const int *from = in ? scene->colour : base;
        int value = light[x] >> 9, tint = warm[x] >> 10;
        out[x * 3] = clip(from[0] + value + tint);
        out[x * 3 + 1] = clip(from[1] + value);
        out[x * 3 + 2] = clip(from[2] + value - tint);
    }
}

int photo_draw(const struct photo *photo, uint8_t *rgb)
{
    size_t width = (size_t)photo->width;
    int32_t *rows = malloc(width * 4 * sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    int32_t *light = rows, *rough = rows + width, *fine = rows + width * 2;
    int32_t *warm = rows + width * 3;
    struct scene scene = choose_scene(photo);
    for (int y = 0; y < photo->height; y++) {
        noise_row(light, rough, fine, photo->width, y, photo->key);
        memset(warm, 0, width * sizeof(*warm));
        add_octave(warm, photo->width, y, 6, mix(photo->key + 30), 60);
        add_octave(warm, photo->width, y, 3, mix(photo->key + 31), 30);
        colour_row(photo, &scene, y, light, warm, rgb + (size_t)y * width * 3);
    }
    free(rows);
    return 0;
}
