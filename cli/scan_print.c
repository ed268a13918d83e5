/* What a scan says: paths, words by reason, or one object. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scan.h"

/* Lists in words stop here; --json and --list do not. */
enum { SHOWN = 20 };

static const struct {
    int32_t code;
    const char *key, *words;
} reasons[] = {
    {-EBADMSG, "bad_data", "bad data"},
    {-ENODATA, "truncated", "truncated or empty"},
    {-EFBIG, "over_a_limit", "over a limit"},
    {-ESTALE, "changed", "changed while it was read"},
    {-ETIMEDOUT, "stalled", "stalled"},
    {-ENOENT, "vanished", "vanished"},
    {-EACCES, "unreadable", "unreadable"},
    {-EIO, "storage", "the storage failed"},
    {-EISDIR, "no_file", "not a regular file"},
    {-EINVAL, "no_file", "not a regular file"},
    {-ENOTSUP, "format", "a format that is not read"},
    {-ERANGE, "too_small", "too small for the transforms"},
};

enum { N_REASONS = sizeof(reasons) / sizeof(reasons[0]) };

static const struct {
    const char *key, *words;
} surprises[SCAN_SURPRISES] = {
    {"not_rgb", "not RGB (they are converted as Pillow does)"},
    {"exif_rotated", "rotated by EXIF (ImageFolder does not turn them)"},
    {"wrong_extension", "another format than the name says"},
    {"huge", "huge: over 50 megapixels"},
    {"tiny", "tiny: a side under 32 pixels"},
    {"deep_grey", "16-bit grey: convert(\"RGB\") clips it at 255"},
    {"warnings", "decoded with warnings of libjpeg"},
    {"duplicate", "the same bytes as an earlier file"},
};

static const char *key_of(int32_t code)
{
    for (int i = 0; i < N_REASONS; i++)
        if (reasons[i].code == code)
            return reasons[i].key;
    return "other";
}

static const char *words_of(int32_t code)
{
    for (int i = 0; i < N_REASONS; i++)
        if (reasons[i].code == code)
            return reasons[i].words;
    return "other";
}

void scan_print_list(const struct scan *scan)
{
    for (int64_t id = 0; id < scan->n; id++) {
        if (scan->verdicts[id].code == 0)
            continue;
        feed_put_path(stdout, &scan->feed, id);
        putchar('\n');
    }
}

/* The codes that occurred, each once; returns how many. */
static int codes_of(const struct scan *scan, int32_t *codes, int64_t *counts,
                    int room)
{
    int n = 0;
    for (int64_t id = 0; id < scan->n; id++) {
        int32_t code = scan->verdicts[id].code;
        int i = 0;
        if (code == 0)
            continue;
        while (i < n && strcmp(key_of(codes[i]), key_of(code)) != 0)
            i++;
        if (i == room)
            continue;
        if (i == n) {
            codes[n] = code;
            counts[n++] = 0;
        }
        counts[i]++;
    }
    return n;
}

static void print_bad(const struct scan *scan)
{
    int32_t codes[N_REASONS + 1];
    int64_t counts[N_REASONS + 1];
    int n = codes_of(scan, codes, counts, N_REASONS + 1);
    for (int i = 0; i < n; i++) {
        int shown = 0;
        printf("\n%lld: %s\n", (long long)counts[i], words_of(codes[i]));
        for (int64_t id = 0; id < scan->n && shown < SHOWN; id++) {
            const struct verdict *verdict = &scan->verdicts[id];
            if (verdict->code == 0 ||
                strcmp(key_of(verdict->code), key_of(codes[i])) != 0)
                continue;
            fputs("  ", stdout);
            cli_put_line(stdout, verdict->text ? verdict->text : "?");
            putchar('\n');
            shown++;
        }
        if (counts[i] > SHOWN)
            printf("  ... (--list shows all)\n");
    }
}

static void print_surprises(const struct scan *scan)
{
    bool any = false;
    for (int i = 0; i < SCAN_SURPRISES; i++) {
        int shown = 0;
        if (scan->n_surprises[i] == 0)
            continue;
        printf("%s\n%lld: %s\n", any ? "" : "\nnot bad, but surprising:",
               (long long)scan->n_surprises[i], surprises[i].words);
        any = true;
        for (int64_t id = 0; id < scan->n && shown < 3; id++) {
            if (!(scan->verdicts[id].surprises >> i & 1))
                continue;
            fputs("  ", stdout);
            feed_put_path(stdout, &scan->feed, id);
            printf(" (%s %s, %d x %d)\n", scan->verdicts[id].format,
                   scan->verdicts[id].mode, scan->verdicts[id].width,
                   scan->verdicts[id].height);
            shown++;
        }
    }
}

void scan_print_words(const struct scan *scan)
{
    print_bad(scan);
    print_surprises(scan);
    if (scan->move_to)
        printf("\nmoved %lld to %s", (long long)scan->n_moved, scan->move_to);
    printf("\n%lld images, %lld bad; %.1f MB in %.1f s (%.0f images a "
           "second)\n",
           (long long)scan->n, (long long)scan->n_bad, scan->bytes * 1e-6,
           scan->seconds,
           (double)scan->n / (scan->seconds > 0 ? scan->seconds : 1));
}

static void put_files(struct json *json, const struct scan *scan)
{
    json_open(json, "files", '[');
    for (int64_t id = 0; id < scan->n; id++) {
        const struct verdict *verdict = &scan->verdicts[id];
        if (verdict->code == 0 && verdict->surprises == 0)
            continue;
        char *path = feed_path(&scan->feed, id);
        json_open(json, NULL, '{');
        json_int(json, "id", id);
        json_text(json, "path", path ? path : "");
        json_bool(json, "bad", verdict->code != 0);
        if (verdict->code != 0) {
            json_int(json, "code", verdict->code);
            json_text(json, "reason", key_of(verdict->code));
            json_text(json, "text", verdict->text ? verdict->text : "");
        }
        json_text(json, "format", verdict->format);
        json_text(json, "mode", verdict->mode);
        json_int(json, "width", verdict->width);
        json_int(json, "height", verdict->height);
        json_open(json, "surprises", '[');
        for (int i = 0; i < SCAN_SURPRISES; i++)
            if (verdict->surprises >> i & 1)
                json_text(json, NULL, surprises[i].key);
        json_close(json, '[');
        json_close(json, '{');
        free(path);
    }
    json_close(json, '[');
}

void scan_print_json(const struct scan *scan)
{
    struct json json = {.out = stdout};
    int32_t codes[N_REASONS + 1];
    int64_t counts[N_REASONS + 1];
    int n = codes_of(scan, codes, counts, N_REASONS + 1);
    json_open(&json, NULL, '{');
    json_int(&json, "n_images", scan->n);
    json_int(&json, "n_bad", scan->n_bad);
    json_int(&json, "n_moved", scan->n_moved);
    json_real(&json, "seconds", scan->seconds);
    json_open(&json, "reasons", '{');
    for (int i = 0; i < n; i++)
        json_int(&json, key_of(codes[i]), counts[i]);
    json_close(&json, '{');
    json_open(&json, "surprises", '{');
    for (int i = 0; i < SCAN_SURPRISES; i++)
        json_int(&json, surprises[i].key, scan->n_surprises[i]);
    json_close(&json, '{');
    put_files(&json, scan);
    json_close(&json, '{');
    putchar('\n');
}
