"""torchvision.transforms.v2 by name, meaning and defaults.

The list of a loader follows the grammar ``[RandomResizedCrop | Resize?
(CenterCrop | RandomCrop)?] flips* Normalize?``; what cannot be folded into one
resample is refused when the loader is made, with the entry's name.
"""

from __future__ import annotations

import math
from typing import Any, Optional, Sequence, Tuple, Union

from . import _native as n

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Size = Union[int, Sequence[int]]

_INTERPOLATION = {"bilinear": 2, "bicubic": 3}


def _size(size: Size) -> Tuple[int, int]:
    """(height, width); width 0 stands for an int, the shorter side."""
    if isinstance(size, bool) or not isinstance(size, (int, list, tuple)):
        raise TypeError("size must be an int or a sequence of one or two ints, not %r" % (size,))
    parts = [size] if isinstance(size, int) else list(size)
    if len(parts) not in (1, 2) or not all(
        isinstance(p, int) and not isinstance(p, bool) for p in parts
    ):
        raise ValueError("size must be an int or a sequence of one or two ints, not %r" % (size,))
    for p in parts:
        if not 0 < p <= 2**31 - 1:
            raise ValueError("size must be positive and below 2**31, not %r" % (size,))
    return (parts[0], parts[1] if len(parts) == 2 else 0)


def _pair(name: str, values: Sequence[float]) -> Tuple[float, float]:
    try:
        parts = [float(v) for v in values]
    except (TypeError, ValueError):
        parts = []
    if len(parts) != 2:
        raise ValueError("%s needs two numbers, not %r" % (name, values))
    return (parts[0], parts[1])


def _interpolation(mode: Any) -> int:
    """'bilinear', 'bicubic', torchvision's InterpolationMode or Pillow's number."""
    if isinstance(mode, bool):
        raise ValueError("interpolation must be 'bilinear' or 'bicubic', not %r" % (mode,))
    value = getattr(mode, "value", mode)
    number = _INTERPOLATION.get(value, value) if isinstance(value, str) else value
    if number not in (2, 3):
        raise ValueError("interpolation must be 'bilinear' or 'bicubic', not %r" % (mode,))
    return int(number)


def _named(interpolation: int) -> str:
    """What a repr says of an interpolation that is not the default."""
    return ", interpolation='bicubic'" if interpolation == 3 else ""


class Transform:
    """One entry of a loader's list; immutable."""

    _kind: int
    _arguments: str

    def _fill(self, out: n.Transform) -> None:
        raise NotImplementedError

    def _native(self) -> n.Transform:
        out = n.Transform()
        out.kind = self._kind
        self._fill(out)
        return out

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, self._arguments)


class RandomResizedCrop(Transform):
    """A window of random area and aspect, resized to ``size``.

    Equals ``torchvision.transforms.v2.RandomResizedCrop`` on PIL images: ten
    tries of ``get_params``, then the central fallback; the draws are keyed by
    (seed, epoch, sample id).
    """

    _kind = 1

    def __init__(self, size: Size, scale: Sequence[float] = (0.08, 1.0),
                 ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
                 interpolation: Any = "bilinear", antialias: Optional[bool] = True):
        height, width = _size(size)
        self.size = (height, width or height)
        self.scale = _pair("RandomResizedCrop: scale", scale)
        self.ratio = _pair("RandomResizedCrop: ratio", ratio)
        self.interpolation = _interpolation(interpolation)
        self.antialias = bool(antialias)
        self._arguments = "%r, scale=%r, ratio=%r%s" % (
            self.size, self.scale, self.ratio, _named(self.interpolation))

    def _fill(self, out: n.Transform) -> None:
        to = out.as_.random_resized_crop
        to.height, to.width = self.size
        to.scale[:] = self.scale
        to.ratio[:] = self.ratio
        to.interpolation = self.interpolation
        to.antialias = self.antialias


class Resize(Transform):
    """Resize to (height, width), or the shorter side to an int.

    Equals ``torchvision.transforms.v2.Resize`` on PIL images.
    """

    _kind = 2

    def __init__(self, size: Size, interpolation: Any = "bilinear",
                 max_size: Optional[int] = None, antialias: Optional[bool] = True):
        self.size = _size(size)
        self.interpolation = _interpolation(interpolation)
        if max_size is not None and (self.size[1] != 0 or not isinstance(max_size, int)
                                     or not self.size[0] < max_size < 2**31):
            raise ValueError("Resize: max_size goes with an int size and must be a greater int, "
                             "not %r with %r" % (max_size, size))
        self.max_size = max_size
        self.antialias = bool(antialias)
        self._arguments = repr(size) + _named(self.interpolation)
        if max_size is not None:
            self._arguments += ", max_size=%r" % max_size

    def _fill(self, out: n.Transform) -> None:
        to = out.as_.resize
        to.height, to.width = self.size
        to.interpolation = self.interpolation
        to.max_size = self.max_size or 0
        to.antialias = self.antialias


class CenterCrop(Transform):
    """The middle ``size``; smaller images are padded with zeros.

    Equals ``torchvision.transforms.v2.CenterCrop``.
    """

    _kind = 3

    def __init__(self, size: Size):
        height, width = _size(size)
        self.size = (height, width or height)
        self._arguments = repr(self.size)

    def _fill(self, out: n.Transform) -> None:
        out.as_.crop.height, out.as_.crop.width = self.size


class RandomCrop(Transform):
    """A random ``size``; a smaller image is that sample's error.

    Equals ``torchvision.transforms.v2.RandomCrop`` without padding.
    """

    _kind = 4

    def __init__(self, size: Size, padding: Optional[int] = None,
                 pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"):
        if padding or pad_if_needed:
            raise ValueError("RandomCrop: padding is not supported yet")
        height, width = _size(size)
        self.size = (height, width or height)
        self._arguments = repr(self.size)

    def _fill(self, out: n.Transform) -> None:
        out.as_.crop.height, out.as_.crop.width = self.size


class _RandomFlip(Transform):
    def __init__(self, p: float = 0.5):
        self.p = float(p)
        if math.isnan(self.p) or not 0 <= self.p <= 1:
            raise ValueError("p must be in 0 ... 1, not %r" % (p,))
        self._arguments = "p=%r" % self.p

    def _fill(self, out: n.Transform) -> None:
        out.as_.flip.p = self.p


class RandomHorizontalFlip(_RandomFlip):
    """Left and right changed with probability ``p``."""

    _kind = 5


class RandomVerticalFlip(_RandomFlip):
    """Top and bottom changed with probability ``p``."""

    _kind = 6


class Normalize(Transform):
    """(v / 255 - mean) / std for float dtypes, each step rounded to float32.

    Equals ``ToDtype(torch.float32, scale=True)`` and ``Normalize(mean, std)``.
    """

    _kind = 7

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        try:
            self.mean = tuple(float(v) for v in mean)
            self.std = tuple(float(v) for v in std)
        except (TypeError, ValueError):
            self.mean = self.std = ()
        if len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError("Normalize: mean and std need three values each, not %r and %r"
                             % (mean, std))
        self._arguments = "%r, %r" % (self.mean, self.std)

    def _fill(self, out: n.Transform) -> None:
        out.as_.normalize.mean[:] = self.mean
        out.as_.normalize.std[:] = self.std
