/* Untrusted bytes are read through one bounds-checked span. */
#ifndef STK_SPAN_H
#define STK_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* n bytes that may be read; not one byte behind them may be. */
struct stk_span {
    const uint8_t *data;
    size_t n;
};

/* Each take_* moves the span on, or returns false and leaves it alone. */
static inline bool stk_span_take(struct stk_span *span, size_t n,
                                 struct stk_span *out)
{
    if (n > span->n)
        return false;
    *out = (struct stk_span){span->data, n};
    span->data += n;
    span->n -= n;
    return true;
}

static inline bool stk_span_take_u8(struct stk_span *span, uint8_t *out)
{
    struct stk_span byte;
    if (!stk_span_take(span, 1, &byte))
        return false;
    *out = byte.data[0];
    return true;
}

static inline bool stk_span_take_be16(struct stk_span *span, uint16_t *out)
{
    struct stk_span two;
    if (!stk_span_take(span, 2, &two))
        return false;
    *out = (uint16_t)(two.data[0] << 8 | two.data[1]);
    return true;
}

static inline bool stk_span_starts_with(struct stk_span span, const char *text,
                                        size_t n)
{
    return span.n >= n && memcmp(span.data, text, n) == 0;
}

#endif
