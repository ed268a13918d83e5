"""Cursors and their JSON twins."""

from __future__ import annotations

import ctypes as c
from typing import Any, Dict

from . import _native as n
from .errors import StateError, check
from .options import PIXELS


def to_dict(cursor: n.Cursor) -> Dict[str, Any]:
    """A flat dict of JSON types."""
    return {
        "stoker_state": 1,
        "fingerprint": bytes(cursor.fingerprint).hex(),
        "n_items": cursor.n_items, "seed": cursor.seed, "epoch": cursor.epoch,
        "consumed": cursor.consumed, "transforms_hash": cursor.transforms_hash,
        "shuffle": bool(cursor.shuffle), "planner_version": cursor.planner_version,
        "pixels": "pillow13" if cursor.pixels == 0 else "pillow12",
        "on_error": cursor.on_error, "decoder": cursor.decoder.decode(),
    }


def to_bytes(cursor: n.Cursor) -> bytes:
    """192 bytes with magic, version and checksum."""
    out = (n.u8 * n.STATE_BYTES)()
    n.lib.stoker_cursor_pack(c.byref(cursor), c.byref(out))
    return bytes(out)


def from_bytes(state: bytes) -> n.Cursor:
    cursor, error = n.Cursor(size=c.sizeof(n.Cursor)), n.Error()
    check(n.lib.stoker_cursor_unpack(c.byref(cursor), bytes(state), len(state),
                                     c.byref(error)), error, StateError)
    return cursor


def from_dict(state: Dict[str, Any]) -> n.Cursor:
    cursor = n.Cursor(size=c.sizeof(n.Cursor))
    try:
        if state["stoker_state"] != 1:
            raise StateError("state: version %r, but this stoker reads 1"
                             % (state["stoker_state"],))
        fingerprint = bytes.fromhex(state["fingerprint"])
        if len(fingerprint) != 16:
            raise StateError("state: fingerprint is not 32 hex digits: %r"
                             % (state["fingerprint"],))
        cursor.fingerprint = (n.u8 * 16)(*fingerprint)
        if not isinstance(state["shuffle"], (bool, int)):
            raise StateError("state: shuffle is not a bool: %r" % (state["shuffle"],))
        for name in ("n_items", "seed", "epoch", "consumed", "transforms_hash",
                     "planner_version", "on_error"):
            if isinstance(state[name], bool) or not isinstance(state[name], int):
                raise StateError("state: %s is not a number: %r" % (name, state[name]))
            if not -2**63 <= state[name] < 2**64:
                raise StateError("state: %s is out of range: %r" % (name, state[name]))
            setattr(cursor, name, state[name])
        cursor.shuffle = bool(state["shuffle"])
        cursor.pixels = PIXELS[state["pixels"]]
        cursor.decoder = state["decoder"].encode()[:39]
    except StateError:
        raise
    except KeyError as e:
        raise StateError("state: %s is missing or unknown" % e) from None
    except (TypeError, ValueError, AttributeError) as e:
        raise StateError("state: %s" % e) from None
    return cursor
