/* The only door to libjpeg-turbo, and the only place that jumps.  A fresh
 * decompressor for every file: tables of one never serve another. */
#include "decode/jpeg_turbo.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/clock.h"
#include "base/mem.h"

struct stk_turbo {
    struct jpeg_decompress_struct info; /* valid while is_open */
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf on_error; /* valid inside of each call of this file */
    struct stk_turbo_job job;
    bool is_open;
    bool eoi_given; /* lenient: the made-up end of image was handed out */
    size_t skip;    /* bytes to drop from the next input */
    int code;       /* what an error exit returns */
    char text[JMSG_LENGTH_MAX];
    char first_warning[JMSG_LENGTH_MAX];
};

static struct stk_turbo *turbo_of(j_common_ptr info)
{
    return info->client_data;
}

static void jump(struct stk_turbo *turbo, int code)
{
    turbo->code = code;
    longjmp(turbo->on_error, 1);
}

static void on_error_exit(j_common_ptr info)
{
    struct stk_turbo *turbo = turbo_of(info);
    int code = -EBADMSG;
    info->err->format_message(info, turbo->text);
    if (info->err->msg_code == JERR_NO_BACKING_STORE ||
        info->err->msg_code == JERR_IMAGE_TOO_BIG)
        code = -EFBIG;
    if (info->err->msg_code == JERR_OUT_OF_MEMORY)
        code = -ENOMEM;
    jump(turbo, code);
}

static void on_message(j_common_ptr info, int level)
{
    struct stk_turbo *turbo = turbo_of(info);
    if (level >= 0)
        return;
    if (info->err->num_warnings++ == 0)
        info->err->format_message(info, turbo->first_warning);
}

static void ignore_output(j_common_ptr info)
{
    (void)info;
}

static void ignore_source(j_decompress_ptr info)
{
    (void)info;
}

/* All bytes are handed out at once; behind them libjpeg suspends, as it does
 * under Pillow. */
static boolean on_empty(j_decompress_ptr info)
{
    static const JOCTET eoi[2] = {0xFF, 0xD9};
    struct stk_turbo *turbo = turbo_of((j_common_ptr)info);
    if (!turbo->job.lenient || turbo->eoi_given || turbo->skip)
        return FALSE;
    turbo->eoi_given = true;
    turbo->errors.num_warnings++;
    if (!turbo->first_warning[0])
        snprintf(turbo->first_warning, sizeof turbo->first_warning,
                 "truncated");
    info->src->next_input_byte = eoi;
    info->src->bytes_in_buffer = sizeof eoi;
    return TRUE;
}

static void on_skip(j_decompress_ptr info, long n)
{
    struct stk_turbo *turbo = turbo_of((j_common_ptr)info);
    struct jpeg_source_mgr *source = info->src;
    if (n <= 0)
        return;
    size_t take = (size_t)n;
    if (take > source->bytes_in_buffer) {
        turbo->skip = take - source->bytes_in_buffer;
        take = source->bytes_in_buffer;
    }
    source->next_input_byte += take;
    source->bytes_in_buffer -= take;
}

static void on_progress(j_common_ptr info)
{
    struct stk_turbo *turbo = turbo_of(info);
    j_decompress_ptr dec = (j_decompress_ptr)info;
    if (dec->input_scan_number > turbo->job.max_scans) {
        snprintf(turbo->text, sizeof turbo->text, "more than %d scans",
                 turbo->job.max_scans);
        jump(turbo, -EFBIG);
    }
    if (stk_now_ns() > turbo->job.deadline_ns) {
        snprintf(turbo->text, sizeof turbo->text,
                 "decoding takes longer than max_decode_ms");
        jump(turbo, -EFBIG);
    }
}

int stk_turbo_open(struct stk_turbo **out, stoker_error *err)
{
    *out = stk_calloc(1, sizeof **out);
    return *out ? 0 : stk_fail(err, -ENOMEM, "no memory for a decoder");
}

void stk_turbo_close(struct stk_turbo **turbo)
{
    if (!*turbo)
        return;
    stk_turbo_end(*turbo);
    stk_free(*turbo);
    *turbo = NULL;
}

void stk_turbo_end(struct stk_turbo *turbo)
{
    if (turbo->is_open)
        jpeg_destroy_decompress(&turbo->info);
    turbo->is_open = false;
}

/* The error of a call that jumped; the decompressor is of no more use. */
static int failed(struct stk_turbo *turbo, stoker_error *err)
{
    stk_turbo_end(turbo);
    if (turbo->code == -EFBIG && !strstr(turbo->text, "max_") &&
        !strstr(turbo->text, "scans"))
        return stk_fail(err, -EFBIG, "%s: over the decoder's limits: %s",
                        turbo->job.name, turbo->text);
    return stk_fail(err, turbo->code, "%s: %s", turbo->job.name, turbo->text);
}

int stk_turbo_truncated(const char *name, stoker_error *err)
{
    return stk_fail(err, -ENODATA,
                    "%s: truncated: the bytes end before the image does", name);
}

