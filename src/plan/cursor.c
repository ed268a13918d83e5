/* The 192 bytes of a packed cursor (docs/formats.md), and the sentences for
 * each way in which a saved cursor may not fit. */
#include "plan/cursor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/span.h"
#include "plan/order.h"

#define LONG(x) ((long long)(x))

enum {
    FORMAT_VERSION = 1,
    AT_CHECKSUM = STOKER_STATE_BYTES - 16,
    N_RESERVED = 48,
    N_DECODER = sizeof(((stoker_cursor *)0)->decoder),
};
static const char magic[8] = "stokcur\n"; /* eight bytes, no 0 */

static uint8_t *put(uint8_t *p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *p++ = (uint8_t)(value >> 8 * i);
    return p;
}

void stk_cursor_pack(const stoker_cursor *cursor,
                     uint8_t out[STOKER_STATE_BYTES])
{
    uint8_t *p = out;
    memset(out, 0, STOKER_STATE_BYTES);
    memcpy(p, magic, sizeof magic);
    p = put(p + sizeof magic, FORMAT_VERSION, 4);
    p = put(p, STOKER_STATE_BYTES, 4);
    memcpy(p, cursor->fingerprint, 16);
    p = put(p + 16, (uint64_t)cursor->n_items, 8);
    p = put(p, cursor->seed, 8);
    p = put(p, (uint64_t)cursor->epoch, 8);
    p = put(p, (uint64_t)cursor->consumed, 8);
    p = put(p, cursor->transforms_hash, 8);
    p = put(p, (uint32_t)cursor->shuffle, 4);
    p = put(p, (uint32_t)cursor->planner_version, 4);
    p = put(p, (uint32_t)cursor->pixels, 4);
    p = put(p, (uint32_t)cursor->on_error, 4);
    memcpy(p, cursor->decoder, strnlen(cursor->decoder, N_DECODER - 1));
    stk_hash128(out, AT_CHECKSUM, out + AT_CHECKSUM);
}

/* The next bytes of a record whose length has been checked. */
static uint64_t take(struct stk_span *span, size_t bytes)
{
    struct stk_span field = {NULL, 0};
    uint64_t value = 0;
    if (stk_span_take(span, bytes, &field))
        for (size_t i = bytes; i > 0; i--)
            value = value << 8 | field.data[i - 1];
    return value;
}

static void take_bytes(struct stk_span *span, void *out, size_t bytes)
{
    struct stk_span field;
    if (stk_span_take(span, bytes, &field))
        memcpy(out, field.data, bytes);
}

static int refuse(stoker_error *err, const char *why)
{
    return stk_fail(err, -EBADMSG, "not a usable state: %s", why);
}

/* Everything around the fields; moves span to the first of them. */
static int check_frame(struct stk_span *span, stoker_error *err)
{
    uint8_t sum[16];

    if (!stk_span_starts_with(*span, magic,
                              span->n < sizeof magic ? span->n : sizeof magic))
        return refuse(err, "it does not start as one");
    if (span->n != STOKER_STATE_BYTES)
        return stk_fail(err, -EBADMSG,
                        "not a usable state: %zu bytes, but a state has %d",
                        span->n, STOKER_STATE_BYTES);
    stk_hash128(span->data, AT_CHECKSUM, sum);
    bool whole = memcmp(sum, span->data + AT_CHECKSUM, sizeof sum) == 0;
    take(span, sizeof magic);
    uint64_t version = take(span, 4), length = take(span, 4);
    if (version != FORMAT_VERSION)
        return stk_fail(err, -EBADMSG,
                        "not a usable state: its format is version %llu, "
                        "this build reads version %d",
                        (unsigned long long)version, FORMAT_VERSION);
    if (length != STOKER_STATE_BYTES)
        return refuse(err, "it states another length than it has");
    if (!whole)
        return refuse(err, "its checksum does not match, bytes were changed");
    return 0;
}

/* One line of printable ASCII, then zeros to the end. */
static bool is_text(const char *text, size_t bytes)
{
    size_t n = strnlen(text, bytes);
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    for (size_t i = n; i < bytes; i++)
        if (text[i])
            return false;
    return n < bytes;
}

static int check_fields(const stoker_cursor *c, stoker_error *err)
{
    if (c->n_items < 1 || c->n_items > STK_MAX_ITEMS)
        return refuse(err, "its number of items is outside 1 ... 2^48");
    if (c->epoch < 0 || c->epoch >= STK_MAX_EPOCHS)
        return refuse(err, "its epoch is outside 0 ... 2^40 - 1");
    if (c->consumed < 0 || c->consumed > c->n_items)
        return refuse(err, "its position is outside the epoch");
    if (c->shuffle != 0 && c->shuffle != 1)
        return refuse(err, "its shuffle is neither 0 nor 1");
    if (c->planner_version < 1)
        return refuse(err, "its planner version is below 1");
    if (c->pixels < STOKER_PIXELS_PILLOW13 ||
        c->pixels > STOKER_PIXELS_PILLOW12)
        return refuse(err, "its pixels are of no known kind");
    if (c->on_error < STOKER_RAISE || c->on_error > STOKER_REFILL)
        return refuse(err, "its on_error is of no known kind");
    if (!is_text(c->decoder, sizeof c->decoder))
        return refuse(err, "its decoder is not a line of text");
    return 0;
}

