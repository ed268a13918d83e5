"""How loaders end when nobody closes them: with their last reference, or with
the interpreter."""

from __future__ import annotations

import atexit
import ctypes as c
import threading
import weakref
from typing import Any

from . import _native as n
from .dataset import free_dataset

_exiting = threading.Event()
# weakref closes what is left in an exit function of its own; those that are
# registered later run earlier, so this makes sure that ours is the later one.
weakref.finalize(_exiting, int).detach()
atexit.register(_exiting.set)


def close_handle(handle: c.c_void_p, turn: Any, slice_ms: int) -> None:
    # Whoever waits in next has the turn for one slice at most.
    held = turn.acquire(timeout=10 * slice_ms / 1000)
    n.lib.stoker_loader_close(c.byref(handle))
    if held:
        turn.release()


def free(dataset: c.c_void_p, end: Any) -> None:
    end()  # first: its threads read what the data set borrows
    free_dataset(dataset)


def rest_at_exit() -> None:
    """Daemon threads see no closed loader at the interpreter's end: they rest
    until they die with the process."""
    if _exiting.is_set() and threading.current_thread().daemon:
        threading.Event().wait()
