/* Rated and measured bandwidth to a device, and what pinning costs here. */
#include "pin/bus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pin/cuda.h"
#include "pin/memory.h"

enum { BYTES = 64 << 20, N_COPIES = 4 };

/* Bytes a second of one lane and one "GT/s": PCIe 3 and later send 128 bits
 * as 130, earlier ones 8 as 10. */
static double lane_bytes_s(double gt_s)
{
    double coding = gt_s < 6 ? 8.0 / 10 : 128.0 / 130;
    return gt_s * 1e9 / 8 * coding;
}

static bool read_number(const char *folder, const char *name, double *out)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool is_read = fscanf(f, "%lf", out) == 1;
    fclose(f);
    return is_read;
}

/* 0 where the kernel does not say: other buses, virtual machines. */
static double rated(const struct stk_cuda *cuda)
{
    char folder[64];
    double gt_s, lanes;

    if (!stk_cuda_folder(cuda, folder, sizeof folder) ||
        !read_number(folder, "max_link_speed", &gt_s) ||
        !read_number(folder, "max_link_width", &lanes))
        return 0;
    return lane_bytes_s(gt_s) * lanes;
}

/* The best of a few copies: the first one wakes the link up. */
static int time_copies(const struct stk_cuda *cuda, CUdeviceptr to,
                       const void *from, CUevent begun, CUevent done,
                       double *bytes_s, stoker_error *err)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < N_COPIES; i++) {
        float ms = 0;
        CUresult code = cuda->cuEventRecord(begun, NULL);
        if (code == CUDA_SUCCESS)
            code = cuda->cuMemcpyHtoDAsync(to, from, BYTES, NULL);
        if (code == CUDA_SUCCESS)
            code = cuda->cuEventRecord(done, NULL);
        if (code == CUDA_SUCCESS)
            code = cuda->cuEventSynchronize(done);
        if (code == CUDA_SUCCESS)
            code = cuda->cuEventElapsedTime(&ms, begun, done);
        rc = stk_cuda_check(cuda, code, "a copy of 64 MB", err);
        if (rc == 0 && ms > 0 && BYTES / (ms * 1e-3) > *bytes_s)
            *bytes_s = BYTES / (ms * 1e-3);
    }
    return rc;
}

/* *is_quiet: no copy runs any more; where that is not known, nothing that one
 * may touch is given back. */
static int measure_copies(const struct stk_cuda *cuda, const void *from,
                          double *bytes_s, bool *is_quiet, stoker_error *err)
{
    CUdeviceptr to = 0;
    CUevent begun = NULL, done = NULL;

    int rc =
        stk_cuda_check(cuda, cuda->cuMemAlloc(&to, BYTES), "cuMemAlloc", err);
    if (rc == 0)
        rc = stk_cuda_check(cuda,
                            cuda->cuEventCreate(&begun, CU_EVENT_BLOCKING_SYNC),
                            "cuEventCreate", err);
    if (rc == 0)
        rc = stk_cuda_check(cuda,
                            cuda->cuEventCreate(&done, CU_EVENT_BLOCKING_SYNC),
                            "cuEventCreate", err);
    if (rc == 0)
        rc = time_copies(cuda, to, from, begun, done, bytes_s, err);
    *is_quiet = rc == 0 || cuda->cuCtxSynchronize() == CUDA_SUCCESS;
    if (!*is_quiet)
        return rc;
    if (done)
        cuda->cuEventDestroy(done);
    if (begun)
        cuda->cuEventDestroy(begun);
    if (to)
        cuda->cuMemFree(to);
    return rc;
}

/* Registers memory as a loader does, faults included. */
static int measure(const struct stk_cuda *cuda, void *data,
                   stoker_device_info *out, bool *is_quiet, stoker_error *err)
{
    int64_t start = stk_now_ns();

    int rc = stk_cuda_check(
        cuda, cuda->cuMemHostRegister(data, BYTES, CU_MEMHOSTREGISTER_PORTABLE),
        "cuMemHostRegister", err);
    if (rc < 0)
        return rc;
    out->register_ns = stk_now_ns() - start;
    out->register_bytes = BYTES;
    rc = measure_copies(cuda, data, &out->copy_bytes_s, is_quiet, err);
    if (*is_quiet)
        *is_quiet = cuda->cuMemHostUnregister(data) == CUDA_SUCCESS;
    return rc;
}

int stk_bus_measure(int ordinal, stoker_device_info *out, stoker_error *err)
{
    const stoker_options opt = {.huge_pages = 1};
    struct stk_memory memory;
    struct stk_cuda_visit visit;
    struct stk_cuda cuda;
    bool is_quiet = true;

    int rc = stk_cuda_open(&cuda, ordinal, err);
    if (rc < 0)
        return rc;
    out->driver = cuda.driver_version;
    out->init_ns = cuda.init_ns;
    out->numa_node = stk_cuda_numa_node(&cuda);
    out->bus_bytes_s = rated(&cuda);
    cuda.cuDeviceGetName(out->name, sizeof out->name, cuda.device);
    rc = stk_memory_open(&memory, &opt, BYTES, out->numa_node, err);
    if (rc == 0) {
        rc = stk_cuda_enter(&cuda, &visit, err);
        if (rc == 0) {
            rc = measure(&cuda, memory.data, out, &is_quiet, err);
            stk_cuda_leave(&cuda, &visit);
        }
        if (is_quiet) /* better lost than read when it is gone */
            stk_memory_close(&memory);
    }
    stk_cuda_close(&cuda);
    return rc;
}
