/* Devices for doctor: what pinning costs here and what the bus carries,
 * measured on 64 MB, against what the CPUs could send over it. */
#include <stdio.h>

#include "doctor.h"

enum {
    ROWS = 256,
    IMAGE_BYTES = 3 * 224 * 224,
    /* Images a second that one core makes of ImageNet's JPEGs at most: what
     * bench_loader --memory measured on a fast one (README).  An upper bound,
     * so that "does not bind" holds. */
    CORE_IMG_S = 3500,
};

struct way {
    double pin_s_gb;      /* seconds to pin a GB */
    double carries_img_s; /* u8; f32 sent whole: a quarter */
    double made_img_s;    /* by this machine's CPUs, at most */
};

static struct way way_of(const stoker_system *system,
                         const stoker_device_info *info)
{
    double bytes = info->register_bytes ? (double)info->register_bytes : 1;
    return (struct way){
        .pin_s_gb = (double)info->register_ns / bytes,
        .carries_img_s = info->copy_bytes_s / IMAGE_BYTES,
        .made_img_s = (double)system->n_cpus * CORE_IMG_S,
    };
}

static void print_batch(const char *name, double bytes, double bytes_s)
{
    printf("  %-12s %.1f MB a batch of %d images of 224 x 224, %.2f ms\n", name,
           bytes * 1e-6, ROWS, bytes_s > 0 ? bytes / bytes_s * 1e3 : 0);
}

static void print_verdict(const struct way *way)
{
    double floats = way->carries_img_s / 4;
    printf("  bus          carries %.0f img/s as u8, %.0f as f32; %s\n",
           way->carries_img_s, floats,
           way->carries_img_s < way->made_img_s
               ? "it can bind: these CPUs may make more"
           : floats < way->made_img_s
               ? "it does not bind, unless floats are sent "
                 "(device_normalize = 0)"
               : "it does not bind: these CPUs make less");
}

static void print_device(const stoker_system *system, int ordinal)
{
    stoker_device_info info = {.size = sizeof(info)};
    stoker_error err;
    if (stoker_device_measure(ordinal, &info, &err) != 0) {
        printf("cuda:%-9d cannot be used: %s\n", ordinal, err.text);
        return;
    }
    struct way way = way_of(system, &info);
    printf("cuda:%-9d %s", ordinal, info.name);
    if (info.numa_node >= 0)
        printf(", NUMA node %d", info.numa_node);
    printf("\n  pinning      %.3f s a GB (measured on %.0f MB, faults "
           "included); driver and\n               context %.3f s\n",
           way.pin_s_gb, (double)info.register_bytes * 1e-6,
           (double)info.init_ns * 1e-9);
    printf("  copies       %.1f GB/s from pinned memory",
           info.copy_bytes_s * 1e-9);
    if (info.bus_bytes_s > 0)
        printf(", the bus is rated at %.1f", info.bus_bytes_s * 1e-9);
    printf("\n");
    print_batch("as u8", (double)ROWS * IMAGE_BYTES, info.copy_bytes_s);
    print_batch("as f32", 4.0 * ROWS * IMAGE_BYTES, info.copy_bytes_s);
    print_verdict(&way);
}

void doctor_print_devices(const stoker_system *system)
{
    for (int i = 0; i < system->n_devices; i++)
        print_device(system, i);
}

static void put_device(struct json *json, const stoker_system *system,
                       int ordinal)
{
    stoker_device_info info = {.size = sizeof(info)};
    stoker_error err;
    json_open(json, NULL, '{');
    json_int(json, "ordinal", ordinal);
    if (stoker_device_measure(ordinal, &info, &err) != 0) {
        json_text(json, "error", err.text);
        json_close(json, '{');
        return;
    }
    struct way way = way_of(system, &info);
    json_text(json, "name", info.name);
    json_int(json, "numa_node", info.numa_node);
    json_real(json, "init_s", (double)info.init_ns * 1e-9);
    json_real(json, "pin_s_gb", way.pin_s_gb);
    json_real(json, "copy_bytes_s", info.copy_bytes_s);
    json_real(json, "bus_bytes_s", info.bus_bytes_s);
    json_real(json, "bus_img_s", way.carries_img_s);
    json_bool(json, "bus_may_bind", way.carries_img_s < way.made_img_s);
    json_close(json, '{');
}

void doctor_put_devices(struct json *json, const stoker_system *system)
{
    json_open(json, "gpus", '[');
    for (int i = 0; i < system->n_devices; i++)
        put_device(json, system, i);
    json_close(json, '[');
}
