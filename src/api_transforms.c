/* Entries of the transform list with torchvision's defaults.  What an
 * entry does not use is zeros, so that a later version may give it a meaning.
 */
#include <string.h>

#include "stoker/stoker.h"

_Static_assert(sizeof(stoker_transform) == 128, "an entry's size is the ABI");

static stoker_transform entry(stoker_transform_kind kind)
{
    stoker_transform transform;

    memset(&transform, 0, sizeof transform);
    transform.kind = (int32_t)kind;
    return transform;
}

stoker_transform stoker_random_resized_crop(int height, int width)
{
    stoker_transform transform = entry(STOKER_RANDOM_RESIZED_CROP);

    transform.as.random_resized_crop.height = height;
    transform.as.random_resized_crop.width = width;
    transform.as.random_resized_crop.scale[0] = 0.08;
    transform.as.random_resized_crop.scale[1] = 1.0;
    transform.as.random_resized_crop.ratio[0] = 3.0 / 4.0;
    transform.as.random_resized_crop.ratio[1] = 4.0 / 3.0;
    transform.as.random_resized_crop.interpolation = STOKER_BILINEAR;
    transform.as.random_resized_crop.antialias = 1;
    return transform;
}

stoker_transform stoker_resize(int height, int width)
{
    stoker_transform transform = entry(STOKER_RESIZE);

    transform.as.resize.height = height;
    transform.as.resize.width = width;
    transform.as.resize.interpolation = STOKER_BILINEAR;
    transform.as.resize.antialias = 1;
    return transform;
}

static stoker_transform crop(stoker_transform_kind kind, int height, int width)
{
    stoker_transform transform = entry(kind);

    transform.as.crop.height = height;
    transform.as.crop.width = width;
    return transform;
}

stoker_transform stoker_center_crop(int height, int width)
{
    return crop(STOKER_CENTER_CROP, height, width);
}

stoker_transform stoker_random_crop(int height, int width)
{
    return crop(STOKER_RANDOM_CROP, height, width);
}

static stoker_transform flip(stoker_transform_kind kind, double p)
{
    stoker_transform transform = entry(kind);

    transform.as.flip.p = p;
    return transform;
}

stoker_transform stoker_random_horizontal_flip(double p)
{
    return flip(STOKER_RANDOM_HORIZONTAL_FLIP, p);
}

stoker_transform stoker_random_vertical_flip(double p)
{
    return flip(STOKER_RANDOM_VERTICAL_FLIP, p);
}

stoker_transform stoker_normalize(const float mean[3], const float std[3])
{
    stoker_transform transform = entry(STOKER_NORMALIZE);

    memcpy(transform.as.normalize.mean, mean, 3 * sizeof *mean);
    memcpy(transform.as.normalize.std, std, 3 * sizeof *std);
    return transform;
}
