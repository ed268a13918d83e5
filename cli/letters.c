/* Letters of three by five dots, drawn twice as large. */
#include "letters.h"

/* From '-' to 'Z': five rows from the top, three bits each. */
static const uint16_t dots[] = {
    000700, 000002, 011244,                         /* - . / */
    075557, 026227, 071747, 071717, 055711,         /* 0 1 2 3 4 */
    074717, 074757, 071111, 075757, 075717,         /* 5 6 7 8 9 */
    002020, 002024, 012421, 007070, 042124, 071202, /* : ; < = > ? */
    075747,                                         /* @ */
    025755, 065656, 034443, 065556, 074647,         /* A B C D E */
    074644, 034553, 055755, 072227, 011152,         /* F G H I J */
    055655, 044447, 057755, 065555, 025552,         /* K L M N O */
    065644, 025563, 065655, 034216, 072222,         /* P Q R S T */
    055557, 055552, 055775, 055255, 055222,         /* U V W X Y */
    071247,                                         /* Z */
};

static uint16_t find(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == ' ')
        return 0;
    if (c == '_')
        return 000007;
    if (c < '-' || c > 'Z')
        return 000020;
    return dots[c - '-'];
}

static void draw_one(uint8_t *rgb, size_t stride, uint16_t letter)
{
    for (size_t y = 0; y < LETTERS_HEIGHT; y++) {
        for (size_t x = 0; x < 6; x++) {
            size_t bit = (4 - y / 2) * 3 + (2 - x / 2);
            if (letter >> bit & 1)
                for (size_t c = 0; c < 3; c++)
                    rgb[y * stride + x * 3 + c] = 255;
        }
    }
}

void letters_draw(uint8_t *rgb, size_t stride, size_t x, size_t y, size_t width,
                  const char *text)
{
    for (size_t at = 0; *text && at + LETTERS_WIDTH <= width;
         at += LETTERS_WIDTH)
        draw_one(rgb + y * stride + (x + at) * 3, stride, find(*text++));
}
