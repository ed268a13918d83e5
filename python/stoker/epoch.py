"""What ``iter(loader)`` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .batch import Batch

if TYPE_CHECKING:
    from .loader import ImageLoader


class EpochIterator:
    """One epoch's batches; ends when a newer iterator begins."""

    def __init__(self, loader: ImageLoader, epoch: int):
        self._loader = loader
        self.epoch = epoch
        self._ended = False

    def __iter__(self) -> "EpochIterator":
        return self

    def __next__(self) -> Batch:
        return self._loader._next(self)
