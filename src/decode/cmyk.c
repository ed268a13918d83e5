/* CMYK to RGB in Pillow's integers: each colour is (255 - K) less C times
 * (255 - K) over 255, that product rounded by its multiply-and-shift. */
#include "decode/cmyk.h"

/* With inverted ink i = 255 - C and k = 255 - K. */
static uint8_t blend(uint32_t i, uint32_t k)
{
    uint32_t product = (255 - i) * k + 128;
    uint32_t inked = ((product >> 8) + product) >> 8;
    return (uint8_t)(inked < k ? k - inked : 0);
}

void stk_cmyk_to_rgb(const uint8_t *cmyk, size_t n, uint8_t *rgb)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t k = cmyk[4 * i + 3];
        uint8_t red = blend(cmyk[4 * i], k);
        uint8_t green = blend(cmyk[4 * i + 1], k);
        uint8_t blue = blend(cmyk[4 * i + 2], k);
        rgb[3 * i] = red;
        rgb[3 * i + 1] = green;
        rgb[3 * i + 2] = blue;
    }
}
