"""What can go wrong, as exceptions that name the file and the reason."""

from __future__ import annotations

import errno
from typing import Optional

from . import _native as n

_STAGES = ("none", "plan", "read", "probe", "decode", "augment", "batch", "device")


class StokerError(RuntimeError):
    """Any refusal of the library. ``code`` is an errno, ``stage`` where in the
    pipeline it arose, ``id`` the sample or None."""

    def __init__(self, text: str, code: int = 0, stage: str = "none", id: Optional[int] = None):
        super().__init__(text)
        self.code = code
        self.stage = stage
        self.id = id


class SampleError(StokerError):
    """A sample that cannot be had: the text names its file and why."""


class StateError(StokerError, ValueError):
    """A saved state that does not fit this loader, or is damaged."""


class DigestError(StokerError):
    """What was delivered is not what the plan says."""


class OptionError(StokerError, ValueError):
    """An argument or a transform that is refused."""


class BusyError(StokerError):
    """Every batch of the loader is still held."""


class ForkError(StokerError):
    """The loader was opened in the parent process."""


class DatasetError(StokerError, OSError):
    """A folder that is missing, empty, unreadable or looped."""

    def __init__(self, text: str, code: int = 0, stage: str = "none", id: Optional[int] = None):
        super().__init__(text, code, stage, id)
        self.errno = code

    def __str__(self) -> str:
        return str(self.args[0])


def from_native(error: n.Error, rc: int) -> StokerError:
    text = error.text.decode("utf-8", "surrogateescape") or "error %d" % rc
    stage = _STAGES[error.stage] if 0 <= error.stage < len(_STAGES) else "none"
    kind = StokerError
    if rc == -errno.EBUSY:
        kind = BusyError
    elif rc == -errno.EOWNERDEAD:
        kind = ForkError
    elif rc == -errno.ESTALE and error.id < 0:
        kind = StateError
    elif error.id >= 0:
        kind = SampleError
    elif rc == -errno.EINVAL:
        kind = OptionError
    return kind(text, -rc, stage, error.id if error.id >= 0 else None)


def check(rc: int, error: n.Error, kind: Optional[type] = None) -> int:
    """rc itself when it is no error, else raises."""
    if rc >= 0:
        return rc
    if kind is not None:
        text = error.text.decode("utf-8", "surrogateescape") or "error %d" % rc
        raise kind(text, -rc)
    raise from_native(error, rc)
