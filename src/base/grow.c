/* Growing by doubling, so that building costs a constant per byte; large
 * blocks are moved by their page tables (realloc), not copied. */
#include "base/grow.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_ROOM = 4096 };

static int make_room(struct stk_grow *grow, size_t want)
{
    size_t room = grow->room ? grow->room : FIRST_ROOM;
    while (room < want)
        if (stk_mul_overflows(room, 2, &room))
            return -ENOMEM;
    void *data = stk_realloc(grow->data, room);
    if (!data)
        return -ENOMEM;
    grow->data = data;
    grow->room = room;
    return 0;
}

int stk_grow_add(struct stk_grow *grow, const void *bytes, size_t n)
{
    size_t want;
    if (stk_add_overflows(grow->n, n, &want))
        return -ENOMEM;
    if (want > grow->room) {
        int rc = make_room(grow, want);
        if (rc != 0)
            return rc;
    }
    if (n && bytes)
        memcpy((uint8_t *)grow->data + grow->n, bytes, n);
    else if (n)
        memset((uint8_t *)grow->data + grow->n, 0, n);
    grow->n = want;
    return 0;
}

void *stk_grow_take(struct stk_grow *grow)
{
    void *data = grow->data;
    if (grow->n && grow->n < grow->room) {
        void *fit = stk_realloc(data, grow->n);
        data = fit ? fit : data;
    }
    *grow = (struct stk_grow){NULL, 0, 0};
    return data;
}

void stk_grow_fini(struct stk_grow *grow)
{
    stk_free(grow->data);
    *grow = (struct stk_grow){NULL, 0, 0};
}
