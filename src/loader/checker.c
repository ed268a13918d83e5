/* Looking after data sets: one sample at a time, read and decoded whole by
 * the verdict that a loader with the same options gives. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/hash.h"
#include "loader/checker.h"
#include "loader/worker.h"
#include "plan/dataset.h"

struct stoker_checker {
    stoker_dataset *dataset;
    struct stk_io *io;
    struct stk_decoder *decoder;
    char path[STK_PATH_BYTES];
};

int stk_checker_open(stoker_checker **out, stoker_dataset *ds,
                     const stoker_options *opt, stoker_error *err)
{
    stoker_checker *checker = stk_calloc(1, sizeof *checker);
    if (!checker)
        return stk_fail(err, -ENOMEM, "checker: no memory");
    stk_dataset_retain(ds);
    checker->dataset = ds;
    struct stk_decode_limits limits;
    stk_limits_set(&limits, opt, stk_cpu_best());
    struct stk_io_options io = {
        .io = STOKER_IO_PREAD,
        .n_reads = 1,
        .max_file_bytes = opt->max_file_bytes,
        .stall_timeout_ms = opt->stall_timeout_ms,
        .retry_ms = opt->retry_ms,
    };
    int rc = stk_decoder_open(&checker->decoder, &limits, err);
    if (rc == 0)
        rc = stk_io_open(&checker->io, &io, err);
    if (rc < 0) {
        stk_checker_close(checker);
        return rc;
    }
    *out = checker;
    return 0;
}

void stk_checker_close(stoker_checker *checker)
{
    stk_io_close(&checker->io);
    stk_decoder_close(&checker->decoder);
    stoker_dataset_free(checker->dataset);
    stk_free(checker);
}

static const char *format_name(int format)
{
    static const char *const names[] = {"", "JPEG", "PNG", "WEBP"};
    return names[format];
}

static void describe(const struct stk_image *image, stoker_image_info *info)
{
    snprintf(info->format, sizeof info->format, "%s",
             format_name(image->format));
    memcpy(info->mode, image->mode, sizeof info->mode);
    info->width = image->width;
    info->height = image->height;
    info->orientation = image->orientation;
    info->progressive = image->progressive;
    info->regular = image->regular;
    info->n_warnings = image->n_warnings;
}

static int decode_whole(stoker_checker *checker, struct stk_span bytes,
                        stoker_image_info *info, stoker_error *err)
{
    struct stk_image image = {0};
    struct stk_strip strip;

    int rc =
        stk_decoder_probe(checker->decoder, bytes, checker->path, &image, err);
    describe(&image, info);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_PROBE, -1, rc);
    const struct stk_window whole = {0, 0, image.height, image.width};
    rc = stk_decoder_begin(checker->decoder, &whole, err);
    if (rc == 0)
        while ((rc = stk_decoder_rows(checker->decoder, &strip, err)) > 0)
            ;
    return rc < 0 ? stk_fail_at(err, STOKER_STAGE_DECODE, -1, rc) : 0;
}

int stk_checker_check(stoker_checker *checker, int64_t id,
                      stoker_image_info *info, stoker_error *err)
{
    stoker_image_info full = {.size = info->size, .orientation = 1};
    struct stk_part part;
    struct stk_read *read = stk_io_read(checker->io, 0), *done;

    int rc = stk_dataset_part(checker->dataset, id, checker->path,
                              sizeof checker->path, &part);
    if (rc < 0)
        return stk_fail(err, rc, "sample %lld: no such id", (long long)id);
    stk_io_submit(checker->io, read, &part);
    while (stk_io_reap(checker->io, &done, 1, 1000) == 0)
        ;
    stk_dataset_name(checker->dataset, id, checker->path, sizeof checker->path);
    rc = read->result;
    if (rc < 0) {
        *err = read->error;
        stk_fail_at(err, STOKER_STAGE_READ, id, rc);
    } else {
        full.n_bytes = (int64_t)read->bytes.n;
        stk_hash128(read->bytes.data, read->bytes.n, full.hash);
        rc = decode_whole(checker, read->bytes, &full, err);
        stk_decoder_end(checker->decoder);
        err->id = rc < 0 ? id : -1;
    }
    stk_io_recycle(checker->io, read);
    size_t size = info->size < sizeof full ? info->size : sizeof full;
    memcpy(info, &full, size);
    return rc;
}