int stk_cursor_unpack(stoker_cursor *cursor, const void *bytes, size_t n,
                      stoker_error *err)
{
    struct stk_span span = {bytes, n};
    uint8_t reserved[N_RESERVED] = {0};
    stoker_cursor c = {.size = sizeof c};

    int rc = check_frame(&span, err);
    if (rc != 0)
        return rc;
    take_bytes(&span, c.fingerprint, sizeof c.fingerprint);
    c.n_items = (int64_t)take(&span, 8);
    c.seed = take(&span, 8);
    c.epoch = (int64_t)take(&span, 8);
    c.consumed = (int64_t)take(&span, 8);
    c.transforms_hash = take(&span, 8);
    c.shuffle = (int32_t)take(&span, 4);
    c.planner_version = (int32_t)take(&span, 4);
    c.pixels = (int32_t)take(&span, 4);
    c.on_error = (int32_t)take(&span, 4);
    take_bytes(&span, c.decoder, sizeof c.decoder);
    take_bytes(&span, reserved, sizeof reserved);
    for (size_t i = 0; i < sizeof reserved; i++)
        if (reserved[i])
            return refuse(err, "its reserved bytes are not zero");
    rc = check_fields(&c, err);
    if (rc != 0)
        return rc;
    *cursor = c;
    return 0;
}

/* Texts that grow sentence by sentence; what does not fit is left out. */
struct sentences {
    char *text;
    size_t bytes, n;
};

__attribute__((format(printf, 2, 3))) static void say(struct sentences *s,
                                                      const char *fmt, ...)
{
    char one[200];
    va_list ap;
    va_start(ap, fmt);
    int made = vsnprintf(one, sizeof one, fmt, ap);
    va_end(ap);
    size_t n = made < 0 ? 0 : (size_t)made;
    size_t gap = s->n ? 1 : 0;
    if (n >= sizeof one || s->n + gap + n >= s->bytes)
        return;
    if (gap)
        s->text[s->n++] = ' ';
    memcpy(s->text + s->n, one, n + 1);
    s->n += n;
}

static const char *pixels_name(int32_t pixels)
{
    return pixels == STOKER_PIXELS_PILLOW12 ? "pillow12" : "pillow13";
}

static void say_refusals(struct sentences *s, const stoker_cursor *saved,
                         const stoker_cursor *mine)
{
    if (saved->n_items != mine->n_items)
        say(s, "The state is of %lld items, the data set has %lld.",
            LONG(saved->n_items), LONG(mine->n_items));
    if (memcmp(saved->fingerprint, mine->fingerprint,
               sizeof mine->fingerprint) != 0)
        say(s,
            "The state is of another data set: names, labels or sizes (where "
            "hash_sizes says so) differ (fingerprint).");
    if (saved->seed != mine->seed)
        say(s, "The state has seed %llu, this run has %llu.",
            (unsigned long long)saved->seed, (unsigned long long)mine->seed);
    if (saved->shuffle != mine->shuffle)
        say(s, "The state is of a run with shuffle=%d, this one has %d.",
            saved->shuffle, mine->shuffle);
    if (saved->planner_version != mine->planner_version)
        say(s,
            "The state is of planner version %d, this build plans by "
            "version %d.",
            saved->planner_version, mine->planner_version);
    if (saved->pixels != mine->pixels)
        say(s, "The state is of pixels=%s, this run makes %s.",
            pixels_name(saved->pixels), pixels_name(mine->pixels));
}

int stk_cursor_check(const stoker_cursor *saved, const stoker_cursor *mine,
                     char *warning, size_t warning_bytes, stoker_error *err)
{
    char refused[480] = "";
    struct sentences no = {refused, sizeof refused, 0};
    struct sentences hm = {warning, warning ? warning_bytes : 0, 0};

    if (hm.bytes)
        warning[0] = '\0';
    say_refusals(&no, saved, mine);
    if (no.n)
        return stk_fail(err, -ESTALE, "%s", refused);
    if (saved->consumed < 0 || saved->consumed > mine->n_items)
        return stk_fail(err, -EINVAL,
                        "position %lld is outside the epoch of %lld samples",
                        LONG(saved->consumed), LONG(mine->n_items));
    if (saved->epoch < 0 || saved->epoch >= STK_MAX_EPOCHS)
        return stk_fail(err, -EINVAL, "epoch %lld is outside 0 ... 2^40 - 1",
                        LONG(saved->epoch));
    if (saved->transforms_hash != mine->transforms_hash)
        say(&hm, "The state was saved with other transforms; the order of "
                 "samples goes on, their pixels do not match.");
    if (strncmp(saved->decoder, mine->decoder, sizeof mine->decoder) != 0)
        say(&hm,
            "The state was saved with decoder \"%.39s\", this is \"%.39s\"; "
            "pixels may differ.",
            saved->decoder, mine->decoder);
    return 0;
}
