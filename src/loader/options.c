/* Options: defaults, copies by size, and every check that needs neither data
 * set nor transforms. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "loader/loader.h"
#include "loader/worker.h"

static int check_range(const char *name, int64_t value, int64_t low,
                       int64_t high, stoker_error *err)
{
    if (value >= low && value <= high)
        return 0;
    return stk_fail(err, -EINVAL, "%s: %lld is outside %lld ... %lld", name,
                    (long long)value, (long long)low, (long long)high);
}

static int check(const stoker_options *opt, stoker_error *err)
{
    const struct {
        const char *name;
        int64_t value, low, high;
    } ranges[] = {
        {"shuffle", opt->shuffle, 0, 1},
        {"drop_last", opt->drop_last, 0, 1},
        {"batch_size", opt->batch_size, 1, 1 << 24},
        {"n_epochs", opt->n_epochs, 0, INT64_C(1) << 40},
        {"io", opt->io, STOKER_IO_AUTO, STOKER_IO_PREAD},
        {"n_workers", opt->n_workers, 0, 1024},
        {"reads_ahead", opt->reads_ahead, 1, STK_MAX_JOBS},
        {"stall_timeout_ms", opt->stall_timeout_ms, 1, INT32_MAX},
        {"retry_ms", opt->retry_ms, 0, INT32_MAX},
        {"decoder", opt->decoder, STOKER_DECODER_AUTO, STOKER_DECODER_LIBJPEG},
        {"damaged", opt->damaged, STOKER_DAMAGED_PILLOW,
         STOKER_DAMAGED_LENIENT},
        {"max_pixels", opt->max_pixels, 1, INT64_C(1) << 40},
        {"max_side", opt->max_side, 1, INT32_MAX},
        {"max_file_bytes", opt->max_file_bytes, 1, INT64_C(1) << 36},
        {"max_decoder_bytes", opt->max_decoder_bytes, 1 << 16,
         INT64_C(1) << 40},
        {"max_scans", opt->max_scans, 1, INT32_MAX},
        {"max_decode_ms", opt->max_decode_ms, 1, INT32_MAX},
        {"pixels", opt->pixels, STOKER_PIXELS_PILLOW13, STOKER_PIXELS_PILLOW12},
        {"cpu", opt->cpu, STOKER_CPU_AUTO, STOKER_CPU_VEC128},
        {"dtype", opt->dtype, STOKER_U8, STOKER_F32},
        {"layout", opt->layout, STOKER_NCHW, STOKER_NHWC},
        {"on_error", opt->on_error, STOKER_RAISE, STOKER_REFILL},
        {"unlimited_bad", opt->unlimited_bad, 0, 1},
        {"max_bad", opt->max_bad, -1, INT64_MAX},
        {"max_bad_run", opt->max_bad_run, 0, INT64_MAX},
        {"n_slots", opt->n_slots, 2, 65536},
        {"pin", opt->pin, STOKER_PIN_OFF, STOKER_PIN_REQUIRE},
        {"huge_pages", opt->huge_pages, 0, 2},
        {"numa_node", opt->numa_node, -1, 1023},
        {"device", opt->device, -1, 1024},
        {"n_device_buffers", opt->n_device_buffers, 2, 65536},
        {"device_normalize", opt->device_normalize, 0, 1},
        {"pin_device", opt->pin_device, -1, 1024},
        {"guard", opt->guard, STOKER_GUARD_STREAMS, STOKER_GUARD_CONTEXT},
        {"digest_pixels", opt->digest_pixels, 0, 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        int rc = check_range(ranges[i].name, ranges[i].value, ranges[i].low,
                             ranges[i].high, err);
        if (rc < 0)
            return rc;
    }
    double fraction = opt->max_bad_fraction;
    if (isnan(fraction) || fraction > 1 || (fraction < 0 && fraction != -1))
        return stk_fail(err, -EINVAL, "max_bad_fraction: %g is outside 0 ... 1",
                        fraction);
    return 0;
}

void stk_options_init(stoker_options *opt, size_t size)
{
    const stoker_options defaults = {
        .size = size,
        .shuffle = 1,
        .world_size = 1,
        .batch_size = 64,
        .reads_ahead = 8,
        .stall_timeout_ms = 120000,
        .retry_ms = 2000,
        .max_pixels = 178956970,
        .max_side = 65500,
        .max_file_bytes = 256 << 20,
        .max_decoder_bytes = 1 << 30,
        .max_scans = 500,
        .max_decode_ms = 30000,
        .transform_bytes = sizeof(stoker_transform),
        .max_bad = -1,
        .max_bad_run = 32,
        .max_bad_fraction = -1,
        .n_slots = 4,
        .huge_pages = 1,
        .numa_node = -1,
        .device = -1,
        .n_device_buffers = 3,
        .device_normalize = 1,
        .pin_device = -1,
    };
    memcpy(opt, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

int stk_options_read(stoker_options *full, const stoker_options *opt,
                     stoker_error *err)
{
    stk_options_init(full, sizeof *full);
    if (opt) {
        if (opt->size < offsetof(stoker_options, io) ||
            opt->size > 16 * sizeof *opt)
            return stk_fail(err, -EINVAL,
                            "options: size %zu; call stoker_options_init()",
                            opt->size);
        size_t size = opt->size < sizeof *full ? opt->size : sizeof *full;
        memcpy(full, opt, size);
        full->size = sizeof *full;
    }
    return check(full, err);
}

int stk_program_from(struct stk_program *program, const stoker_options *opt,
                     stoker_error *err)
{
    const stoker_transform train[2] = {
        stoker_random_resized_crop(224, 224),
        stoker_random_horizontal_flip(0.5),
    };
    bool is_default = !opt->transforms;

    return stk_program_compile(program, is_default ? train : opt->transforms,
                               is_default ? 2 : opt->n_transforms,
                               is_default ? sizeof train[0]
                                          : opt->transform_bytes,
                               opt->dtype, opt->layout, opt->pixels, err);
}

int32_t stk_reads_fit(int32_t reads_ahead, int n_workers)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return reads_ahead;
    /* A ring is a descriptor, too. */
    rlim_t each = limit.rlim_cur / 2 / (rlim_t)n_workers;
    rlim_t fit = each > 2 ? each - 1 : 1;
    return fit < (rlim_t)reads_ahead ? (int32_t)fit : reads_ahead;
}

void stk_limits_set(struct stk_decode_limits *limits, const stoker_options *opt,
                    int cpu)
{
    *limits = (struct stk_decode_limits){
        .max_pixels = opt->max_pixels,
        .max_side = opt->max_side,
        .max_file_bytes = opt->max_file_bytes,
        .max_decoder_bytes = opt->max_decoder_bytes,
        .max_scans = opt->max_scans,
        .max_decode_ms = opt->max_decode_ms,
        .decoder = opt->decoder,
        .damaged = opt->damaged,
        .cpu = cpu,
    };
}
