/* Gathers what the rooms know about this machine, for `stoker doctor`. */
#include "loader/system.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cpu.h"
#include "decode/decode.h"
#include "pin/cuda.h"
#include "read/io.h"

/* "madvise; hugetlb 0 of 0 free": the chosen word stands in brackets. */
static void huge_pages(char *text, size_t bytes)
{
    char line[128] = "", *open, *close;
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");

    snprintf(text, bytes, "transparent: unknown");
    if (!f)
        return;
    if (fgets(line, sizeof line, f) && (open = strchr(line, '[')) &&
        (close = strchr(open, ']'))) {
        *close = '\0';
        snprintf(text, bytes, "transparent: %s", open + 1);
    }
    fclose(f);
}

/* Each codec's library finds its own field by its name. */
static void libraries(stoker_system *out)
{
    const char *text;

    for (int i = 0; (text = stk_decoder_library(i)); i++) {
        char *field = strstr(text, "jpeg")   ? out->jpeg_library
                      : strstr(text, "webp") ? out->webp_library
                                             : out->png_library;
        snprintf(field, sizeof out->jpeg_library, "%s", text);
    }
}

static void cuda(stoker_system *out)
{
    stoker_error err;

    stk_error_clear(&err);
    stk_cuda_describe(&out->cuda_driver, &out->n_devices, out->devices,
                      sizeof out->devices, &err);
    snprintf(out->cuda_reason, sizeof out->cuda_reason, "%.127s", err.text);
}

void stk_system_get(stoker_system *out)
{
    stoker_system full = {.size = out->size};
    struct rlimit limit;

    full.n_cpus = stk_cpu_usable();
    full.n_cpus_online = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    full.cpu = stk_cpu_best();
    stk_cpu_features(full.cpu_features, sizeof full.cpu_features);
    full.has_uring =
        stk_io_probe(full.uring_reason, sizeof full.uring_reason) == 0;
    full.memlock_bytes = -1;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        full.memlock_bytes = (int64_t)limit.rlim_cur;
    huge_pages(full.huge_pages, sizeof full.huge_pages);
    libraries(&full);
    size_t size = out->size < sizeof full ? out->size : sizeof full;
    if (size > offsetof(stoker_system, cuda_driver))
        cuda(&full); /* starts the driver in this process */
    memcpy(out, &full, size);
}
