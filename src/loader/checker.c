/* Looking after data sets: one sample at a time, read and decoded whole by
 * the verdict that a loader with the same options gives.  A read that hangs
 * is left behind with its reader; the next sample gets a new one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "augment/recipe.h"
#include "base/cpu.h"
#include "base/hash.h"
#include "loader/aside.h"
#include "loader/checker.h"
#include "loader/worker.h"
#include "plan/dataset.h"

/* Readers that hang: with so many no further one is risked. */
enum { MAX_LEFT = 4 };

struct stoker_checker {
    stoker_dataset *dataset;
    struct stk_io_options io;
    struct stk_aside *aside; /* NULL: the next sample opens one */
    struct stk_aside *left[MAX_LEFT];
    int n_left;
    struct stk_decoder *decoder;
    struct stk_program program;
    uint64_t seed;
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
    checker->io = (struct stk_io_options){
        .io = STOKER_IO_PREAD,
        .n_reads = 1,
        .max_file_bytes = opt->max_file_bytes,
        .stall_timeout_ms = opt->stall_timeout_ms,
        .retry_ms = opt->retry_ms,
    };
    checker->seed = opt->seed;
    int rc = stk_program_from(&checker->program, opt, err);
    if (rc == 0)
        rc = stk_decoder_open(&checker->decoder, &limits, err);
    if (rc == 0)
        rc = stk_aside_open(&checker->aside, &checker->io, err);
    if (rc < 0) {
        stk_checker_close(checker);
        return rc;
    }
    *out = checker;
    return 0;
}

void stk_checker_close(stoker_checker *checker)
{
    stk_aside_close(checker->aside);
    for (int i = 0; i < checker->n_left; i++)
        stk_aside_close(checker->left[i]);
    stk_decoder_close(&checker->decoder);
    stk_dataset_free(checker->dataset);
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

/* -ERANGE where the transforms cannot cut the image; that is a matter of its
 * size alone, so any epoch's recipe will do. */
static int check_size(const stoker_checker *checker, int64_t id,
                      const struct stk_image *image, stoker_error *err)
{
    const struct stk_key key = {checker->seed, 0, (uint64_t)id};
    struct stk_geometry geometry;
    stoker_error why;

    int rc = stk_recipe_make(&checker->program, key, image->width,
                             image->height, &geometry, &why);
    return rc < 0 ? stk_fail(err, rc, "%s: %s", checker->path, why.text) : 0;
}

static int decode_whole(stoker_checker *checker, int64_t id,
                        struct stk_span bytes, stoker_image_info *info,
                        stoker_error *err)
{
    struct stk_image image = {0};
    struct stk_strip strip;

    int rc =
        stk_decoder_probe(checker->decoder, bytes, checker->path, &image, err);
    describe(&image, info);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_PROBE, -1, rc);
    rc = check_size(checker, id, &image, err);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_AUGMENT, -1, rc);
    const struct stk_window whole = {0, 0, image.height, image.width};
    rc = stk_decoder_begin(checker->decoder, &whole, err);
    if (rc == 0)
        while ((rc = stk_decoder_rows(checker->decoder, &strip, err)) > 0)
            ;
    return rc < 0 ? stk_fail_at(err, STOKER_STAGE_DECODE, -1, rc) : 0;
}

/* Readers whose storage has answered after all are done with. */
static void look_for_left(stoker_checker *checker)
{
    int n = 0;

    for (int i = 0; i < checker->n_left; i++) {
        struct stk_aside *left = checker->left[i];
        if (!stk_aside_is_ours(left) || stk_aside_is_back(left))
            stk_aside_close(left);
        else
            checker->left[n++] = left;
    }
    checker->n_left = n;
}

/* A reader that is free to read.  A forked child has no thread of its
 * parent's and makes its own. */
static int ready(stoker_checker *checker, stoker_error *err)
{
    look_for_left(checker);
    if (checker->aside && !stk_aside_is_ours(checker->aside))
        checker->aside = NULL;
    if (checker->aside)
        return 0;
    if (checker->n_left == MAX_LEFT)
        return stk_fail(err, -ETIMEDOUT,
                        "%s: not looked at: stalled: %d reads before it hang "
                        "in their storage",
                        checker->path, MAX_LEFT);
    return stk_aside_open(&checker->aside, &checker->io, err);
}

/* Reads the sample whose name is in path; *read is valid until the next. */
static int read_sample(stoker_checker *checker, int64_t id,
                       struct stk_read **read, stoker_error *err)
{
    struct stk_part part;

    int rc = ready(checker, err);
    if (rc < 0)
        return rc;
    char *path = stk_aside_path(checker->aside);
    rc = stk_dataset_part(checker->dataset, id, path, STK_PATH_BYTES, &part);
    if (rc < 0)
        return stk_fail(err, rc, "%s: %s", checker->path, strerror(-rc));
    if (part.source == STOKER_SOURCE_MEMORY) { /* errors want a name */
        stk_dataset_name(checker->dataset, id, path, STK_PATH_BYTES);
        part.path = path;
    }
    if (stk_aside_read(checker->aside, &part, read) < 0) {
        checker->left[checker->n_left++] = checker->aside;
        checker->aside = NULL;
        return stk_fail(err, -ETIMEDOUT,
                        "%s: stalled: its storage has not answered for %d ms",
                        checker->path, checker->io.stall_timeout_ms);
    }
    if ((*read)->result < 0)
        *err = (*read)->error;
    return (*read)->result;
}

int stk_checker_check(stoker_checker *checker, int64_t id,
                      stoker_image_info *info, stoker_error *err)
{
    stoker_image_info full = {.size = info->size, .orientation = 1};
    struct stk_read *read;

    if (stk_dataset_name(checker->dataset, id, checker->path,
                         sizeof checker->path) < 0)
        return stk_fail(err, -EINVAL, "sample %lld: no such id", (long long)id);
    int rc = read_sample(checker, id, &read, err);
    if (rc < 0) {
        stk_fail_at(err, STOKER_STAGE_READ, id, rc);
    } else {
        full.n_bytes = (int64_t)read->bytes.n;
        stk_hash128(read->bytes.data, read->bytes.n, full.hash);
        rc = decode_whole(checker, id, read->bytes, &full, err);
        stk_decoder_end(checker->decoder);
        err->id = rc < 0 ? id : -1;
    }
    size_t size = info->size < sizeof full ? info->size : sizeof full;
    memcpy(info, &full, size);
    return rc;
}
