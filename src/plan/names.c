/* Sorting and choosing of names; pure, apart from the walk so that it can be
 * tested on bytes that few file systems would hold. */
#include "plan/names.h"

#include <string.h>

static uint32_t lower4(const char *p)
{
    /* Only a letter's own two cases give that letter under | 0x20. */
    return ((uint32_t)(uint8_t)p[0] << 24 | (uint32_t)(uint8_t)p[1] << 16 |
            (uint32_t)(uint8_t)p[2] << 8 | (uint32_t)(uint8_t)p[3]) |
           0x20202020u;
}

#define FOUR(a, b, c, d)                                                       \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 |          \
     (uint32_t)(d))

bool stk_name_is_image(const char *name, size_t n)
{
    if (n < 4)
        return false;
    uint32_t end = lower4(name + n - 4);
    if (name[n - 4] == '.')
        return end == FOUR('.', 'j', 'p', 'g') ||
               end == FOUR('.', 'p', 'n', 'g') ||
               end == FOUR('.', 'p', 'p', 'm') ||
               end == FOUR('.', 'b', 'm', 'p') ||
               end == FOUR('.', 'p', 'g', 'm') ||
               end == FOUR('.', 't', 'i', 'f');
    return n >= 5 && name[n - 5] == '.' &&
           (end == FOUR('j', 'p', 'e', 'g') ||
            end == FOUR('t', 'i', 'f', 'f') || end == FOUR('w', 'e', 'b', 'p'));
}

/* How many continuation bytes a lead byte asks for, what of the lead counts,
 * and the least code point that may be written so; 0: no lead byte. */
static int lead(uint8_t byte, uint32_t *bits, uint32_t *least)
{
    if (byte >= 0xc2 && byte <= 0xdf) {
        *bits = byte & 0x1fu;
        *least = 0x80;
        return 1;
    }
    if ((byte & 0xf0) == 0xe0) {
        *bits = byte & 0x0fu;
        *least = 0x800;
        return 2;
    }
    if (byte >= 0xf0 && byte <= 0xf4) {
        *bits = byte & 0x07u;
        *least = 0x10000;
        return 3;
    }
    return 0;
}

/* The code point at *at, which moves behind it. */
static uint32_t next_point(const uint8_t *s, size_t n, size_t *at)
{
    uint8_t first = s[*at];
    uint32_t point = first, least = 0;
    int more = first < 0x80 ? 0 : lead(first, &point, &least);
    bool good = first < 0x80 || (more > 0 && n - *at > (size_t)more);

    for (int i = 1; good && i <= more; i++) {
        uint8_t byte = s[*at + (size_t)i];
        good = (byte & 0xc0) == 0x80;
        point = point << 6 | (byte & 0x3fu);
    }
    good = good && point >= least && point <= 0x10ffff &&
           (point < 0xd800 || point > 0xdfff);
    *at += good ? (size_t)more + 1 : 1;
    return good ? point : 0xdc00u + first;
}

int stk_name_compare(const char *a, size_t a_n, const char *b, size_t b_n)
{
    const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
    size_t i = 0, j = 0;

    while (i < a_n && i < b_n && x[i] == y[i] && x[i] < 0x80)
        i++;
    j = i;
    while (i < a_n && j < b_n) {
        uint32_t p = next_point(x, a_n, &i), q = next_point(y, b_n, &j);
        if (p != q)
            return p < q ? -1 : 1;
    }
    return (i < a_n) - (j < b_n);
}

/* Eight bytes from `from` on, the first highest, zeros behind the end. */
static uint64_t key_from(const char *name, size_t n, size_t from)
{
    uint64_t key = 0;
    for (size_t i = from; i < from + 8; i++)
        key = key << 8 | (i < n ? (uint8_t)name[i] : 0u);
    return key;
}

struct sorting {
    const char *text;
    size_t shared; /* bytes that all names start with */
    bool is_ascii; /* then bytes decide, and keys hold the first eight */
};

static bool comes_before(const struct sorting *s, const struct stk_name *a,
                         const struct stk_name *b)
{
    if (!s->is_ascii)
        return stk_name_compare(s->text + a->at, a->n, s->text + b->at, b->n) <
               0;
    if (a->key != b->key)
        return a->key < b->key;
    size_t least = a->n < b->n ? a->n : b->n;
    size_t from = s->shared + 8 < least ? s->shared + 8 : least;
    int order =
        memcmp(s->text + a->at + from, s->text + b->at + from, least - from);
    return order < 0 || (order == 0 && a->n < b->n);
}

static void merge(const struct sorting *s, const struct stk_name *in,
                  struct stk_name *out, size_t middle, size_t end)
{
    size_t left = 0, right = middle;
    for (size_t k = 0; k < end; k++) {
        bool take_right =
            left == middle ||
            (right < end && comes_before(s, &in[right], &in[left]));
        out[k] = in[take_right ? right++ : left++];
    }
}

static void prepare(struct sorting *s, struct stk_name *names, size_t n)
{
    const char *first = s->text + names[0].at;
    s->shared = names[0].n;
    s->is_ascii = true;
    for (size_t i = 0; i < n; i++) {
        const char *name = s->text + names[i].at;
        size_t k = 0, most = names[i].n < s->shared ? names[i].n : s->shared;
        while (k < most && name[k] == first[k])
            k++;
        s->shared = k;
        for (k = 0; k < names[i].n; k++)
            s->is_ascii &= (uint8_t)name[k] < 0x80;
    }
    for (size_t i = 0; i < n; i++)
        names[i].key = key_from(s->text + names[i].at, names[i].n, s->shared);
}

void stk_names_sort(struct stk_name *names, struct stk_name *spare, size_t n,
                    const char *text)
{
    struct sorting s = {.text = text};
    struct stk_name *from = names, *to = spare;

    if (n < 2)
        return;
    prepare(&s, names, n);
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t end = n - at < 2 * width ? n - at : 2 * width;
            merge(&s, from + at, to + at, end < width ? end : width, end);
        }
        struct stk_name *swap = from;
        from = to;
        to = swap;
    }
    if (from != names)
        memcpy(names, from, n * sizeof *names);
}
