/* De-interleaving by vectors of 16 bytes: 16 pixels from 48. */
#include "base/vec128.h"
#include "decode/deinterleave.h"

/* Where pixel i's byte of a colour lies in the part-th 16 of 48 bytes, or 128
 * (which a shuffle takes for 0). */
#define AT(i, colour, part)                                                    \
    (uint8_t)(3 * (i) + (colour) >= 16 * (part) &&                             \
                      3 * (i) + (colour) < 16 * (part) + 16                    \
                  ? 3 * (i) + (colour)-16 * (part)                             \
                  : 128)
#define FOUR(i, colour, part)                                                  \
    AT(i, colour, part), AT(i + 1, colour, part), AT(i + 2, colour, part),     \
        AT(i + 3, colour, part)
#define PLACES(colour, part)                                                   \
    (stk_u8x16)                                                                \
    {                                                                          \
        FOUR(0, colour, part), FOUR(4, colour, part), FOUR(8, colour, part),   \
            FOUR(12, colour, part)                                             \
    }
#define PICK(colour)                                                           \
    (stk_v_shuffle(a, PLACES(colour, 0)) |                                     \
     stk_v_shuffle(b, PLACES(colour, 1)) |                                     \
     stk_v_shuffle(c, PLACES(colour, 2)))

static void rgb_vec128(const uint8_t *rgb, size_t n, uint8_t *red,
                       uint8_t *green, uint8_t *blue)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        stk_u8x16 a = stk_v_load(rgb + 3 * i);
        stk_u8x16 b = stk_v_load(rgb + 3 * i + 16);
        stk_u8x16 c = stk_v_load(rgb + 3 * i + 32);
        stk_v_store(red + i, PICK(0));
        stk_v_store(green + i, PICK(1));
        stk_v_store(blue + i, PICK(2));
    }
    for (; i < n; i++) {
        red[i] = rgb[3 * i];
        green[i] = rgb[3 * i + 1];
        blue[i] = rgb[3 * i + 2];
    }
}

const struct stk_deinterleave stk_deinterleave_vec128 = {rgb_vec128};
