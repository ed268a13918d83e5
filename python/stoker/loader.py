"""The loader: what a training script sees."""

from __future__ import annotations

import ctypes as c
import errno
import gc
import os
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from . import _native as n
from .batch import Batch
from .errors import (BusyError, DatasetError, OptionError, StateError, check, from_native)
from .transforms import RandomHorizontalFlip, RandomResizedCrop, Transform

_DTYPES = {"uint8": 0, "float16": 1, "bfloat16": 2, "float32": 3}
_LAYOUTS = {"NCHW": 0, "NHWC": 1}
_IO = {"auto": 0, "uring": 1, "pread": 2}
_DECODERS = {"auto": 0, "libjpeg": 1}
_DAMAGED = {"pillow": 0, "strict": 1, "lenient": 2}
_POLICIES = {"raise": 0, "mask": 1, "refill": 2}
_PIXELS = {"pillow13": 0, "pillow12": 1}
_CPUS = {"auto": 0, "scalar": 1, "avx2": 2, "avx512": 3, "neon": 4}
_PINS = {False: 0, True: 1, "auto": 1, "require": 2, "off": 0}

_SLICE_MS = 100  # so that Ctrl-C lands
_BUSY_S = 5.0    # how long all batches may be held before it is an error

_WORKER_ADVICE = (
    "a stoker loader works by threads in this one process and cannot be sent to worker "
    "processes: use it directly, or DataLoader(ds, batch_size=None, num_workers=0)"
)


def _choice(name: str, value: Any, choices: Dict[Any, int]) -> int:
    try:
        return choices[value]
    except (KeyError, TypeError):
        raise OptionError("%s must be one of %s, not %r"
                          % (name, ", ".join(repr(k) for k in choices), value)) from None


def _dtype_name(dtype: Any) -> str:
    """'float16' for 'float16', torch.float16 or numpy's."""
    name = dtype if isinstance(dtype, str) else str(getattr(dtype, "name", dtype))
    return name.rsplit(".", 1)[-1]


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
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return 0, 1


def _workers(workers: Optional[int]) -> int:
    if workers is not None:
        if workers < 1:
            raise OptionError("workers must be at least 1, not %r" % (workers,))
        return workers
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, len(os.sched_getaffinity(0)) // local) if local > 1 else 0


def _device(device: Any) -> int:
    """An ordinal from None, 'cuda', 'cuda:1', 1 or a torch.device; -1: host."""
    if device is None or str(device) == "cpu":
        return -1
    if isinstance(device, int):
        return device
    text = str(device)
    if text == "cuda":
        torch = sys.modules.get("torch")
        return torch.cuda.current_device() if torch is not None else 0
    kind, _, number = text.partition(":")
    if kind != "cuda" or not number.isdigit():
        raise OptionError("device must be None, 'cuda' or 'cuda:N', not %r" % (device,))
    return int(number)


