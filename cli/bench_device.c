/* What a benchmark with a device says besides: the copies, who waited for
 * whom, and how far the bus is from its limit. */
#include <stdio.h>

#include "bench.h"

struct way {
    double batch_bytes;    /* over the bus, label and valid included */
    double copy_s;         /* of one batch, with the kernel */
    double copy_bytes_s;   /* while it was copied */
    double hidden_s;       /* of all copies, that no stream waited for */
    double hidden;         /* the share of it, 0 ... 1 */
    double wait, gpu_wait; /* shares of the time */
    double bus_img_s;      /* that the bus would carry, 0: not measured */
};

static struct way way_of(const struct bench *bench)
{
    const stoker_stats *stats = &bench->stats;
    double n = stats->n_copies ? (double)stats->n_copies : 1;
    double rows = bench->n_batches
                      ? (double)bench->n_images / (double)bench->n_batches
                      : 1;
    double wall = bench->wall_s > 0 ? bench->wall_s : 1;
    double all_s = (double)stats->copy_ns * 1e-9;
    struct way way = {
        .batch_bytes = (double)stats->bytes_copied / n,
        .copy_s = all_s / n,
        .copy_bytes_s = all_s > 0 ? (double)stats->bytes_copied / all_s : 0,
        .hidden_s = (double)stats->overlap_ns * 1e-9,
        .wait = (double)stats->copy_wait_ns * 1e-9 / wall,
        .gpu_wait = (double)stats->gpu_wait_ns * 1e-9 / wall,
    };
    /* A host that runs ahead waits in next while its stream waits, too. */
    if (way.gpu_wait > 1)
        way.gpu_wait = 1;
    way.hidden = all_s > 0 ? way.hidden_s / all_s : 0;
    if (bench->bus.copy_bytes_s > 0 && way.batch_bytes > 0)
        way.bus_img_s = bench->bus.copy_bytes_s / way.batch_bytes * rows;
    return way;
}

void bench_measure_bus(struct bench *bench)
{
    stoker_error err;
    bench->bus = (stoker_device_info){.size = sizeof(bench->bus)};
    if (bench->feed.options.device < 0 ||
        stoker_device_measure(bench->feed.options.device, &bench->bus, &err) !=
            0)
        bench->bus = (stoker_device_info){0};
}

void bench_device_words(const struct bench *bench)
{
    const stoker_stats *stats = &bench->stats;
    struct way way = way_of(bench);
    printf("device            cuda:%d%s%s, %.1f MB copied, %.2f MB a batch\n",
           bench->feed.options.device, bench->bus.name[0] ? " " : "",
           bench->bus.name, (double)stats->bytes_copied * 1e-6,
           way.batch_bytes * 1e-6);
    printf("copies            %.3f ms a batch (%.1f GB/s), %.1f %% of it "
           "hidden%s\n",
           way.copy_s * 1e3, way.copy_bytes_s * 1e-9, 100 * way.hidden,
           bench->step_ms > 0 ? ""
                              : " (--step-ms gives it what to hide behind)");
    printf("waits             the GPU at most %.2f %% of the time, the copies "
           "%.1f %% (for a batch)\n",
           100 * way.gpu_wait, 100 * way.wait);
    if (way.bus_img_s > 0)
        printf("bus               %.1f GB/s would carry %.0f img/s; %.1f %% of "
               "it is used\n",
               bench->bus.copy_bytes_s * 1e-9, way.bus_img_s,
               100 * bench_per_second(bench) / way.bus_img_s);
    printf("pinning           driver and context %.3f s, the batches %.3f s\n",
           (double)stats->pin_init_ns * 1e-9,
           (double)stats->pin_register_ns * 1e-9);
    if (stats->pin_reason[0])
        printf("note              %s\n", stats->pin_reason);
}

void bench_device_json(struct json *json, const struct bench *bench)
{
    const stoker_stats *stats = &bench->stats;
    struct way way = way_of(bench);
    json_open(json, "device", '{');
    json_int(json, "ordinal", bench->feed.options.device);
    json_text(json, "name", bench->bus.name);
    json_int(json, "n_copies", stats->n_copies);
    json_int(json, "bytes_copied", stats->bytes_copied);
    json_real(json, "batch_bytes", way.batch_bytes);
    json_real(json, "copy_s", (double)stats->copy_ns * 1e-9);
    json_real(json, "copy_wait_s", (double)stats->copy_wait_ns * 1e-9);
    json_real(json, "gpu_wait_s", (double)stats->gpu_wait_ns * 1e-9);
    json_real(json, "overlap_s", way.hidden_s);
    json_real(json, "overlap", way.hidden);
    json_real(json, "copy_bytes_s", way.copy_bytes_s);
    json_real(json, "bus_bytes_s", bench->bus.copy_bytes_s);
    json_real(json, "bus_img_s", way.bus_img_s);
    json_real(json, "pin_init_s", (double)stats->pin_init_ns * 1e-9);
    json_real(json, "pin_register_s", (double)stats->pin_register_ns * 1e-9);
    json_text(json, "reason", stats->pin_reason);
    json_close(json, '{');
}
