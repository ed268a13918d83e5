/* stoker doctor: what this machine offers, what is missing, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "feeding.h"

static void print_memory(int64_t bytes, char *text, size_t size)
{
    if (bytes < 0)
        snprintf(text, size, "no limit");
    else
        snprintf(text, size, "%.1f MiB", (double)bytes / 1048576);
}

/* The library's sentence begins as this line does. */
static const char *bare_reason(const char *reason)
{
    static const char begin[] = "no CUDA driver: ";
    size_t n = sizeof(begin) - 1;
    return strncmp(reason, begin, n) == 0 ? reason + n : reason;
}

static void print_words(const stoker_system *system)
{
    char memlock[32];
    print_memory(system->memlock_bytes, memlock, sizeof(memlock));
    printf("stoker         %s\n", stoker_version());
    printf("CPUs           %d usable of %d online\n", system->n_cpus,
           system->n_cpus_online);
    printf("instructions   %s (%s)\n", cli_word_of(feed_cpus, system->cpu),
           system->cpu_features);
    if (system->has_uring)
        printf("io_uring       yes\n");
    else
        printf("io_uring       no: %s; files are read by pread\n",
               system->uring_reason);
    printf("locked memory  %s\n", memlock);
    printf("huge pages     %s\n", system->huge_pages);
    printf("JPEG           %s\n", system->jpeg_library);
    printf("PNG            %s\n",
           system->png_library[0] ? system->png_library : "not built in");
    printf("WebP           %s\n",
           system->webp_library[0] ? system->webp_library : "not built in");
    if (system->cuda_driver)
        printf("CUDA driver    %d.%d, %d device%s\n",
               system->cuda_driver / 1000, system->cuda_driver % 1000 / 10,
               system->n_devices, system->n_devices == 1 ? "" : "s");
    else
        printf("CUDA driver    none (%s): batches stay in host memory\n",
               bare_reason(system->cuda_reason));
}

static void print_json(const stoker_system *system)
{
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "stoker", stoker_version());
    json_int(&json, "n_cpus", system->n_cpus);
    json_int(&json, "n_cpus_online", system->n_cpus_online);
    json_text(&json, "cpu", cli_word_of(feed_cpus, system->cpu));
    json_text(&json, "cpu_features", system->cpu_features);
    json_bool(&json, "io_uring", system->has_uring != 0);
    json_text(&json, "io_uring_reason", system->uring_reason);
    json_int(&json, "memlock_bytes", system->memlock_bytes);
    json_text(&json, "huge_pages", system->huge_pages);
    json_text(&json, "jpeg_library", system->jpeg_library);
    json_text(&json, "png_library", system->png_library);
    json_text(&json, "webp_library", system->webp_library);
    json_int(&json, "cuda_driver", system->cuda_driver);
    json_int(&json, "n_devices", system->n_devices);
    json_text(&json, "cuda_reason", system->cuda_reason);
    json_text(&json, "devices", system->devices);
    doctor_put_devices(&json, system);
    json_close(&json, '{');
    putchar('\n');
}

int cli_doctor(int argc, char **argv)
{
    struct cli_flags flags = {
        .command = "doctor",
        .sentence = "Says what this machine offers, what is missing, and why."};
    bool as_json = false;
    int status;
    cli_switch(&flags, "json", &as_json, "one object instead of words");
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    stoker_system system = {.size = sizeof(system)};
    stoker_system_get(&system);
    if (as_json) {
        print_json(&system);
        return CLI_OK;
    }
    print_words(&system);
    doctor_print_devices(&system);
    return CLI_OK;
}
