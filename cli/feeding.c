/* From flags to a data set and a loader, the same way for every command. */
#include "feeding.h"

#include <stdlib.h>
#include <string.h>

const struct cli_word feed_dtypes[] = {{"u8", STOKER_U8},
                                       {"f16", STOKER_F16},
                                       {"bf16", STOKER_BF16},
                                       {"f32", STOKER_F32},
                                       {NULL, 0}};
const struct cli_word feed_layouts[] = {
    {"NCHW", STOKER_NCHW}, {"NHWC", STOKER_NHWC}, {NULL, 0}};
const struct cli_word feed_ios[] = {{"auto", STOKER_IO_AUTO},
                                    {"uring", STOKER_IO_URING},
                                    {"pread", STOKER_IO_PREAD},
                                    {NULL, 0}};
const struct cli_word feed_cpus[] = {
    {"auto", STOKER_CPU_AUTO},     {"scalar", STOKER_CPU_SCALAR},
    {"avx2", STOKER_CPU_AVX2},     {"avx512", STOKER_CPU_AVX512},
    {"vec128", STOKER_CPU_VEC128}, {NULL, 0}};
const struct cli_word feed_decoders[] = {{"auto", STOKER_DECODER_AUTO},
                                         {"libjpeg", STOKER_DECODER_LIBJPEG},
                                         {NULL, 0}};
const struct cli_word feed_transforms[] = {{"train", 0}, {"val", 1}, {NULL, 0}};

static const struct cli_word policies[] = {{"raise", STOKER_RAISE},
                                           {"mask", STOKER_MASK},
                                           {"refill", STOKER_REFILL},
                                           {NULL, 0}};
static const struct cli_word pins[] = {{"off", STOKER_PIN_OFF},
                                       {"auto", STOKER_PIN_AUTO},
                                       {"require", STOKER_PIN_REQUIRE},
                                       {NULL, 0}};
static const struct cli_word pixels[] = {{"pillow13", STOKER_PIXELS_PILLOW13},
                                         {"pillow12", STOKER_PIXELS_PILLOW12},
                                         {NULL, 0}};

void feed_init(struct feed *feed)
{
    *feed =
        (struct feed){.size = 224, .batch_size = 64, .world = 1, .slots = 4};
    stoker_options_init(&feed->options, sizeof(feed->options));
}

void feed_batch_flags(struct cli_flags *flags, struct feed *feed)
{
    cli_int(flags, "size", "N", &feed->size, 1, 16384,
            "pixels a side of the output [224]");
    cli_int(flags, "batch-size", "N", &feed->batch_size, 1, 1 << 20,
            "rows a batch and rank [64]");
    cli_word(flags, "transform", "train|val", &feed->transform, feed_transforms,
             "RandomResizedCrop + flip, or Resize + CenterCrop [train]");
    cli_seed(flags, &feed->seed);
    cli_switch(flags, "no-shuffle", &feed->no_shuffle,
               "the folder's own order");
    cli_int(flags, "rank", "R", &feed->rank, 0, INT32_MAX - 1, "[0]");
    cli_int(flags, "world", "W", &feed->world, 1, INT32_MAX, "ranks [1]");
    cli_switch(flags, "drop-last", &feed->drop_last,
               "leave an incomplete last batch out");
    cli_word(flags, "pixels", "pillow13|pillow12", &feed->options.pixels,
             pixels, "whose order of resize passes [pillow13]");
    cli_word(flags, "on-error", "raise|mask|refill", &feed->options.on_error,
             policies, "what a bad file does [raise]");
}

void feed_global_flag(struct cli_flags *flags, struct feed *feed)
{
    cli_int(flags, "global-batch", "N", &feed->global_batch, 1, 1 << 24,
            "rows of all ranks together [batch-size times world]");
}

int64_t feed_step_samples(const struct feed *feed)
{
    return feed->global_batch ? feed->global_batch
                              : feed->batch_size * feed->world;
}

void feed_damaged_flag(struct cli_flags *flags, struct feed *feed)
{
    static const struct cli_word words[] = {{"pillow", STOKER_DAMAGED_PILLOW},
                                            {"strict", STOKER_DAMAGED_STRICT},
                                            {"lenient", STOKER_DAMAGED_LENIENT},
                                            {NULL, 0}};
    cli_word(flags, "damaged", "pillow|strict|lenient", &feed->options.damaged,
             words, "what a damaged file is worth [pillow]");
}

