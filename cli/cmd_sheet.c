/* stoker sheet: one batch as a contact sheet, the pixels that the GPU would
 * see with their labels beneath. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeding.h"
#include "letters.h"
#include "png_file.h"

enum { GAP = 6 }; /* pixels between pictures */

struct sheet {
    struct feed feed;
    int64_t columns;
    const char *out;
    uint8_t *rgb;
    size_t width, height, cell_width, cell_height, n_columns;
};

static void label_of(const struct sheet *sheet, int64_t id, int64_t label,
                     char *text, size_t bytes)
{
    const char *name = stoker_dataset_class(sheet->feed.ds, label);
    if (id < 0)
        snprintf(text, bytes, "padding");
    else if (label < 0)
        snprintf(text, bytes, "bad, id %lld", (long long)id);
    else
        snprintf(text, bytes, "%lld %s", (long long)label, name ? name : "");
}

static void place(struct sheet *sheet, const stoker_tensor *image, size_t row,
                  const char *text)
{
    size_t stride = sheet->width * 3, side = (size_t)image->shape[2];
    size_t x = GAP + row % sheet->n_columns * sheet->cell_width;
    size_t y = GAP + row / sheet->n_columns * sheet->cell_height;
    const uint8_t *from =
        (const uint8_t *)image->data + row * (size_t)image->strides[0];
    for (size_t i = 0; i < (size_t)image->shape[1]; i++)
        memcpy(sheet->rgb + (y + i) * stride + x * 3, from + i * side * 3,
               side * 3);
    letters_draw(sheet->rgb, stride, x, y + (size_t)image->shape[1] + 3, side,
                 text);
}

static int draw(struct sheet *sheet, const stoker_batch *batch)
{
    stoker_tensor image = {.size = sizeof(image)}, id = image, label = image;
    if (stoker_batch_tensor(batch, "image", &image) != 0 ||
        stoker_batch_tensor(batch, "id", &id) != 0 ||
        stoker_batch_tensor(batch, "label", &label) != 0)
        return cli_fail(CLI_BAD, "sheet", "the batch lacks a tensor");
    size_t n = (size_t)image.shape[0];
    sheet->n_columns = (size_t)sheet->columns < n ? (size_t)sheet->columns : n;
    sheet->cell_width = (size_t)image.shape[2] + GAP;
    sheet->cell_height = (size_t)image.shape[1] + GAP + LETTERS_HEIGHT + 3;
    sheet->width = sheet->n_columns * sheet->cell_width + GAP;
    sheet->height =
        (n + sheet->n_columns - 1) / sheet->n_columns * sheet->cell_height +
        GAP;
    if (sheet->width > PNG_FILE_MAX_WIDTH)
        return cli_fail(CLI_BAD, "sheet",
                        "%zu pixels would be too wide: at most %d are, so "
                        "fewer --columns are needed",
                        sheet->width, PNG_FILE_MAX_WIDTH);
    sheet->rgb = calloc(sheet->height, sheet->width * 3);
    if (!sheet->rgb)
        return cli_fail(CLI_BAD, "sheet", "%s: no memory for %zu x %zu pixels",
                        sheet->out, sheet->width, sheet->height);
    memset(sheet->rgb, 32, sheet->height * sheet->width * 3);
    for (size_t row = 0; row < n; row++) {
        char text[256];
        label_of(sheet, ((const int64_t *)id.data)[row],
                 ((const int64_t *)label.data)[row], text, sizeof(text));
        place(sheet, &image, row, text);
    }
    int rc =
        png_file_write(sheet->out, sheet->rgb, sheet->width, sheet->height);
    free(sheet->rgb);
    if (rc != 0)
        return cli_fail(CLI_BAD, "sheet", "%s: %s", sheet->out, strerror(-rc));
    printf("wrote %s: %zu pictures, %zu x %zu pixels\n", sheet->out, n,
           sheet->width, sheet->height);
    return CLI_OK;
}

static int play(struct sheet *sheet)
{
    stoker_error err;
    stoker_batch *batch;
    int rc = stoker_loader_next(sheet->feed.loader, &batch, -1, &err);
    if (rc < 0)
        return cli_fail(CLI_BAD, "sheet", "%s", err.text);
    if (rc != 0)
        return cli_fail(CLI_BAD, "sheet", "the epoch has no batch");
    int status = draw(sheet, batch);
    stoker_batch_release(batch);
    return status;
}

int cli_sheet(int argc, char **argv)
{
    struct sheet sheet = {.columns = 8};
    struct cli_flags flags = {
        .command = "sheet",
        .operand = "FOLDER",
        .sentence = "Draws one batch, as the GPU would see it, with labels "
                    "beneath, to a PNG file."};
    int status;
    feed_init(&sheet.feed);
    sheet.feed.batch_size = 32;
    sheet.feed.options.on_error = STOKER_MASK;
    cli_text(&flags, "o", "FILE", &sheet.out, "the PNG file, needed");
    cli_int(&flags, "columns", "N", &sheet.columns, 1, 64, "[8]");
    feed_batch_flags(&flags, &sheet.feed);
    cli_rehelp(&flags, "batch-size", "rows, pictures [32]");
    cli_rehelp(&flags, "on-error", "what a bad file does [mask: it is black]");
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    if (!sheet.out)
        return cli_fail(CLI_USAGE, "sheet", "-o FILE is missing");
    sheet.feed.options.layout = STOKER_NHWC;
    status = feed_open_folder(&sheet.feed, "sheet", flags.operand_value);
    if (status == CLI_OK)
        status = feed_open_loader(&sheet.feed, "sheet");
    if (status == CLI_OK)
        status = play(&sheet);
    feed_close(&sheet.feed);
    return status;
}
