"""stoker as a ``torch.utils.data.IterableDataset``: the only module that
imports torch."""

from __future__ import annotations

from collections import namedtuple
from functools import lru_cache
from typing import Any, Iterator, Optional, Sequence, Tuple

import torch
from torch.utils.data import IterableDataset, get_worker_info

from .batch import Batch, Field, record_stream
from .errors import StokerError
from .loader import _WORKER_ADVICE
from .loader import ImageLoader as _ImageLoader

_FIELDS = {"image": "images", "label": "labels", "id": "ids", "valid": "valid",
           "window": "windows", "flip": "flips"}


def _batch(fields: Tuple[str, ...], tensors: Sequence[Any]) -> Any:
    """A named tuple; a pickle of it says these two, as its class has no name
    in this module."""
    return _batch_class(fields)(*tensors)


@lru_cache(maxsize=None)
def _batch_class(fields: Tuple[str, ...]) -> Any:
    def reduce(self: Any) -> Any:
        return _batch, (fields, tuple(self))

    made = namedtuple("Batch", fields)  # type: ignore[misc]
    setattr(made, "__reduce__", reduce)
    return made


# What a DataLoader's and an ImageFolder's arguments are called here.
_OTHERS = {"num_workers": "workers", "pin_memory": "pin", "prefetch_factor": "prefetch",
           "transform": "transforms", "generator": "seed", "worker_init_fn": "seed"}


class ImageLoader(_ImageLoader, IterableDataset):
    """``stoker.ImageLoader`` that yields named tuples of torch tensors.

    fields   which, in which order; default ("image", "label"). image is
             [rows, 3, h, w] or [rows, h, w, 3], label and id int64 [rows],
             valid and flip uint8 [rows], window int32 [rows, 4].

    Works by itself or in ``DataLoader(ds, batch_size=None, num_workers=0)``;
    worker processes are refused. With ``device="cuda"`` image, label and valid
    are CUDA tensors; otherwise all share the loader's host memory.
    """

    def __init__(self, root: Any, *, fields: Sequence[str] = ("image", "label"), **arguments: Any):
        if isinstance(fields, str) or not fields or any(f not in _FIELDS for f in fields):
            raise ValueError("fields must be some of %s, not %r"
                             % (", ".join(_FIELDS), fields))
        for name in _OTHERS.keys() & arguments.keys():
            raise TypeError("stoker's loader has no %s; see %s" % (name, _OTHERS[name]))
        self._fields = tuple(fields)
        _batch_class(self._fields)  # a field named twice is refused here
        self._last: Optional[Field] = None
        super().__init__(root, **arguments)

    def __iter__(self) -> Iterator[Any]:
        if get_worker_info() is not None:
            raise StokerError(_WORKER_ADVICE)
        return _TensorIterator(self, super().__iter__())

    def _tensors(self, batch: Batch) -> Any:
        tensors = []
        for name in self._fields:
            field = getattr(batch, _FIELDS[name])
            tensors.append(torch.from_dlpack(field))
        # Its small share keeps the C batch for record_stream, not the images.
        self._last = batch.ids
        return _batch(self._fields, tensors)

    def record_stream(self, stream: Any) -> None:
        """Work on this torch.cuda.Stream reads the batch that came last, too.
        Needed for each stream but the one that is current when the next batch
        is asked for. (Tensor.record_stream knows only torch's own memory.)"""
        if self._last is not None:
            record_stream(self._last._handle, stream)


class _TensorIterator:
    def __init__(self, loader: ImageLoader, batches: Iterator[Batch]):
        self._loader = loader
        self._batches = batches

    def __iter__(self) -> "_TensorIterator":
        return self

    def __next__(self) -> Any:
        return self._loader._tensors(next(self._batches))
