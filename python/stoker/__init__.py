"""stoker keeps a GPU fed: folders of photos in, ready batches out.

    loader = stoker.ImageLoader("photos", batch_size=64)
    for images, labels in loader:
        ...

One process, no pickling, no copies; see ``ImageLoader`` and, for PyTorch,
``stoker.torch.ImageLoader``.
"""

from ._native import lib as _lib
from .batch import Batch, Field
from .digest import digest_sum
from .errors import (BusyError, DatasetError, DigestError, ForkError, OptionError, SampleError,
                     StateError, StokerError)
from .loader import ImageLoader
from .transforms import (IMAGENET_MEAN, IMAGENET_STD, CenterCrop, Normalize, RandomCrop,
                         RandomHorizontalFlip, RandomResizedCrop, RandomVerticalFlip, Resize,
                         Transform)

__version__ = _lib.stoker_version().decode()

__all__ = [
    "Batch", "BusyError", "CenterCrop", "DatasetError", "DigestError", "Field", "ForkError",
    "IMAGENET_MEAN", "IMAGENET_STD", "ImageLoader", "Normalize", "OptionError", "RandomCrop",
    "RandomHorizontalFlip", "RandomResizedCrop", "RandomVerticalFlip", "Resize", "SampleError",
    "StateError", "StokerError", "Transform", "digest_sum",
]
