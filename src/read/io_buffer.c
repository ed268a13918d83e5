/* Reserved address space: PROT_NONE costs nothing, not even under strict
 * overcommit; mprotect() makes the head of it memory. */
#include "read/io_buffer.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { STEP_BYTES = 1 << 20, KEEP_BYTES = 4 << 20 };

static uint8_t *map(size_t bytes, int protection)
{
    void *data = mmap(NULL, bytes, protection,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

void stk_io_buffer_init(struct stk_io_buffer *buffer, size_t bytes)
{
    size_t whole = stk_round_up(bytes, STEP_BYTES);

    *buffer = (struct stk_io_buffer){.data = map(whole, PROT_NONE)};
    if (buffer->data)
        buffer->reserved = whole;
}

int stk_io_buffer_grow(struct stk_io_buffer *buffer, size_t bytes)
{
    if (bytes <= buffer->committed)
        return 0;
    size_t whole = stk_round_up(bytes, STEP_BYTES);
    if (whole <= buffer->reserved) {
        if (mprotect(buffer->data, whole, PROT_READ | PROT_WRITE) < 0)
            return -ENOMEM;
        buffer->committed = whole;
        return 0;
    }
    stk_io_buffer_fini(buffer);
    buffer->data = map(whole, PROT_READ | PROT_WRITE);
    if (!buffer->data)
        return -ENOMEM;
    buffer->reserved = buffer->committed = whole;
    return 0;
}

void stk_io_buffer_trim(struct stk_io_buffer *buffer)
{
    if (buffer->committed <= KEEP_BYTES)
        return;
    uint8_t *tail = buffer->data + KEEP_BYTES;
    size_t n = buffer->committed - KEEP_BYTES;
    madvise(tail, n, MADV_DONTNEED);
    if (mprotect(tail, n, PROT_NONE) == 0)
        buffer->committed = KEEP_BYTES;
}

void stk_io_buffer_fini(struct stk_io_buffer *buffer)
{
    if (buffer->data)
        munmap(buffer->data, buffer->reserved);
    *buffer = (struct stk_io_buffer){0};
}
