/* Columns of rows, laid into one block. */
#include "loader/columns.h"

#include <string.h>

#include "base/mem.h"
#include "loader/faults.h"

static size_t column(size_t n, size_t bytes)
{
    return stk_round_up(n * bytes, STK_CACHE_LINE);
}

size_t stk_columns_bytes(size_t n)
{
    /* label, id, planned_id, faults; window, pixels; code, attempt; valid,
     * flip */
    return 4 * column(n, 8) + 2 * column(n, 16) + 2 * column(n, 4) +
           2 * column(n, 1);
}

static void *take(uint8_t **at, size_t bytes)
{
    void *here = *at;
    *at += bytes;
    return here;
}

void stk_columns_lay(struct stk_columns *rows, void *memory, size_t n)
{
    uint8_t *at = memory;

    rows->label = take(&at, column(n, 8));
    rows->id = take(&at, column(n, 8));
    rows->planned_id = take(&at, column(n, 8));
    rows->faults = take(&at, column(n, 8));
    rows->window = take(&at, column(n, 16));
    rows->pixels = take(&at, column(n, 16));
    rows->code = take(&at, column(n, 4));
    rows->attempt = take(&at, column(n, 4));
    rows->valid = take(&at, column(n, 1));
    rows->flip = take(&at, column(n, 1));
}

void stk_columns_move(struct stk_columns *to, struct stk_columns *from,
                      size_t n)
{
    memcpy(to->label, from->label, n * 8);
    memcpy(to->id, from->id, n * 8);
    memcpy(to->planned_id, from->planned_id, n * 8);
    memcpy(to->faults, from->faults, n * sizeof *to->faults);
    memcpy(to->window, from->window, n * 16);
    memcpy(to->pixels, from->pixels, n * 16);
    memcpy(to->code, from->code, n * 4);
    memcpy(to->attempt, from->attempt, n * 4);
    memcpy(to->valid, from->valid, n);
    memcpy(to->flip, from->flip, n);
    memset(from->faults, 0, n * sizeof *from->faults);
}

void stk_columns_forget(struct stk_columns *rows, size_t n)
{
    for (size_t i = 0; rows->faults && i < n; i++) {
        stk_faults_free(rows->faults[i]);
        rows->faults[i] = NULL;
    }
}
