"""Sums over what was delivered, which ranks and lives of a run add up."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from . import _native as n


def value(words: Any) -> int:
    return int(words[1] << 64 | words[0])


def digest_dict(out: n.Digest, epoch: int, start: int, stop: int) -> Dict[str, Any]:
    return {"epoch": epoch, "start": start, "stop": stop,
            "good": "%032x" % value(out.good), "bad": "%032x" % value(out.bad),
            "refill": "%032x" % value(out.refill),
            "n_good": out.n_good, "n_bad": out.n_bad, "n_refill": out.n_refill}


def digest_sum(digests: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """Adds up the digests of ranks, or of lives of a run, of one epoch. Its
    ``total`` (good + bad) equals ``expected_digest`` of the whole epoch when
    every sample was delivered or listed exactly once."""
    if len({d["epoch"] for d in digests}) != 1:
        raise ValueError("digests of several epochs cannot be added up")
    out = {"epoch": digests[0]["epoch"], "start": min(d["start"] for d in digests),
           "stop": max(d["stop"] for d in digests)}
    for name in ("good", "bad", "refill"):
        out[name] = "%032x" % (sum(int(d[name], 16) for d in digests) % 2**128)
        out["n_" + name] = sum(d["n_" + name] for d in digests)
    out["total"] = "%032x" % ((int(out["good"], 16) + int(out["bad"], 16)) % 2**128)
    return out
