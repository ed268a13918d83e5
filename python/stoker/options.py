"""From a loader's arguments to the library's options."""

from __future__ import annotations

import ctypes as c
import math
import numbers
import operator
import os
import sys
from typing import Any, Dict, Optional, Tuple

from . import _native as n
from .dataset import path_bytes
from .errors import OptionError
from .transforms import RandomHorizontalFlip, RandomResizedCrop, Transform

DTYPES = {"uint8": 0, "float16": 1, "bfloat16": 2, "float32": 3}
LAYOUTS = {"NCHW": 0, "NHWC": 1}
IO = {"auto": 0, "uring": 1, "pread": 2}
DECODERS = {"auto": 0, "libjpeg": 1}
DAMAGED = {"pillow": 0, "strict": 1, "lenient": 2}
POLICIES = {"raise": 0, "mask": 1, "refill": 2}
PIXELS = {"pillow13": 0, "pillow12": 1}
CPUS = {"auto": 0, "scalar": 1, "avx2": 2, "avx512": 3, "vec128": 4}
GUARDS = {"streams": 0, "context": 1}
PINS = {False: 0, True: 1, "auto": 1, "require": 2, "off": 0}


def as_int(name: str, value: Any) -> int:
    """An int, numpy's too."""
    try:
        return operator.index(value)
    except TypeError:
        raise OptionError("%s must be an int, not %r" % (name, value)) from None


def _put(opt: n.Options, field: str, name: str, value: Any) -> None:
    """ctypes would cut an int that the field cannot hold."""
    try:
        setattr(opt, field, value)
    except TypeError:
        raise OptionError("%s must be an int, not %r" % (name, value)) from None
    if getattr(opt, field) != value:
        raise OptionError("%s is out of range: %r" % (name, value))


def _choice(name: str, value: Any, choices: Dict[Any, int]) -> int:
    try:
        return choices[value]
    except (KeyError, TypeError):
        raise OptionError("%s must be one of %s, not %r"
                          % (name, ", ".join(repr(k) for k in choices), value)) from None


def _dtype_name(dtype: Any) -> str:
    """'float16' for 'float16', torch.float16 or numpy's."""
    if isinstance(dtype, type):
        return dtype.__name__
    name = dtype if isinstance(dtype, str) else str(getattr(dtype, "name", dtype))
    return name.rsplit(".", 1)[-1]


def _of_launcher(name: str) -> int:
    try:
        return int(os.environ[name])
    except ValueError:
        raise OptionError("the environment's %s is %r, not a number" % (name, os.environ[name])) \
            from None


def _world(rank: Optional[int], world_size: Optional[int]) -> Tuple[int, int]:
    """Given, torch.distributed's, torchrun's, or one alone."""
    if (rank is None) != (world_size is None):
        raise OptionError("give rank and world_size together, or neither")
    if rank is not None and world_size is not None:
        return rank, world_size
    torch = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return _of_launcher("RANK"), _of_launcher("WORLD_SIZE")
    return 0, 1


