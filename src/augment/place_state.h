/* What a placer keeps: shared by its setting up (place.c) and by the rows'
 * way through it (place_rows.c), and by nobody else. */
#ifndef STK_PLACE_STATE_H
#define STK_PLACE_STATE_H

#include "augment/place.h"
#include "augment/place_kernels.h"

/* Which passes run, in which order. */
enum stk_route {
    STK_ROUTE_NOTHING, /* the view lies outside the grid */
    STK_ROUTE_COPY,
    STK_ROUTE_ACROSS,
    STK_ROUTE_DOWN,
    STK_ROUTE_ACROSS_DOWN,
    STK_ROUTE_DOWN_ACROSS,
};

/* Rows of planar bytes with slack on both sides, owned by the placer. */
struct stk_rows {
    uint8_t *first[3]; /* row 0's first byte, by plane */
    size_t stride;
};

enum {
    STK_STAGE_ROWS = 16,
    STK_CHUNK_ROWS = 8, /* taken into a ring of dwords at once */
};

struct stk_placer {
    const struct stk_program *program;
    const struct stk_place_kernels *kernels;
    struct stk_emit emit;
    size_t element_bytes;

    /* One sample, from begin to the last row. */
    struct stk_axis x, y;
    enum stk_route route;
    bool y_is_packed; /* y.packed holds halves of weights */
    uint8_t *target;
    bool flip_vertical;
    int32_t rows_in;  /* source rows taken */
    int32_t rows_out; /* rows of y.n written */
    struct stk_place_times times;
    uint32_t n_samples;            /* begun; which row is timed follows of it */
    int32_t n_rows;                /* of the source */
    int32_t timed_row, timed_rows; /* the row whose strip is timed; its rows */
    bool is_timed;                 /* the strip at hand */

    /* Ring of n_ring rows: of dwords (ACROSS_DOWN), or of the source's bytes
     * (DOWN, DOWN_ACROSS), n_ring a power of two,
     * where row r is held by slot r % n_ring. */
    size_t n_ring, ring_plane;
    uint32_t *ring;
    struct stk_rows held;
    const uint8_t **at[3];     /* [n_ring] where row r is now: strip or ring */
    const uint32_t **ring_row; /* [n_ring], of dwords */

    struct stk_rows between; /* DOWN_ACROSS: rows of the source's width */
    struct stk_rows stage;   /* finished bytes, not yet elements */
    struct stk_row_taps taps;
    const void **tap_rows; /* [2 * taps + 4] */
    struct stk_scratch ring_memory, row_memory, tap_memory;
};

/* The address of output row j of the grid's part of the view, column 0 of its
 * part of the grid, channel 0. */
uint8_t *stk_placer_row(const struct stk_placer *placer, int32_t j);

#endif