def _path(path: Any) -> bytes:
    """A path as the file system has it; C would cut one at a 0."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("a path cannot hold a 0 byte: %r" % (path,))
    return name


def _close(handle: c.c_void_p, turn: Any) -> None:
    # Whoever waits in next has the turn for one slice at most.
    held = turn.acquire(timeout=10 * _SLICE_MS / 1000)
    n.lib.stoker_loader_close(c.byref(handle))
    if held:
        turn.release()


def _free(dataset: c.c_void_p) -> None:
    n.lib.stoker_dataset_free(dataset)


class ImageLoader:
    """Batches of decoded, augmented images from a folder of class folders.

    The folder has the meaning of ``torchvision.datasets.ImageFolder``, the
    transforms those of ``torchvision.transforms.v2`` on PIL images, the order
    is a pure function of (seed, epoch), the pixels of (seed, epoch, sample),
    whatever the number of threads or ranks.

    root            folder; see ``from_items`` for lists
    batch_size      rows a rank; or global_batch_size rows over all ranks
    shuffle, seed   a keyed permutation an epoch, computed in O(1)
    transforms      default [RandomResizedCrop(224), RandomHorizontalFlip()]
    dtype           'uint8', 'float16', 'bfloat16', 'float32'
    layout          'NCHW' or 'NHWC'
    workers         threads; default: usable CPUs / LOCAL_WORLD_SIZE
    rank, world_size  default: torch.distributed, else torchrun's environment
    drop_last       drop the last, smaller step (the dropped ids rotate)
    on_error        'raise' (the batch that holds the row raises), 'mask' (row
                    zeros, valid 0, label -100), 'refill' (a declared duplicate)
    prefetch        batches that may exist at once, at least 2
    n_epochs        epochs 0 ... n_epochs-1; None: no end
    max_bad         bad samples an epoch (int) or a fraction (float); None lifts
                    all budgets; 'default': max(100, 0.1 %)
    max_bad_run     bad samples in a row
    ledger          file that gets a JSON line for each bad sample
    damaged         'pillow', 'strict' or 'lenient': what damaged files are worth
    pin, device     see docs/gpu.md

    Raises OptionError (a ValueError), DatasetError (an OSError).
    """

    def __init__(self, root: Union[str, bytes, "os.PathLike[str]", None], *,
                 batch_size: int = 64, shuffle: bool = True, seed: int = 0,
                 transforms: Optional[Sequence[Transform]] = None, dtype: Any = "uint8",
                 layout: str = "NCHW", workers: Optional[int] = None,
                 rank: Optional[int] = None, world_size: Optional[int] = None,
                 global_batch_size: Optional[int] = None, drop_last: bool = False,
                 on_error: str = "raise", io: str = "auto", decoder: str = "auto",
                 pixels: str = "pillow13", prefetch: int = 4, n_epochs: Optional[int] = None,
                 max_bad: Union[int, float, str, None] = "default",
                 max_bad_run: int = 32, ledger: Union[str, "os.PathLike[str]", None] = None,
                 damaged: str = "pillow", stall_timeout: float = 120.0,
                 max_pixels: Optional[int] = None, max_side: Optional[int] = None,
                 max_file_bytes: Optional[int] = None, reads_ahead: Optional[int] = None,
                 hash_sizes: bool = False, allow_empty: bool = False, cpu: str = "auto",
                 pin: Union[bool, str] = False, device: Any = None,
                 device_buffers: int = 3, device_normalize: bool = True,
                 _items: Optional[Sequence[Tuple[Any, int]]] = None):
        self._arguments = {k: v for k, v in locals().items()
                           if k not in ("self", "root", "_items") and not k.startswith("__")}
        self._root, self._items = root, _items
        self._lock = threading.RLock()
        self._options = self._make_options(**self._arguments)
        self._dataset = self._open_dataset(root, _items, hash_sizes, allow_empty)
        handle, error = c.c_void_p(), n.Error()
        rc = n.lib.stoker_loader_open(c.byref(handle), self._dataset, c.byref(self._options),
                                      c.byref(error))
        if rc < 0:
            n.lib.stoker_dataset_free(self._dataset)
            raise from_native(error, rc)
        self._handle = handle
        # The data set outlives close: names of samples are asked for later.
        weakref.finalize(self, _free, self._dataset).atexit = False
        # One at a time calls next, seek or close; taken before _lock.
        self._turn = threading.RLock()
        self._end = weakref.finalize(self, _close, handle, self._turn)
        # At exit the threads die with the process: no stuck read delays it and
        # daemon threads see no closed loader. The CUDA driver's own end wants
        # them gone.
        self._end.atexit = self._options.device >= 0 or self._options.pin != 0
        self._device_ordinal = self._options.device
        self._n = n.lib.stoker_dataset_count(self._dataset)
        self._active: Optional[_EpochIterator] = None
        self._stands: Tuple[int, int] = (0, 0)  # (epoch, samples) of the C loader
        self._pending: Optional[int] = 0        # the epoch that iter() will play
        self._begun: Optional[int] = None

    # ---- making ----

    @classmethod
    def from_items(cls, items: Sequence[Tuple[Any, int]], **arguments: Any) -> "ImageLoader":
        """A loader over (path or bytes, label) pairs; ids follow the list."""
        return cls(None, _items=list(items), **arguments)

    def _make_options(
            self, *,
            batch_size: Any, shuffle: Any, seed: Any, transforms: Any,
            dtype: Any, layout: Any, workers: Any, rank: Any, world_size: Any,
            global_batch_size: Any, drop_last: Any, on_error: Any, io: Any, decoder: Any,
            pixels: Any, prefetch: Any, n_epochs: Any,
            max_bad: Any, max_bad_run: Any, ledger: Any, damaged: Any,
            stall_timeout: Any, max_pixels: Any, max_side: Any,
            max_file_bytes: Any, reads_ahead: Any, cpu: Any, pin: Any,
            device: Any, device_buffers: Any, device_normalize: Any, **_: Any) -> n.Options:
        opt = n.Options()
        n.lib.stoker_options_init(c.byref(opt), c.sizeof(opt))
        try:
            opt.seed = seed % 2**64
            opt.shuffle, opt.drop_last = bool(shuffle), bool(drop_last)
            opt.rank, opt.world_size = _world(rank, world_size)
            opt.batch_size = batch_size
            if global_batch_size is not None:
                if global_batch_size < 1:
                    raise OptionError("global_batch_size must be at least 1, not %r"
                                      % (global_batch_size,))
                opt.global_batch_size = global_batch_size
            opt.n_epochs = 0 if n_epochs is None else n_epochs
            if n_epochs is not None and n_epochs < 1:
                raise OptionError("n_epochs must be at least 1 or None, not %r" % (n_epochs,))
            opt.n_workers, opt.n_slots = _workers(workers), prefetch
            if not stall_timeout > 0:
                raise OptionError("stall_timeout must be more than 0 seconds, not %r"
                                  % (stall_timeout,))
            opt.stall_timeout_ms = min(2**31 - 1, max(1, int(stall_timeout * 1000)))
            opt.max_bad_run = max_bad_run
            opt.n_device_buffers, opt.device_normalize = device_buffers, bool(device_normalize)
        except (TypeError, ValueError, OverflowError) as e:
            raise e if isinstance(e, OptionError) else OptionError(str(e)) from None
        opt.io, opt.decoder = _choice("io", io, _IO), _choice("decoder", decoder, _DECODERS)
        opt.dtype = _choice("dtype", _dtype_name(dtype), _DTYPES)
        opt.layout = _choice("layout", layout, _LAYOUTS)
        opt.pixels = _choice("pixels", pixels, _PIXELS)
        opt.on_error = _choice("on_error", on_error, _POLICIES)
        opt.damaged, opt.cpu = _choice("damaged", damaged, _DAMAGED), _choice("cpu", cpu, _CPUS)
        opt.pin, opt.device = _choice("pin", pin, _PINS), _device(device)
        for name, value in (("max_pixels", max_pixels), ("max_side", max_side),
                            ("max_file_bytes", max_file_bytes), ("reads_ahead", reads_ahead)):
            if value is not None:
                try:
                    setattr(opt, name, value)
                except TypeError:
                    raise OptionError("%s must be an int, not %r" % (name, value)) from None
        self._set_budget(opt, max_bad)
        if ledger is not None:
            self._ledger = _path(ledger)
            opt.ledger_path = self._ledger
        entries = [RandomResizedCrop(224), RandomHorizontalFlip()] if transforms is None \
            else list(transforms)
        for i, entry in enumerate(entries):
            if not isinstance(entry, Transform):
                raise OptionError("transforms[%d]: %r is not one of stoker's transforms"
                                  % (i, entry))
        self._list = (n.Transform * max(1, len(entries)))(*[e._native() for e in entries])
        opt.transforms = self._list
        opt.n_transforms = len(entries)
        return opt

    @staticmethod
    def _set_budget(opt: n.Options, max_bad: Any) -> None:
        if max_bad is None:
            opt.unlimited_bad = 1
        elif isinstance(max_bad, float):
            opt.max_bad_fraction = max_bad
        elif max_bad != "default":
            if isinstance(max_bad, bool) or not isinstance(max_bad, int) or max_bad < 0:
                raise OptionError("max_bad must be a count, a fraction or None, not %r"
                                  % (max_bad,))
            opt.max_bad = max_bad

    @staticmethod
    def _open_dataset(root: Any, items: Any, hash_sizes: bool, allow_empty: bool) -> c.c_void_p:
        out, error = c.c_void_p(), n.Error()
        if items is None:
            folder = n.FolderOptions(c.sizeof(n.FolderOptions), hash_sizes, allow_empty)
            rc = n.lib.stoker_dataset_from_folder(c.byref(out), _path(root),
                                                  c.byref(folder), c.byref(error))
            check(rc, error, DatasetError)
            return out
        array = (n.Item * max(1, len(items)))()
        keep = []
        for item, (source, label) in zip(array, items):
            item.label, item.length = label, -1
            if isinstance(source, (bytes, bytearray, memoryview)):
                data = bytes(source)
                keep.append(data)
                item.source, item.length = 1, len(data)
                item.data = c.cast(c.c_char_p(data), c.c_void_p)
                item.name = b"item %d" % (len(keep) - 1)
            else:
                item.path = _path(source)
        check(n.lib.stoker_dataset_from_items(c.byref(out), array, len(items),
                                              c.sizeof(n.Item), c.byref(error)),
              error, DatasetError)
        # Memory parts are borrowed as long as the data set lives.
        out._keep = keep  # type: ignore[attr-defined]
        return out

    # ---- what there is ----

    def __len__(self) -> int:
        """Batches of a whole epoch, the same on every rank."""
        return int(n.lib.stoker_plan_steps(c.byref(self._options), self._n, 0, None))

    @property
    def n_samples(self) -> int:
        """Samples of the data set, over all ranks."""
        return int(self._n)

    @property
    def classes(self) -> List[str]:
        """Class names, in the order of their labels."""
        count = n.lib.stoker_dataset_n_classes(self._dataset)
        return [os.fsdecode(n.lib.stoker_dataset_class(self._dataset, i)) for i in range(count)]

    @property
    def class_to_idx(self) -> Dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def path(self, id: int) -> str:
        """The file of a sample, as it can be opened. Raises IndexError."""
        text = c.create_string_buffer(4097)
        length = n.lib.stoker_dataset_path(self._dataset, id, text, len(text))
        if length < 0:
            raise IndexError("no sample %r in 0 ... %d" % (id, self._n - 1))
        return os.fsdecode(text.value)

    def label(self, id: int) -> int:
        """The label of a sample. Raises IndexError."""
        if not 0 <= id < self._n:
            raise IndexError("no sample %r in 0 ... %d" % (id, self._n - 1))
        return int(n.lib.stoker_dataset_label(self._dataset, id))

    @property
    def fingerprint(self) -> str:
        """128 bits over names and labels, the same on every machine."""
        out = (n.u8 * 16)()
        n.lib.stoker_dataset_fingerprint(self._dataset, c.byref(out))
        return bytes(out).hex()

    # ---- epochs ----

    def __iter__(self) -> Iterator[Batch]:
        """Plays the epoch set by ``set_epoch`` or ``load_state_dict``, else
        the one after the last begun; older iterators end."""
        with self._turn, self._lock:
            self._check_open()
            epoch = self._pending
            if epoch is None:
                epoch = 0 if self._begun is None else self._begun + 1
            keep = self._pending is not None and self._stands[0] == epoch
            self._pending = None
            self._active = active = _EpochIterator(self, epoch)
            if not keep and self._stands != (epoch, 0):
                self._seek(epoch, 0)
            self._begun = epoch
            return active

    def set_epoch(self, epoch: int) -> None:
        """The next ``iter`` plays this epoch: from its start, or from where
        it stands if it is the current one."""
        with self._lock:
            if epoch < 0:
                raise OptionError("epoch must be at least 0, not %r" % (epoch,))
            self._pending = epoch

    def _seek(self, epoch: int, consumed: int) -> None:
        cursor = self._cursor()
        cursor.epoch, cursor.consumed = epoch, consumed
        error = n.Error()
        if self._options.n_epochs and epoch >= self._options.n_epochs:
            self._stands = (epoch, consumed)
            if self._active is not None:
                self._active._ended = True
            return
        check(n.lib.stoker_loader_seek(self._handle, c.byref(cursor), c.byref(error)), error)
        self._stands = (epoch, consumed)

    def _next(self, iterator: "_EpochIterator") -> Batch:
        out, error = c.c_void_p(), n.Error()
        held_since = None
        while True:
            with self._turn:
                with self._lock:
                    if (self._active is not iterator or iterator._ended
                            or not self._end.alive):
                        raise StopIteration
                    self._mark()
                rc = n.lib.stoker_loader_next(self._handle, c.byref(out), _SLICE_MS,
                                              c.byref(error))
                with self._lock:
                    if rc == n.END:
                        iterator._ended = True
                        self._stands = (iterator.epoch + 1, 0)
                    elif rc == n.OK:
                        batch = Batch(out.value or 0)
                        self._stands = (batch.epoch, -1)  # inside: never a start
                        return batch
            if rc == n.TIMEOUT:
                continue
            if rc == -errno.EBUSY:
                # Views in reference cycles die only when they are collected.
                held_since = held_since or time.monotonic()
                gc.collect()
                if time.monotonic() - held_since < _BUSY_S:
                    continue
            break
        if rc in (n.END, -errno.ECANCELED):
            raise StopIteration
        raise from_native(error, rc)

    def _mark(self) -> None:
        """Pinned or device memory: events behind what died since."""
        if self._options.pin == 0 and self._options.device < 0:
            return
        stream = None
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
            if torch.cuda.is_current_stream_capturing():
                return
            stream = torch.cuda.current_stream().cuda_stream
        error = n.Error()
        check(n.lib.stoker_loader_mark(self._handle, stream, c.byref(error)), error)

    # ---- state ----

    def _cursor(self) -> n.Cursor:
        cursor = n.Cursor(size=c.sizeof(n.Cursor))
        n.lib.stoker_loader_cursor(self._handle, c.byref(cursor))
        return cursor

    def state_dict(self) -> Dict[str, Any]:
        """Where the run stands behind the last batch received: a flat dict of
        JSON types, the same on every rank; any world and batch size loads it."""
        with self._lock:
            self._check_open()
            cursor = self._cursor()
            if self._pending is not None and self._pending != cursor.epoch:
                cursor.epoch, cursor.consumed = self._pending, 0
            return {
                "stoker_state": 1,
                "fingerprint": bytes(cursor.fingerprint).hex(),
                "n_items": cursor.n_items, "seed": cursor.seed, "epoch": cursor.epoch,
                "consumed": cursor.consumed, "transforms_hash": cursor.transforms_hash,
                "shuffle": bool(cursor.shuffle), "planner_version": cursor.planner_version,
                "pixels": "pillow13" if cursor.pixels == 0 else "pillow12",
                "on_error": cursor.on_error, "decoder": cursor.decoder.decode(),
            }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Goes on behind the state's last batch at the next ``iter``. Raises
        StateError with the reason where it does not fit."""
        cursor = self._unpack(state) if isinstance(state, (bytes, bytearray)) \
            else self._from_dict(state)
        with self._turn, self._lock:
            self._check_open()
            self._active = None
            error = n.Error()
            check(n.lib.stoker_loader_seek(self._handle, c.byref(cursor), c.byref(error)),
                  error, StateError)
            if error.text:
                import warnings
                warnings.warn(error.text.decode("utf-8", "replace"), stacklevel=2)
            self._stands = (cursor.epoch, cursor.consumed)
            self._pending = cursor.epoch
            self._begun = None

    def state_bytes(self) -> bytes:
        """The same state as 192 bytes with magic, version and checksum."""
        cursor, out = self._from_dict(self.state_dict()), (n.u8 * n.STATE_BYTES)()
        n.lib.stoker_cursor_pack(c.byref(cursor), c.byref(out))
        return bytes(out)

    @staticmethod
    def _unpack(state: bytes) -> n.Cursor:
        cursor, error = n.Cursor(size=c.sizeof(n.Cursor)), n.Error()
        check(n.lib.stoker_cursor_unpack(c.byref(cursor), bytes(state), len(state),
                                         c.byref(error)), error, StateError)
        return cursor

    @staticmethod
    def _from_dict(state: Dict[str, Any]) -> n.Cursor:
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
            cursor.pixels = _PIXELS[state["pixels"]]
            cursor.decoder = state["decoder"].encode()[:39]
        except StateError:
            raise
        except KeyError as e:
            raise StateError("state: %s is missing or unknown" % e) from None
        except (TypeError, ValueError, AttributeError) as e:
            raise StateError("state: %s" % e) from None
        return cursor

    # ---- what happened ----

    def stats(self) -> Dict[str, Any]:
        """Counters; times in nanoseconds, summed over workers."""
        out = n.Stats(size=c.sizeof(n.Stats))
        with self._lock:
            self._check_open()
            n.lib.stoker_loader_stats(self._handle, c.byref(out))
        values = {name: getattr(out, name) for name in (f[0] for f in n.Stats._fields_[1:])}
        for name in ("io_reason", "pin_reason", "memory_reason"):
            values[name] = values[name].decode("utf-8", "replace")
        values["io"] = [k for k, v in _IO.items() if v == values["io"]][0]
        values["cpu"] = [k for k, v in _CPUS.items() if v == values["cpu"]][0]
        return values

    def report(self) -> str:
        """Who waited for whom, and what to change."""
        text = c.create_string_buffer(1024)
        with self._lock:
            self._check_open()
            n.lib.stoker_loader_report(self._handle, text, len(text))
        return text.value.decode("utf-8", "replace")

    def bad(self) -> List[Dict[str, Any]]:
        """The bad samples that were met: id, path, epoch, position, stage,
        code (an errno), reason, bytes_hash."""
        with self._lock:
            self._check_open()
            count = min(n.lib.stoker_loader_bad(self._handle, 0, None, 0, 0), 65536)
            array = (n.Bad * max(1, count))()
            array[0].size = c.sizeof(n.Bad)
            n.lib.stoker_loader_bad(self._handle, 0, array, count, c.sizeof(n.Bad))
        found = []
        for entry in array[:count]:
            e = from_native(entry.error, entry.error.code)
            found.append({
                "id": entry.id, "path": self.path(entry.id), "epoch": entry.epoch,
                "position": entry.position, "attempt": entry.attempt, "stage": e.stage,
                "code": -entry.error.code, "reason": str(e.args[0]),
                "bytes_hash": bytes(entry.hash).hex(),
            })
        return found

    def digest(self) -> Dict[str, Any]:
        """What this rank delivered of the current epoch since its begin or the
        last resume, as sums that ranks and lives add up: see ``digest_sum``."""
        out = n.Digest()
        epoch, start, stop = n.i64(), n.i64(), n.i64()
        with self._lock:
            self._check_open()
            n.lib.stoker_loader_digest(self._handle, c.byref(out), c.byref(epoch),
                                       c.byref(start), c.byref(stop))
        return _digest_dict(out, epoch.value, start.value, stop.value)

    def expected_digest(self, epoch: int, start: int = 0, stop: Optional[int] = None) -> str:
        """What good and bad of positions start ... stop-1 must sum up to."""
        out, error = n.Digest(), n.Error()
        check(n.lib.stoker_plan_digest(c.byref(self._options), self._n, epoch, start,
                                       self._n if stop is None else stop, c.byref(out),
                                       c.byref(error)), error)
        return "%032x" % _value(out.good)

    def replay(self, epoch: int, batch: int) -> Batch:
        """The very batch that step ``batch`` of this epoch gave to this rank."""
        arguments = dict(self._arguments, prefetch=2, n_epochs=None, ledger=None,
                         rank=self._options.rank, world_size=self._options.world_size)
        steps = self._options.global_batch_size or \
            self._options.batch_size * self._options.world_size
        if not 0 <= batch < len(self):
            raise IndexError("no batch %r in an epoch of %d" % (batch, len(self)))
        other = ImageLoader(self._root, _items=self._items, **arguments)
        try:
            state = other.state_dict()
            state["epoch"], state["consumed"] = epoch, batch * steps
            other.load_state_dict(state)
            return next(iter(other))
        finally:
            other.close()

    # ---- end ----

    def close(self) -> None:
        """Stops the threads; batches that are held stay valid."""
        self._active = None  # so that threads in the loop leave it
        with self._turn, self._lock:
            if self._end.detach():
                n.lib.stoker_loader_close(c.byref(self._handle))

    def _check_open(self) -> None:
        if not self._end.alive:
            raise ValueError("this loader is closed")

    def __enter__(self) -> "ImageLoader":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __getstate__(self) -> Any:
        raise TypeError(_WORKER_ADVICE)

    def __repr__(self) -> str:
        return "%s(%r, %d samples, %d batches)" % (
            type(self).__name__, str(self._root), self._n, len(self))


class _EpochIterator:
    """One epoch's batches; ends when a newer iterator begins."""

    def __init__(self, loader: ImageLoader, epoch: int):
        self._loader = loader
        self.epoch = epoch
        self._ended = False

    def __iter__(self) -> "_EpochIterator":
        return self

    def __next__(self) -> Batch:
        return self._loader._next(self)


def _value(words: Any) -> int:
    return int(words[1] << 64 | words[0])


def _digest_dict(out: n.Digest, epoch: int, start: int, stop: int) -> Dict[str, Any]:
    return {"epoch": epoch, "start": start, "stop": stop,
            "good": "%032x" % _value(out.good), "bad": "%032x" % _value(out.bad),
            "refill": "%032x" % _value(out.refill),
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
