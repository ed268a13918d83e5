/* What workers write of a batch's rows besides pixels: kept one a place,
 * handed over with the place's turn, copied into the batch. */
#ifndef STK_COLUMNS_H
#define STK_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

struct stk_fault;

struct stk_columns {
    int64_t *label, *id;
    int32_t (*window)[4];
    uint8_t *valid, *flip;
    int32_t *code;             /* 0, or what the row failed with */
    int32_t *attempt;          /* > 0: a substitute stands here ... */
    int64_t *planned_id;       /* ... for this one */
    struct stk_fault **faults; /* failed attempts, NULL: none */
    uint64_t (*pixels)[2];     /* digest of id and image, where asked for */
};

/* Bytes that n rows need, and their cut into columns of memory that is
 * aligned to a cache line; each column is, too. */
size_t stk_columns_bytes(size_t n);
void stk_columns_lay(struct stk_columns *rows, void *memory, size_t n);

/* Copies n rows; the chains of faults move from one to the other. */
void stk_columns_move(struct stk_columns *to, struct stk_columns *from,
                      size_t n);

/* Frees the chains that are still there. */
void stk_columns_forget(struct stk_columns *rows, size_t n);

#endif
