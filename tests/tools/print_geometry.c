/* Prints what the recipe makes of sizes, for comparison with torchvision.
 * Lines in: resize height, width, max_size (0 0 0: no Resize), CenterCrop
 * height and width (0 0: none), image width and height.  Lines out: grid
 * height and width, view top, left, height, width; or "refused". */
#include <stdio.h>

#include "augment/recipe.h"

static int print(const int v[7])
{
    stoker_transform list[2];
    size_t n = 0;
    struct stk_program program;
    struct stk_geometry g;

    if (v[0]) {
        list[n] = stoker_resize(v[0], v[1]);
        list[n++].as.resize.max_size = v[2];
    }
    if (v[3])
        list[n++] = stoker_center_crop(v[3], v[4]);
    if (stk_program_compile(&program, list, n, sizeof list[0], STOKER_U8,
                            STOKER_NCHW, STOKER_PIXELS_PILLOW13, NULL) < 0 ||
        stk_recipe_make(&program, (struct stk_key){0}, v[5], v[6], &g, NULL) <
            0)
        return puts("refused");
    return printf("%d %d %d %d %d %d\n", g.grid_height, g.grid_width,
                  g.view.top, g.view.left, g.view.height, g.view.width);
}

int main(void)
{
    int v[7];

    while (scanf("%d %d %d %d %d %d %d", &v[0], &v[1], &v[2], &v[3], &v[4],
                 &v[5], &v[6]) == 7)
        print(v);
    return 0;
}
