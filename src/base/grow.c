/* Growing by doubling, so that building costs a constant per byte. */
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
    void *data = stk_calloc(room, 1);
    if (!data)
        return -ENOMEM;
    if (grow->n)
        memcpy(data, grow->data, grow->n);
    stk_free(grow->data);
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
    /* Where there is no memory for the smaller block, the larger one stays. */
    if (grow->n && grow->n < grow->room) {
        void *fit = stk_calloc(grow->n, 1);
        if (fit) {
            memcpy(fit, data, grow->n);
            stk_free(data);
            data = fit;
        }
    }
    *grow = (struct stk_grow){NULL, 0, 0};
    return data;
}

void stk_grow_fini(struct stk_grow *grow)
{
    stk_free(grow->data);
    *grow = (struct stk_grow){NULL, 0, 0};
}
