/* Hostile states: unpacked, and once more with a right checksum so that the
 * fields behind it are reached; what is accepted must survive packing. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "plan/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const uint8_t *bytes, size_t n)
{
    stoker_cursor cursor = {.size = sizeof cursor}, mine = cursor;
    uint8_t again[STOKER_STATE_BYTES];
    stoker_error err;
    char warning[200];

    if (stoker_cursor_unpack(&cursor, bytes, n, &err) != 0) {
        if (err.code >= 0 || !err.text[0])
            abort();
        return;
    }
    stoker_cursor_pack(&cursor, again);
    if (n != sizeof again || memcmp(again, bytes, n) != 0)
        abort();
    stk_cursor_check(&cursor, &mine, warning, sizeof warning, &err);
    mine = cursor;
    if (stk_cursor_check(&cursor, &mine, warning, sizeof warning, &err) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    check(data, n);

    uint8_t sealed[STOKER_STATE_BYTES] = {0};
    const size_t body = sizeof sealed - 16;
    memcpy(sealed, data, n < body ? n : body);
    stk_hash128(sealed, body, sealed + body);
    check(sealed, sizeof sealed);
    /* With the frame right too, only the fields are the fuzzer's. */
    memcpy(sealed, "stokcur\n\1\0\0\0\300\0\0\0", 16);
    stk_hash128(sealed, body, sealed + body);
    check(sealed, sizeof sealed);
    return 0;
}