def _workers(workers: Optional[int]) -> int:
    if workers is not None:
        if as_int("workers", workers) < 1:
            raise OptionError("workers must be at least 1, not %r" % (workers,))
        return workers
    local = _of_launcher("LOCAL_WORLD_SIZE") if "LOCAL_WORLD_SIZE" in os.environ else 1
    if local <= 1:
        return 0  # the library's: all that it may use
    system = n.System(size=c.sizeof(n.System))
    n.lib.stoker_system_get(c.byref(system))
    return max(1, system.n_cpus // local)


def _current_device() -> int:
    """torch's, where it is loaded and sees a GPU; -1: the current context's."""
    torch = sys.modules.get("torch")
    return torch.cuda.current_device() if torch is not None \
        and torch.cuda.is_available() else -1


def _device(device: Any) -> int:
    """An ordinal from None, 'cuda', 'cuda:1', 1 or a torch.device; -1: host."""
    if device is None or str(device) == "cpu":
        return -1
    if isinstance(device, int):
        return device
    text = str(device)
    if text == "cuda":
        return max(0, _current_device())
    kind, _, number = text.partition(":")
    if kind != "cuda" or not number.isdigit():
        raise OptionError("device must be None, 'cuda' or 'cuda:N', not %r" % (device,))
    return int(number)


def make_options(
        *,
        batch_size: Any, shuffle: Any, seed: Any, transforms: Any,
        dtype: Any, layout: Any, workers: Any, rank: Any, world_size: Any,
        global_batch_size: Any, drop_last: Any, on_error: Any, io: Any, decoder: Any,
        pixels: Any, prefetch: Any, n_epochs: Any,
        max_bad: Any, max_bad_run: Any, ledger: Any, damaged: Any,
        stall_timeout: Any, max_pixels: Any, max_side: Any,
        max_file_bytes: Any, max_decoder_bytes: Any, max_scans: Any,
        max_decode_ms: Any, retry_ms: Any, reads_ahead: Any,
        huge_pages: Any, numa_node: Any, cpu: Any, pin: Any,
        device: Any, device_buffers: Any, device_normalize: Any, guard: Any,
        digest_pixels: Any, **_: Any) -> n.Options:
    """What ``ImageLoader`` documents, as the library wants it. Raises
    OptionError with the argument's name."""
    opt = n.Options()
    n.lib.stoker_options_init(c.byref(opt), c.sizeof(opt))
    try:
        _put(opt, "seed", "seed", as_int("seed", seed))
        opt.shuffle, opt.drop_last = bool(shuffle), bool(drop_last)
        if global_batch_size is not None and as_int("global_batch_size", global_batch_size) < 1:
            raise OptionError("global_batch_size must be at least 1, not %r"
                              % (global_batch_size,))
        if n_epochs is not None and as_int("n_epochs", n_epochs) < 1:
            raise OptionError("n_epochs must be at least 1 or None, not %r" % (n_epochs,))
        if not isinstance(stall_timeout, numbers.Real) or not 0 < stall_timeout < math.inf:
            raise OptionError("stall_timeout must be a number of seconds above 0, not %r"
                              % (stall_timeout,))
        opt.stall_timeout_ms = min(2**31 - 1, max(1, int(stall_timeout * 1000)))
        opt.device_normalize, opt.digest_pixels = bool(device_normalize), bool(digest_pixels)
        rank, world_size = _world(rank, world_size)
        for field, name, value in (
                ("rank", "rank", rank), ("world_size", "world_size", world_size),
                ("batch_size", "batch_size", batch_size),
                ("global_batch_size", "global_batch_size", global_batch_size or 0),
                ("n_epochs", "n_epochs", n_epochs or 0), ("n_slots", "prefetch", prefetch),
                ("n_workers", "workers", _workers(workers)),
                ("max_bad_run", "max_bad_run", max_bad_run),
                ("n_device_buffers", "device_buffers", device_buffers),
                ("device", "device", _device(device))):
            _put(opt, field, name, value)
    except (TypeError, ValueError, OverflowError) as e:
        raise e if isinstance(e, OptionError) else OptionError(str(e)) from None
    opt.io, opt.decoder = _choice("io", io, IO), _choice("decoder", decoder, DECODERS)
    opt.dtype = _choice("dtype", _dtype_name(dtype), DTYPES)
    opt.layout = _choice("layout", layout, LAYOUTS)
    opt.pixels = _choice("pixels", pixels, PIXELS)
    opt.on_error = _choice("on_error", on_error, POLICIES)
    opt.damaged, opt.cpu = _choice("damaged", damaged, DAMAGED), _choice("cpu", cpu, CPUS)
    opt.pin = _choice("pin", pin, PINS)
    opt.pin_device = _current_device() if opt.pin and opt.device < 0 else -1
    opt.guard = _choice("guard", guard, GUARDS)
    for name, value in (("max_pixels", max_pixels), ("max_side", max_side),
                        ("max_file_bytes", max_file_bytes),
                        ("max_decoder_bytes", max_decoder_bytes), ("max_scans", max_scans),
                        ("max_decode_ms", max_decode_ms), ("retry_ms", retry_ms),
                        ("reads_ahead", reads_ahead), ("huge_pages", huge_pages),
                        ("numa_node", numa_node)):
        if value is not None:
            _put(opt, name, name, value)
    _set_budget(opt, max_bad)
    if ledger is not None:
        opt.ledger_path = path_bytes(ledger)  # opt keeps the bytes alive
    _set_transforms(opt, transforms)
    return opt


_ARGUMENTS = {"n_slots": "prefetch", "n_workers": "workers", "max_bad_fraction": "max_bad",
              "n_device_buffers": "device_buffers"}


def as_argument(text: str) -> str:
    """The library's refusal of an option by the name that it has here."""
    name, colon, why = text.partition(":")
    return _ARGUMENTS.get(name, name) + colon + why


def _set_budget(opt: n.Options, max_bad: Any) -> None:
    if max_bad is None:
        opt.unlimited_bad = 1
    elif isinstance(max_bad, numbers.Integral) and not isinstance(max_bad, bool) and max_bad >= 0:
        _put(opt, "max_bad", "max_bad", int(max_bad))
    elif isinstance(max_bad, numbers.Real) and not isinstance(max_bad, numbers.Integral):
        opt.max_bad_fraction = float(max_bad)
    elif max_bad != "default":
        raise OptionError("max_bad must be a count, a fraction or None, not %r" % (max_bad,))


def _set_transforms(opt: n.Options, transforms: Any) -> None:
    try:
        entries = [RandomResizedCrop(224), RandomHorizontalFlip()] if transforms is None \
            else list(transforms)
    except TypeError:
        raise OptionError("transforms must be a list, not %r" % (transforms,)) from None
    for i, entry in enumerate(entries):
        if not isinstance(entry, Transform):
            raise OptionError("transforms[%d]: %r is not one of stoker's transforms"
                              % (i, entry))
    native = (n.Transform * max(1, len(entries)))(*[e._native() for e in entries])
    opt.transforms = native  # opt keeps the array alive
    opt.n_transforms = len(entries)
