/* Reads and writes the JSON twin of a cursor; knows flat objects only. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "state_text.h"

struct field {
    const char *name;
    size_t offset;
    char kind; /* q 64 bits, d 32 bits, b 32 bits as bool, p the pixels' word,
                  s text, x 16 bytes as hex */
};

#define FIELD(name, kind)                                                      \
    {                                                                          \
#name, offsetof(stoker_cursor, name), kind                             \
    }

static const struct field fields[] = {
    FIELD(fingerprint, 'x'), FIELD(n_items, 'q'),
    FIELD(seed, 'q'),        FIELD(epoch, 'q'),
    FIELD(consumed, 'q'),    FIELD(transforms_hash, 'q'),
    FIELD(shuffle, 'b'),     FIELD(planner_version, 'd'),
    FIELD(pixels, 'p'),      FIELD(on_error, 'd'),
    FIELD(decoder, 's'),
};

enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]) };

static const char *skip(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

enum { NEVER_IN_A_STATE = 0x7f };

/* What an escape stands for, as far as a state may hold it; 0: it is none.
 * Moves *at to its last letter. */
static char read_escape(const char **at)
{
    static const char *const hex = "0123456789abcdefABCDEF";
    const char *letter = ++*at;
    if (*letter == '"' || *letter == '\\' || *letter == '/')
        return *letter;
    if (*letter == 'u' && strspn(letter + 1, hex) >= 4)
        *at += 4;
    else if (!*letter || !strchr("bfnrt", *letter))
        return 0;
    return NEVER_IN_A_STATE;
}

/* Returns what follows the string, or NULL. */
static const char *read_string(const char *at, char *out, size_t bytes)
{
    size_t n = 0;
    if (*at++ != '"')
        return NULL;
    while (*at && *at != '"') {
        char c = *at == '\\' ? read_escape(&at) : *at;
        if ((unsigned char)c < 0x20)
            return NULL;
        if (n + 1 < bytes)
            out[n++] = c;
        at++;
    }
    out[n] = 0;
    return *at == '"' ? at + 1 : NULL;
}

/* A word or number, up to the next comma, bracket or space. */
static const char *read_bare(const char *at, char *out, size_t bytes)
{
    size_t n = strcspn(at, ",{}[]: \t\r\n");
    if (n == 0 || n >= bytes)
        return NULL;
    memcpy(out, at, n);
    out[n] = 0;
    return at + n;
}

static int digit(char c)
{
    const char *all = "0123456789abcdef";
    const char *at = c ? strchr(all, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - all) : -1;
}

static int store_hex(uint8_t out[16], const char *text)
{
    if (strlen(text) != 32)
        return -1;
    for (int i = 0; i < 16; i++) {
        int high = digit(text[i * 2]), low = digit(text[i * 2 + 1]);
        if (high < 0 || low < 0)
            return -1;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return 0;
}

static int store_number(const struct field *field, void *to, const char *text)
{
    char *end;
    if (strcmp(text, "true") == 0 || strcmp(text, "pillow12") == 0)
        text = "1";
    else if (strcmp(text, "false") == 0 || strcmp(text, "pillow13") == 0)
        text = "0";
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (text[0] == '-' || errno || end == text || *end)
        return -1;
    if (field->kind == 'q') {
        memcpy(to, &value, 8);
        return 0;
    }
    int32_t small = (int32_t)value;
    if ((uint64_t)(int64_t)small != value)
        return -1;
    memcpy(to, &small, 4);
    return 0;
}

static int store(const struct field *field, stoker_cursor *cursor,
                 const char *text)
{
    char *to = (char *)cursor + field->offset;
    if (field->kind == 'x')
        return store_hex((uint8_t *)to, text);
    if (field->kind == 's') {
        if (strlen(text) >= sizeof(cursor->decoder))
            return -1;
        strcpy(to, text);
        return 0;
    }
    return store_number(field, to, text);
}

static int refuse(stoker_error *err, const char *format, const char *what)
{
    *err = (stoker_error){.code = -EBADMSG, .id = -1};
    snprintf(err->text, sizeof(err->text), format, what);
    return -EBADMSG;
}

/* Numbers and words stand bare, texts between quotes. */
static bool is_written_right(const struct field *field, const char *value,
                             bool is_quoted)
{
    bool is_number = strcmp(value, "0") == 0 || value[0] == '-' ||
                     (value[0] >= '1' && value[0] <= '9');

    if (field->kind == 's' || field->kind == 'x')
        return is_quoted;
    if (field->kind == 'p')
        return is_quoted && strncmp(value, "pillow1", 7) == 0;
    if (field->kind == 'b')
        return !is_quoted && (value[0] == 't' || value[0] == 'f');
    return !is_quoted && is_number &&
           strspn(value, "-0123456789") == strlen(value);
}

/* One "key": value; marks what it found in *seen.  Returns what follows. */
static const char *read_member(const char *at, stoker_cursor *cursor,
                               unsigned *seen, stoker_error *err)
{
    char key[64], value[256];
    at = read_string(at, key, sizeof(key));
    if (at)
        at = skip(at);
    if (!at || *at != ':') {
        refuse(err, "%s: a member without a value", at ? key : "the state");
        return NULL;
    }
    at = skip(at + 1);
    bool is_quoted = *at == '"';
    at = is_quoted ? read_string(at, value, sizeof(value))
                   : read_bare(at, value, sizeof(value));
    if (!at) {
        refuse(err, "%s: its value is neither text nor a number", key);
        return NULL;
    }
    if (strcmp(key, "stoker_state") == 0 &&
        (is_quoted || strcmp(value, "1") != 0)) {
        refuse(err, "its version is %s, but this stoker reads 1", value);
        return NULL;
    }
    if (strcmp(key, "stoker_state") == 0)
        *seen |= 1u << N_FIELDS;
    for (int i = 0; i < N_FIELDS; i++) {
        if (strcmp(fields[i].name, key) != 0)
            continue;
        if (!is_written_right(&fields[i], value, is_quoted)) {
            refuse(err, "%s: its value is of another kind", key);
            return NULL;
        }
        if (store(&fields[i], cursor, value) != 0) {
            refuse(err, "%s: its value is out of range", key);
            return NULL;
        }
        *seen |= 1u << i;
    }
    return skip(at);
}

int state_text_read(stoker_cursor *cursor, const char *text, stoker_error *err)
{
    unsigned seen = 0;
    *cursor = (stoker_cursor){.size = sizeof(*cursor)};
    const char *at = skip(text);
    if (*at != '{')
        return refuse(err, "%s", "this is no JSON object");
    do {
        at = read_member(skip(at + 1), cursor, &seen, err);
        if (!at)
            return -EBADMSG;
    } while (*at == ',');
    if (*at != '}')
        return refuse(err, "%s", "the object does not end");
    if (*skip(at + 1))
        return refuse(err, "%s", "something follows the object");
    for (int i = 0; i < N_FIELDS; i++)
        if (!(seen >> i & 1))
            return refuse(err, "it lacks \"%s\"", fields[i].name);
    if (!(seen >> N_FIELDS & 1))
        return refuse(err, "it lacks \"%s\"", "stoker_state");
    /* What the binary twin refuses is refused here in the same words. */
    uint8_t packed[STOKER_STATE_BYTES];
    stoker_cursor_pack(cursor, packed);
    return stoker_cursor_unpack(cursor, packed, sizeof(packed), err);
}

static void put(struct json *json, const struct field *field,
                const stoker_cursor *cursor)
{
    const char *from = (const char *)cursor + field->offset;
    char hex[33];
    uint64_t large;
    int32_t small;
    if (field->kind == 's') {
        json_text(json, field->name, from);
    } else if (field->kind == 'x') {
        for (int i = 0; i < 16; i++)
            snprintf(hex + i * 2, 3, "%02x", (unsigned char)from[i]);
        json_text(json, field->name, hex);
    } else if (field->kind == 'q') {
        memcpy(&large, from, 8);
        json_unsigned(json, field->name, large);
    } else {
        memcpy(&small, from, 4);
        if (field->kind == 'b')
            json_bool(json, field->name, small != 0);
        else if (field->kind == 'p')
            json_text(json, field->name, small ? "pillow12" : "pillow13");
        else
            json_int(json, field->name, small);
    }
}

void state_text_write(const stoker_cursor *cursor)
{
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_int(&json, "stoker_state", 1);
    for (int i = 0; i < N_FIELDS; i++)
        put(&json, &fields[i], cursor);
    json_close(&json, '{');
    putchar('\n');
}