void feed_engine_flags(struct cli_flags *flags, struct feed *feed)
{
    cli_int(flags, "workers", "N", &feed->n_workers, 0, 1024,
            "threads [0: the CPUs this process may use]");
    cli_int(flags, "slots", "N", &feed->slots, 2, 1024, "batches ahead [4]");
    cli_word(flags, "dtype", "u8|f16|bf16|f32", &feed->options.dtype,
             feed_dtypes, "float types are normalised [u8]");
    cli_word(flags, "layout", "NCHW|NHWC", &feed->options.layout, feed_layouts,
             "[NCHW]");
    cli_word(flags, "io", "auto|uring|pread", &feed->options.io, feed_ios,
             "how files are read [auto]");
    cli_word(flags, "decoder", "auto|libjpeg", &feed->options.decoder,
             feed_decoders, "[auto]");
    cli_word(flags, "cpu", "auto|scalar|vec128|avx2|avx512", &feed->options.cpu,
             feed_cpus, "the instructions to use at most [auto]");
    cli_text(flags, "device", "cuda:N", &feed->device,
             "copy the batches to this device [host memory]");
    cli_word(flags, "pin", "off|auto|require", &feed->options.pin, pins,
             "page-locked batches in host memory [off]");
}

int feed_open_folder(struct feed *feed, const char *command, const char *folder)
{
    stoker_error err;
    if (stoker_dataset_from_folder(&feed->ds, folder, NULL, &err) != 0)
        return cli_fail(CLI_BAD, command, "%s", err.text);
    return CLI_OK;
}

/* torchvision's val default: the shorter side is 256 for a crop of 224. */
static int resize_side(int64_t size)
{
    return (int)((size * 256 + 112) / 224);
}

void feed_settle(struct feed *feed)
{
    static const float mean[3] = {0.485F, 0.456F, 0.406F};
    static const float std[3] = {0.229F, 0.224F, 0.225F};
    stoker_options *opt = &feed->options;
    size_t n = 0;
    int side = (int)feed->size;
    if (feed->transform == 0) {
        feed->transforms[n++] = stoker_random_resized_crop(side, side);
        feed->transforms[n++] = stoker_random_horizontal_flip(0.5);
    } else {
        feed->transforms[n++] = stoker_resize(resize_side(side), 0);
        feed->transforms[n++] = stoker_center_crop(side, side);
    }
    if (opt->dtype != STOKER_U8)
        feed->transforms[n++] = stoker_normalize(mean, std);
    opt->transforms = feed->transforms;
    opt->n_transforms = n;
    opt->transform_bytes = sizeof(stoker_transform);
    opt->seed = feed->seed;
    opt->shuffle = !feed->no_shuffle;
    opt->drop_last = feed->drop_last;
    opt->rank = (int32_t)feed->rank;
    opt->world_size = (int32_t)feed->world;
    opt->batch_size = feed->batch_size;
    opt->global_batch_size = feed->global_batch;
    opt->n_workers = (int32_t)feed->n_workers;
    opt->n_slots = (int32_t)feed->slots;
}

/* "cuda:1", "cuda", "1"; "cpu" and "-1": host memory. */
static int settle_device(struct feed *feed, const char *command)
{
    const char *text = feed->device;
    char *end;

    if (!text || strcmp(text, "cpu") == 0 || strcmp(text, "-1") == 0)
        return CLI_OK;
    if (strcmp(text, "cuda") == 0) {
        feed->options.device = 0;
        return CLI_OK;
    }
    const char *number = strncmp(text, "cuda:", 5) == 0 ? text + 5 : text;
    long ordinal = strtol(number, &end, 10);
    if (number[0] < '0' || number[0] > '9' || *end || ordinal > 1023)
        return cli_fail(CLI_USAGE, command,
                        "--device is cuda, cuda:N or cpu, not '%s'", text);
    feed->options.device = (int32_t)ordinal;
    return CLI_OK;
}

int feed_open_loader(struct feed *feed, const char *command)
{
    stoker_error err;
    int status = settle_device(feed, command);
    if (status != CLI_OK)
        return status;
    feed_settle(feed);
    if (stoker_loader_open(&feed->loader, feed->ds, &feed->options, &err) != 0)
        return cli_fail(CLI_BAD, command, "%s", err.text);
    return CLI_OK;
}

void feed_close(struct feed *feed)
{
    if (feed->loader)
        stoker_loader_close(&feed->loader);
    stoker_dataset_free(feed->ds);
    feed->ds = NULL;
}

char *feed_path(const struct feed *feed, int64_t id)
{
    int64_t n = stoker_dataset_path(feed->ds, id, NULL, 0);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text)
        stoker_dataset_path(feed->ds, id, text, (size_t)n + 1);
    return text;
}

void feed_put_path(FILE *out, const struct feed *feed, int64_t id)
{
    char *path = id >= 0 ? feed_path(feed, id) : NULL;

    cli_put_line(out, path ? path : id < 0 ? "(padding)" : "?");
    free(path);
}
