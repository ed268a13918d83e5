"""Sums over what was delivered, which ranks and lives of a run add up."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable

from . import _native as n
from .errors import DigestError


def value(words: Any) -> int:
    return int(words[1] << 64 | words[0])


def digest_dict(out: n.Digest, epoch: int, start: int, stop: int,
                with_pixels: bool) -> Dict[str, Any]:
    pixels = {"pixels": "%032x" % value(out.pixels)} if with_pixels else {}
    return {"epoch": epoch, "start": start, "stop": stop,
            "good": "%032x" % value(out.good), "bad": "%032x" % value(out.bad),
            "refill": "%032x" % value(out.refill),
            "n_good": out.n_good, "n_bad": out.n_bad, "n_refill": out.n_refill, **pixels}


_NUMBERS = ("epoch", "start", "stop", "n_good", "n_bad", "n_refill")
_SUMS = ("good", "bad", "refill")
_HEX = re.compile("[0-9a-f]{32}")


def _checked(i: int, digest: Any) -> Dict[str, Any]:
    """It came from another process, perhaps through a file."""
    if not isinstance(digest, dict):
        raise ValueError("digests[%d]: not a dict of digest() but %r" % (i, digest))
    for name in _NUMBERS + _SUMS:
        if name not in digest:
            raise ValueError("digests[%d]: %s is missing" % (i, name))
    for name in _NUMBERS:
        number = digest[name]
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ValueError("digests[%d]: %s is not a count: %r" % (i, name, number))
    for name in _SUMS + (("pixels",) if "pixels" in digest else ()):
        if not isinstance(digest[name], str) or not _HEX.fullmatch(digest[name]):
            raise ValueError("digests[%d]: %s is not 32 hex digits: %r" % (i, name, digest[name]))
    return digest


def digest_sum(digests: Iterable[Dict[str, Any]]) -> Dict[str, Any]:
    """Adds up the digests of ranks, or of lives of a run, of one epoch. Its
    ``total`` (good + bad) equals ``expected_digest`` of the whole epoch when
    every sample was delivered or listed exactly once, which
    ``ImageLoader.check_digests`` says in words."""
    digests = [_checked(i, digest) for i, digest in enumerate(digests)]
    if not digests:
        raise ValueError("no digest to add up")
    if len({d["epoch"] for d in digests}) != 1:
        raise ValueError("digests of several epochs cannot be added up")
    out = {"epoch": digests[0]["epoch"], "start": min(d["start"] for d in digests),
           "stop": max(d["stop"] for d in digests)}
    for name in _SUMS:
        out[name] = "%032x" % (sum(int(d[name], 16) for d in digests) % 2**128)
        out["n_" + name] = sum(d["n_" + name] for d in digests)
    if all("pixels" in d for d in digests):
        out["pixels"] = "%032x" % (sum(int(d["pixels"], 16) for d in digests) % 2**128)
    out["total"] = "%032x" % ((int(out["good"], 16) + int(out["bad"], 16)) % 2**128)
    return out


def check_sum(total: Dict[str, Any], expected: str) -> Dict[str, Any]:
    """``total`` itself where it is the plan's own digest."""
    got, want = total["n_good"] + total["n_bad"], total["stop"] - total["start"]
    which = "epoch %d, positions %d ... %d" % (total["epoch"], total["start"], total["stop"] - 1)
    if got != want:
        raise DigestError("%s: %d samples were delivered or listed, the plan has %d"
                          % (which, got, want))
    if total["total"] != expected:
        raise DigestError("%s: as many samples as the plan has, but not the same: some came "
                          "twice, others never" % which)
    return total
