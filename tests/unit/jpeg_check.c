/* One file against libjpeg, for every CPU level. */
#include "jpeg_check.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "stoker/stoker.h"

struct stk_entropy *entropy;
static int16_t *room; /* for room_blocks and the slack */
static size_t room_blocks;

int16_t *make_room(size_t n_blocks)
{
    if (n_blocks > room_blocks) {
        stk_free(room);
        room = stk_calloc_aligned(n_blocks * 64 + STK_ENTROPY_SLACK, 2);
        ck_assert_ptr_nonnull(room);
        room_blocks = n_blocks;
    }
    memset(room, 0x55, n_blocks * 128);
    return room;
}

static struct stk_span exactly(const unsigned char *data, size_t n)
{
    return (struct stk_span){data, n};
}

/* All blocks, MCU row by row; the rows' places are left in places. */
static int decode_all(const struct stk_jpeg *jpeg, struct stk_span bytes,
                      struct stk_entropy_place *places)
{
    size_t row = (size_t)jpeg->mcus_x * (size_t)jpeg->n_blocks * 64;
    int16_t *out = make_room(row / 64 * (size_t)jpeg->mcus_y);
    if (stk_entropy_begin(entropy, jpeg, bytes, true))
        return 1;
    for (int y = 0; y < jpeg->mcus_y; y++, out += row) {
        if (stk_entropy_values(entropy, (uint32_t)jpeg->mcus_x, out))
            return 1;
        stk_entropy_where(entropy, &places[y]);
    }
    return 0;
}

static void check_skip(const struct stk_jpeg *jpeg, struct stk_span bytes,
                       const struct stk_entropy_place *places)
{
    /* Whole rows, then the first half of each by skip, the rest by values. */
    size_t row = (size_t)jpeg->mcus_x * (size_t)jpeg->n_blocks * 64;
    uint32_t half = (uint32_t)jpeg->mcus_x / 2;
    int16_t *out = stk_calloc_aligned(row + STK_ENTROPY_SLACK, 2);

    for (int way = 0; way < 4; way++) { /* both also without tables for it */
        bool mixed = way & 1, has_tables = way < 2;
        ck_assert_int_eq(stk_entropy_begin(entropy, jpeg, bytes, has_tables),
                         0);
        for (int y = 0; y < jpeg->mcus_y; y++) {
            struct stk_entropy_place at = {0};
            uint32_t by_skip = mixed ? half : (uint32_t)jpeg->mcus_x;
            uint32_t by_values = (uint32_t)jpeg->mcus_x - by_skip;
            ck_assert_int_eq(stk_entropy_skip(entropy, by_skip), 0);
            ck_assert_int_eq(stk_entropy_values(entropy, by_values, out), 0);
            size_t n = (size_t)by_values * (size_t)jpeg->n_blocks * 64;
            ck_assert_mem_eq(out, room + (size_t)(y + 1) * row - n, n * 2);
            stk_entropy_where(entropy, &at);
            ck_assert_uint_eq(at.mcu, places[y].mcu);
            ck_assert_uint_eq(at.bit, places[y].bit);
            ck_assert_mem_eq(at.dc, places[y].dc, sizeof at.dc);
        }
    }
    stk_free(out);
}

int check_file(const unsigned char *data, size_t n, bool damaged)
{
    struct stk_jpeg jpeg;
    struct jpeg_truth truth;
    struct stk_span bytes = exactly(data, n);

    if (stk_jpeg_parse(&jpeg, bytes))
        return 1;
    if ((int64_t)jpeg.mcus_x * jpeg.mcus_y > 1 << 20)
        return 1;
    struct stk_entropy_place *places =
        calloc((size_t)jpeg.mcus_y, sizeof *places);
    int not_mine = decode_all(&jpeg, bytes, places);
    if (!not_mine) {
        jpeg_truth_of(&truth, &jpeg, data, n);
        ck_assert_int_eq(truth.error, 0);
        ck_assert_int_eq(jpeg_truth_differs(&truth, room, truth.n_blocks), -1);
        jpeg_truth_free(&truth);
        check_skip(&jpeg, bytes, places);
    } else if (damaged && stk_entropy_begin(entropy, &jpeg, bytes, true) == 0) {
        stk_entropy_skip(entropy, (uint32_t)(jpeg.mcus_x * jpeg.mcus_y));
    }
    free(places);
    return not_mine;
}

struct jpeg_file small_file(int kind)
{
    struct jpeg_wish wish = {.width = 40,
                             .height = 33,
                             .n_components = kind == 3 ? 1 : 3,
                             .h = 1 + (kind & 1),
                             .v = 1 + (kind & 1),
                             .quality = 20 + kind * 25,
                             .restart = kind == 2 ? 3 : 0,
                             .optimise = kind & 1,
                             .seed = 3,
                             .noise = 60};
    return jpeg_make(&wish);
}

int check_levels(Suite *(*make_suite)(void))
{
    static const int levels[] = {STOKER_CPU_SCALAR, STOKER_CPU_AVX2,
                                 STOKER_CPU_AVX512, STOKER_CPU_VEC128};
    int failed = 0;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (stk_cpu_resolve(levels[i]) < 0)
            continue;
        printf("level %s\n", stk_cpu_name(levels[i]));
        fflush(stdout);
        if (stk_entropy_open(&entropy, levels[i]) != 0)
            return EXIT_FAILURE;
        SRunner *sr = srunner_create(make_suite());
        srunner_run_all(sr, CK_NORMAL);
        failed += srunner_ntests_failed(sr);
        srunner_free(sr);
        stk_entropy_close(&entropy);
    }
    stk_free(room);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