static void set_up(struct stk_turbo *turbo)
{
    struct jpeg_decompress_struct *info = &turbo->info;
    memset(&turbo->errors, 0, sizeof turbo->errors);
    info->err = jpeg_std_error(&turbo->errors);
    turbo->errors.error_exit = on_error_exit;
    turbo->errors.emit_message = on_message;
    turbo->errors.output_message = ignore_output;
    info->client_data = turbo;
    /* Before create: it may already fail for want of memory. */
    jpeg_create_decompress(info);
    turbo->is_open = true;
    info->client_data = turbo;
    info->mem->max_memory_to_use = (long)turbo->job.max_memory_bytes;
    turbo->source = (struct jpeg_source_mgr){
        .next_input_byte = turbo->job.bytes.data,
        .bytes_in_buffer = turbo->job.bytes.n,
        .init_source = ignore_source,
        .fill_input_buffer = on_empty,
        .skip_input_data = on_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = ignore_source,
    };
    info->src = &turbo->source;
    turbo->progress =
        (struct jpeg_progress_mgr){.progress_monitor = on_progress};
    info->progress = &turbo->progress;
}

/* As Pillow asks: its mode from the number of layers. */
static int choose_colours(struct stk_turbo *turbo, stoker_error *err)
{
    struct jpeg_decompress_struct *info = &turbo->info;
    if (info->image_width != (JDIMENSION)turbo->job.width ||
        info->image_height != (JDIMENSION)turbo->job.height ||
        info->num_components != turbo->job.n_layers)
        return stk_fail(err, -EBADMSG, "%s: two frames that differ",
                        turbo->job.name);
    info->out_color_space = turbo->job.n_layers == 1   ? JCS_GRAYSCALE
                            : turbo->job.n_layers == 3 ? JCS_RGB
                                                       : JCS_CMYK;
    info->dct_method = JDCT_ISLOW;
    info->do_fancy_upsampling = TRUE;
    return 0;
}

static void describe(const struct stk_turbo *turbo,
                     struct stk_turbo_lines *lines)
{
    *lines = (struct stk_turbo_lines){
        .width = (int32_t)turbo->info.output_width,
        .n_channels = turbo->info.output_components,
        .top = (int32_t)turbo->info.output_scanline,
    };
}

int stk_turbo_begin(struct stk_turbo *turbo, const struct stk_turbo_job *job,
                    struct stk_turbo_lines *lines, stoker_error *err)
{
    stk_turbo_end(turbo);
    turbo->job = *job;
    turbo->eoi_given = false;
    turbo->skip = 0;
    turbo->first_warning[0] = '\0';
    if (setjmp(turbo->on_error))
        return failed(turbo, err);
    set_up(turbo);
    int rc;
    do /* a file may begin with one that has only tables */
        rc = jpeg_read_header(&turbo->info, FALSE);
    while (rc == JPEG_HEADER_TABLES_ONLY);
    if (rc == JPEG_SUSPENDED)
        return stk_turbo_truncated(turbo->job.name, err);
    rc = choose_colours(turbo, err);
    if (rc < 0)
        return rc;
    if (!jpeg_start_decompress(&turbo->info))
        return stk_turbo_truncated(turbo->job.name, err);
    describe(turbo, lines);
    return 0;
}

int stk_turbo_crop(struct stk_turbo *turbo, int32_t left, int32_t width,
                   int32_t top, struct stk_turbo_lines *lines,
                   stoker_error *err)
{
    struct jpeg_decompress_struct *info = &turbo->info;
    JDIMENSION from = (JDIMENSION)left, n = (JDIMENSION)width;
    if (setjmp(turbo->on_error))
        return failed(turbo, err);
    if (n < info->output_width)
        jpeg_crop_scanline(info, &from, &n);
    if (top)
        jpeg_skip_scanlines(info, (JDIMENSION)top);
    describe(turbo, lines);
    lines->left = (int32_t)from;
    return 0;
}

int stk_turbo_read(struct stk_turbo *turbo, uint8_t *rows, size_t stride,
                   int32_t n, int64_t deadline_ns, int32_t *n_read,
                   stoker_error *err)
{
    enum { N_AT_ONCE = 16 };
    *n_read = 0;
    turbo->job.deadline_ns = deadline_ns;
    if (setjmp(turbo->on_error))
        return failed(turbo, err);
    while (*n_read < n) {
        JSAMPROW row[N_AT_ONCE];
        int32_t want = n - *n_read < N_AT_ONCE ? n - *n_read : N_AT_ONCE;
        for (int32_t i = 0; i < want; i++)
            row[i] = rows + (size_t)(*n_read + i) * stride;
        JDIMENSION got =
            jpeg_read_scanlines(&turbo->info, row, (JDIMENSION)want);
        if (got == 0)
            return stk_turbo_truncated(turbo->job.name, err);
        *n_read += (int32_t)got;
    }
    return 0;
}

int stk_turbo_finish(struct stk_turbo *turbo, stoker_error *err)
{
    if (setjmp(turbo->on_error))
        return failed(turbo, err);
    /* Pillow takes a file that ends behind its last row. */
    jpeg_finish_decompress(&turbo->info);
    return 0;
}

int32_t stk_turbo_warnings(const struct stk_turbo *turbo, const char **first)
{
    *first = turbo->first_warning;
    return (int32_t)turbo->errors.num_warnings;
}

const char *stk_turbo_version(void)
{
#define TEXT(x)  #x
#define VALUE(x) TEXT(x)
    return "stoker-1 libjpeg-turbo-" VALUE(LIBJPEG_TURBO_VERSION);
}
