"""What ``iter(loader)`` gives."""

from __future__ import annotations

from typing import Callable

from .batch import Batch


class EpochIterator:
    """One epoch's batches; ends when a newer iterator begins."""

    def __init__(self, next_of: Callable[["EpochIterator"], Batch], epoch: int):
        self._next_of = next_of
        self.epoch = epoch
        self._ended = False

    def __iter__(self) -> "EpochIterator":
        return self

    def __next__(self) -> Batch:
        return self._next_of(self)
