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


# What the binary twin's fields hold: ctypes would cut what is larger.
_RANGES = {"n_items": (1, 2**48), "seed": (0, 2**64 - 1), "epoch": (0, 2**40 - 1),
           "consumed": (0, 2**48), "transforms_hash": (0, 2**64 - 1),
           "planner_version": (1, 2**31 - 1), "on_error": (0, 2)}
_HEX = frozenset("0123456789abcdefABCDEF")


def _show(value: Any) -> str:
    try:
        return repr(value)[:60]
    except Exception:  # ints of thousands of digits, endless lists, a user's own
        return "a huge %s" % type(value).__name__


def _number(state: Dict[str, Any], name: str) -> int:
    value, (low, high) = state[name], _RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise StateError("state: %s is not a whole number: %s" % (name, _show(value)))
    if not low <= value <= high:
        raise StateError("state: %s is outside %d ... %d: %s" % (name, low, high, _show(value)))
    return value


def _text(state: Dict[str, Any], name: str) -> str:
    if not isinstance(state[name], str):
        raise StateError("state: %s is not a text: %s" % (name, _show(state[name])))
    return str(state[name])


def _read(state: Dict[str, Any]) -> n.Cursor:
    cursor = n.Cursor(size=c.sizeof(n.Cursor))
    version = state["stoker_state"]
    if isinstance(version, bool) or not isinstance(version, int) or version != 1:
        raise StateError("state: version %s, but this stoker reads 1" % _show(version))
    digits = _text(state, "fingerprint")
    if len(digits) != 32 or not _HEX.issuperset(digits):
        raise StateError("state: fingerprint is not 32 hex digits: %s" % _show(digits))
    cursor.fingerprint = (n.u8 * 16)(*bytes.fromhex(digits))
    for name in _RANGES:
        setattr(cursor, name, _number(state, name))
    if cursor.consumed > cursor.n_items:
        raise StateError("state: consumed is %d, but its epoch has %d samples"
                         % (cursor.consumed, cursor.n_items))
    if not isinstance(state["shuffle"], bool):
        raise StateError("state: shuffle is not a bool: %s" % _show(state["shuffle"]))
    cursor.shuffle = state["shuffle"]
    pixels = _text(state, "pixels")
    if pixels not in PIXELS:
        raise StateError("state: pixels is none of %s: %s" % (", ".join(PIXELS), _show(pixels)))
    cursor.pixels = PIXELS[pixels]
    decoder = _text(state, "decoder")
    if len(decoder) > 39 or not decoder.isascii() or not (decoder + " ").isprintable():
        raise StateError("state: decoder is not a line of at most 39 characters: %s"
                         % _show(decoder))
    cursor.decoder = decoder.encode()
    return cursor


def from_dict(state: Dict[str, Any]) -> n.Cursor:
    """The cursor that a dict says; every way in which it does not is a
    StateError with a sentence."""
    if not isinstance(state, dict):
        raise StateError("state: not a dict from state_dict() but %s" % _show(state))
    try:
        return _read(state)
    except KeyError as e:
        raise StateError("state: %s is missing" % e) from None
