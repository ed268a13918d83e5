/* Decodes images for the Pillow comparisons: reads paths from standard input,
 * one a line ("PATH" or "PATH TOP LEFT HEIGHT WIDTH" with tabs), and prints a
 * line for each: ok, width, height, mode, orientation, progressive, regular,
 * warnings and the SHA-256 of the window's RGB bytes; or error, code and
 * text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "decode/decode.h"
#include "tools/sha256.h"

static struct stk_decode_limits limits = {
    .max_pixels = 178956970,
    .max_side = 65500,
    .max_file_bytes = 268435456,
    .max_decoder_bytes = 1 << 30,
    .max_scans = 500,
    .max_decode_ms = 30000,
};

static void hash_rows(struct sha256 *hash, const struct stk_strip *strip,
                      int32_t width)
{
    uint8_t *line = malloc((size_t)width * 3);
    for (int32_t row = 0; row < strip->n_rows; row++) {
        for (int c = 0; c < 3; c++)
            for (int32_t x = 0; x < width; x++)
                line[3 * x + c] =
                    strip->plane[c][(size_t)row * strip->stride + (size_t)x];
        sha256_add(hash, line, (size_t)width * 3);
    }
    free(line);
}

static int decode(struct stk_decoder *decoder, struct stk_span bytes,
                  const char *name, struct stk_window window, stoker_error *err)
{
    struct stk_image image;
    struct stk_strip strip;
    struct sha256 hash;
    char hex[65];

    int rc = stk_decoder_probe(decoder, bytes, name, &image, err);
    if (rc < 0)
        return rc;
    if (!window.width)
        window = (struct stk_window){0, 0, image.height, image.width};
    rc = stk_decoder_begin(decoder, &window, err);
    sha256_begin(&hash);
    while (rc >= 0 && (rc = stk_decoder_rows(decoder, &strip, err)) == 1)
        hash_rows(&hash, &strip, window.width);
    if (rc < 0)
        return rc;
    sha256_end(&hash, hex);
    printf("ok\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%s\t%d\n", image.width,
           image.height, image.mode, image.orientation, image.progressive,
           image.regular, image.n_warnings, hex, stk_decoder_was_own(decoder));
    return 0;
}

static uint8_t *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*n ? *n : 1);
    if (fread(data, 1, *n, file) != *n)
        *n = 0;
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    char line[8192];
    struct stk_decoder *decoder;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "strict") == 0)
            limits.damaged = STOKER_DAMAGED_STRICT;
        else if (strcmp(argv[i], "lenient") == 0)
            limits.damaged = STOKER_DAMAGED_LENIENT;
        else if (strcmp(argv[i], "libjpeg") == 0)
            limits.decoder = STOKER_DECODER_LIBJPEG;
        else if (strcmp(argv[i], "scalar") == 0)
            limits.cpu = STOKER_CPU_SCALAR;
        else if (strcmp(argv[i], "vec128") == 0)
            limits.cpu = STOKER_CPU_VEC128;
        else if (strcmp(argv[i], "avx2") == 0)
            limits.cpu = STOKER_CPU_AVX2;
    }
    limits.cpu = stk_cpu_resolve(limits.cpu);
    if (stk_decoder_open(&decoder, &limits, NULL) < 0)
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        stoker_error err = {0};
        struct stk_window window = {0};
        size_t n = 0;
        line[strcspn(line, "\n")] = '\0';
        char *tab = strchr(line, '\t');
        if (tab) {
            *tab = '\0';
            sscanf(tab + 1, "%d\t%d\t%d\t%d", &window.top, &window.left,
                   &window.height, &window.width);
        }
        uint8_t *data = read_file(line, &n);
        int rc =
            decode(decoder, (struct stk_span){data, n}, line, window, &err);
        stk_decoder_end(decoder);
        free(data);
        if (rc < 0)
            printf("error\t%d\t%s\n", rc, err.text);
        fflush(stdout);
    }
    stk_decoder_close(&decoder);
    return 0;
}
