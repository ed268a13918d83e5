/* A read's buffer: reserved address space that is filled only as far as files
 * reach, so that it grows without moving and without the allocator. */
#ifndef STK_IO_BUFFER_H
#define STK_IO_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* Owned by one engine; all zeros is empty. */
struct stk_io_buffer {
    uint8_t *data;
    size_t reserved, committed; /* bytes, whole pages */
};

/* Reserves room for bytes.  Where the system refuses that much address space
 * it begins empty instead, and stk_io_buffer_grow() maps what is needed. */
void stk_io_buffer_init(struct stk_io_buffer *buffer, size_t bytes);

/* Makes bytes usable; what is there may be lost.  Returns 0 or -ENOMEM. */
int stk_io_buffer_grow(struct stk_io_buffer *buffer, size_t bytes);

/* Gives pages over a modest size back after a giant; cheap when there was
 * none. */
void stk_io_buffer_trim(struct stk_io_buffer *buffer);

void stk_io_buffer_fini(struct stk_io_buffer *buffer);

#endif
