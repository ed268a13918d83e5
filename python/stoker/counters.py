"""The library's counters and lists of bad samples, as dicts."""

from __future__ import annotations

from typing import Any, Dict

from . import _native as n
from .errors import from_native
from .options import CPUS, IO


def stats_dict(out: n.Stats) -> Dict[str, Any]:
    values: Dict[str, Any] = {f[0]: getattr(out, f[0]) for f in n.Stats._fields_[1:]}
    for name in ("io_reason", "pin_reason", "memory_reason"):
        values[name] = values[name].decode("utf-8", "replace")
    values["io"] = [k for k, v in IO.items() if v == values["io"]][0]
    values["cpu"] = [k for k, v in CPUS.items() if v == values["cpu"]][0]
    return values


def bad_dict(entry: n.Bad, path: str) -> Dict[str, Any]:
    e = from_native(entry.error, entry.error.code)
    return {
        "id": entry.id, "path": path, "epoch": entry.epoch, "position": entry.position,
        "attempt": entry.attempt, "stage": e.stage, "code": -entry.error.code,
        "reason": str(e.args[0]), "bytes_hash": bytes(entry.hash).hex(),
    }
