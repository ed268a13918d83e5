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
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from . import _native as n
from .batch import Batch, Lease
from .counters import bad_dict, stats_dict
from .dataset import classes_of, free_dataset, open_dataset, path_of
from .digest import check_sum, digest_dict, digest_sum, value
from .ends import close_handle, free, rest_at_exit
from .epoch import EpochIterator
from .errors import BusyError, OptionError, StateError, check, from_native
from .options import as_argument, as_int, make_options
from .state import from_bytes, from_dict, to_bytes, to_dict
from .transforms import Transform

_SLICE_MS = 100  # so that Ctrl-C lands
_BUSY_S = 5.0    # how long all batches may be held before it is an error

_WORKER_ADVICE = (
    "a stoker loader works by threads in this one process and cannot be sent to worker "
    "processes: use it directly, or DataLoader(ds, batch_size=None, num_workers=0)"
)


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
    stall_timeout   seconds until a read that does not answer is an error
    max_pixels, max_side, max_file_bytes, max_decoder_bytes, max_scans,
    max_decode_ms, retry_ms, reads_ahead, huge_pages, numa_node
                    as in stoker.h; None: the default written there
    hash_sizes      the fingerprint covers file sizes, too
    allow_empty     a class without an image is no error
    io              'auto', 'uring' or 'pread'; a named one is required
    decoder         'auto' or 'libjpeg'
    cpu             'auto', or at most 'avx512', 'avx2', 'vec128', 'scalar'
    pixels          'pillow13' or 'pillow12': whose order of resize passes
    pin, device, device_buffers, device_normalize: see docs/gpu.md
    guard           'streams': a buffer waits for the stream that is current at
                    the next batch, and for those of Batch.record_stream;
                    'context': for all streams (driver 12.5; it invalidates a
                    graph that is being captured)
    digest_pixels   ``digest()`` covers the pixels, too

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
                 max_file_bytes: Optional[int] = None, max_decoder_bytes: Optional[int] = None,
                 max_scans: Optional[int] = None, max_decode_ms: Optional[int] = None,
                 retry_ms: Optional[int] = None, reads_ahead: Optional[int] = None,
                 huge_pages: Optional[int] = None, numa_node: Optional[int] = None,
                 hash_sizes: bool = False, allow_empty: bool = False, cpu: str = "auto",
                 pin: Union[bool, str] = False, device: Any = None,
                 device_buffers: int = 3, device_normalize: bool = True, guard: str = "streams",
                 digest_pixels: bool = False, _items: Optional[Sequence[Tuple[Any, int]]] = None):
        self._arguments = {k: v for k, v in locals().items()
                           if k not in ("self", "root", "_items") and not k.startswith("__")}
        self._root, self._items = root, _items
        self._lock = threading.RLock()
        self._options = make_options(**self._arguments)
        self._dataset = open_dataset(root, _items, hash_sizes, allow_empty, self._options)
        handle, error = c.c_void_p(), n.Error()
        rc = n.lib.stoker_loader_open(c.byref(handle), self._dataset, c.byref(self._options),
                                      c.byref(error))
        if rc < 0:
            free_dataset(self._dataset)
            refusal = from_native(error, rc)
            refusal.args = (as_argument(str(refusal)),)
            raise refusal
        self._handle = handle
        # One at a time calls next, seek or close; taken before _lock.
        self._turn = threading.RLock()
        self._end = weakref.finalize(self, close_handle, handle, self._turn, _SLICE_MS)
        # At exit the threads die with the process: no stuck read delays it. The
        # CUDA driver's own end wants them gone; daemon threads rest then.
        self._end.atexit = self._options.device >= 0 or self._options.pin != 0
        # The data set outlives close: names of samples are asked for later.
        weakref.finalize(self, free, self._dataset, self._end).atexit = False
        self._n = n.lib.stoker_dataset_count(self._dataset)
        self._active: Optional[EpochIterator] = None
        self._stands: Tuple[int, int] = (0, 0)  # (epoch, samples) of the C loader
        self._pending: Optional[int] = 0        # the epoch that iter() will play
        self._begun: Optional[int] = None

    @classmethod
    def from_items(cls, items: Sequence[Tuple[Any, int]], **arguments: Any) -> "ImageLoader":
        """A loader over (path or bytes, label) pairs; ids follow the list."""
        return cls(None, _items=list(items), **arguments)

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
        return classes_of(self._dataset)

    @property
    def class_to_idx(self) -> Dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def path(self, id: int) -> str:
        """The file of a sample, as it can be opened. Raises IndexError."""
        return path_of(self._dataset, as_int("id", id))

    def label(self, id: int) -> int:
        """The label of a sample. Raises IndexError."""
        if not 0 <= as_int("id", id) < self._n:
            raise IndexError("no sample %r in 0 ... %d" % (id, self._n - 1))
        return int(n.lib.stoker_dataset_label(self._dataset, id))

    @property
    def fingerprint(self) -> str:
        """128 bits over names and labels, the same on every machine."""
        out = (n.u8 * 16)()
        n.lib.stoker_dataset_fingerprint(self._dataset, c.byref(out))
        return bytes(out).hex()

    def __iter__(self) -> Iterator[Batch]:
        """Plays the epoch set by ``set_epoch`` or ``load_state_dict``, else
        the one after the last begun; older iterators end."""
        with self._turn, self._lock:
            self._check_open()
            epoch = self._pending
            if epoch is None:
                epoch = 0 if self._begun is None else self._begun + 1
            keep = self._pending is not None and self._stands[0] == epoch
            self._active = active = EpochIterator(self._next, epoch)
            if not keep and self._stands != (epoch, 0):
                at = self._cursor()
                inside = self._pending == at.epoch and at.consumed < self._n
                self._seek(epoch, at.consumed if inside else 0)
            self._pending = None
            self._begun = epoch
            return active

    def set_epoch(self, epoch: int) -> None:
        """The next ``iter`` plays this epoch: from its start, or from where
        it stands if it is the current one."""
        with self._lock:
            if not 0 <= as_int("epoch", epoch) < 2**40:
                raise OptionError("epoch must be in 0 ... 2^40 - 1, not %r" % (epoch,))
            self._pending = int(epoch)

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

    def _next(self, iterator: EpochIterator) -> Batch:
        lease, error, held_since = Lease(), n.Error(), None
        while True:
            with self._turn:
                with self._lock:
                    if (self._active is not iterator or iterator._ended
                            or not self._end.alive):
                        raise StopIteration
                    self._mark()
                    self._stands = (iterator.epoch, -1)  # inside: never a start
                rc = n.lib.stoker_loader_next(self._handle, c.byref(lease.out), _SLICE_MS,
                                              c.byref(error))
                with self._lock:
                    if rc == n.END:
                        iterator._ended = True
                        self._stands = (iterator.epoch + 1, 0)
                    elif rc == n.OK:
                        return Batch(lease)
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
        if rc == -errno.EBUSY:
            raise BusyError("all %d batches of this loader have been held for %.0f seconds: "
                            "release or copy some, or raise prefetch"
                            % (self._options.n_slots, _BUSY_S), errno.EBUSY)
        if rc != -errno.ETIMEDOUT:    # a stall may end by itself,
            self._stands = (-1, -1)   # all else by a seek
        raise from_native(error, rc)

    def _mark(self) -> None:
        """Pinned or device memory: events behind what died since."""
        if self._options.pin == 0 and self._options.device < 0:
            return
        stream = None
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            device = self._options.device if self._options.device >= 0 else None
            stream = torch.cuda.current_stream(device).cuda_stream
        error = n.Error()
        check(n.lib.stoker_loader_mark(self._handle, stream, c.byref(error)), error)

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
            return to_dict(cursor)

    def load_state_dict(self, state: Union[Dict[str, Any], bytes]) -> None:
        """Goes on behind the state's last batch at the next ``iter``. Takes a
        dict of ``state_dict`` or bytes of ``state_bytes``; raises StateError
        with the reason where it does not fit."""
        cursor = from_bytes(state) if isinstance(state, (bytes, bytearray)) \
            else from_dict(state)
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
        return to_bytes(from_dict(self.state_dict()))

    def stats(self) -> Dict[str, Any]:
        """Counters; times in nanoseconds, summed over workers."""
        out = n.Stats(size=c.sizeof(n.Stats))
        with self._lock:
            self._check_open()
            n.lib.stoker_loader_stats(self._handle, c.byref(out))
        return stats_dict(out)

    def report(self) -> str:
        """Who waited for whom, and what to change."""
        text = c.create_string_buffer(1024)
        with self._lock:
            self._check_open()
            n.lib.stoker_loader_report(self._handle, text, len(text))
        return text.value.decode("utf-8", "replace")

    def bad(self) -> List[Dict[str, Any]]:
        """The first 65536 bad samples: id, path, epoch, position, attempt, stage,
        code (an errno; negated in the ledger), reason, bytes_hash."""
        with self._lock:
            self._check_open()
            count = min(n.lib.stoker_loader_bad(self._handle, 0, None, 0, 0), 65536)
            array = (n.Bad * max(1, count))()
            n.lib.stoker_loader_bad(self._handle, 0, array, count, c.sizeof(n.Bad))
        return [bad_dict(entry, self.path(entry.id)) for entry in array[:count]]

    def digest(self) -> Dict[str, Any]:
        """What this rank delivered of the current epoch since its begin or the
        last resume, as sums that ranks and lives add up: see ``digest_sum``."""
        out = n.Digest()
        epoch, start, stop = n.i64(), n.i64(), n.i64()
        with self._lock:
            self._check_open()
            n.lib.stoker_loader_digest(self._handle, c.byref(out), c.byref(epoch),
                                       c.byref(start), c.byref(stop))
        return digest_dict(out, epoch.value, start.value, stop.value,
                           bool(self._options.digest_pixels))

    def expected_digest(self, epoch: int, start: int = 0, stop: Optional[int] = None) -> str:
        """What good and bad of positions start ... stop-1 must sum up to."""
        out, error = n.Digest(), n.Error()
        check(n.lib.stoker_plan_digest(c.byref(self._options), self._n, epoch, start,
                                       self._n if stop is None else stop, c.byref(out),
                                       c.byref(error)), error)
        return "%032x" % value(out.good)

    def check_digests(self, digests: Iterable[Dict[str, Any]]) -> Dict[str, Any]:
        """The ``digest_sum`` of every rank and life of one epoch, each taken with the state
        that the next life loaded; raises DigestError where it is not the plan's."""
        total = digest_sum(digests := list(digests))
        if self._options.drop_last and total["stop"] == self._n:
            # What the batches of the last life that had any leave over is dropped.
            last = max((d["start"] for d in digests if d["start"] < d["stop"]), default=self._n)
            total["stop"] -= (self._n - last) % self._step_samples()
        return check_sum(total, self.expected_digest(total["epoch"], total["start"],
                                                     total["stop"]))

    def _step_samples(self) -> int:
        return int(self._options.global_batch_size
                   or self._options.batch_size * self._options.world_size)

    def replay(self, epoch: int, batch: int, consumed: int = 0) -> Batch:
        """The batch that step ``batch`` of this epoch, behind ``consumed`` samples, gave
        to this rank."""
        batch, consumed = as_int("batch", batch), as_int("consumed", consumed)
        arguments = dict(self._arguments, prefetch=2, n_epochs=None, ledger=None,
                         rank=self._options.rank, world_size=self._options.world_size)
        error = n.Error()
        steps = check(n.lib.stoker_plan_steps(c.byref(self._options), self._n, consumed,
                                              c.byref(error)), error)
        if not 0 <= batch < steps:
            raise IndexError("no batch %r in an epoch of %d" % (batch, steps))
        with ImageLoader(self._root, _items=self._items, **arguments) as other:
            state = other.state_dict()
            state.update(epoch=as_int("epoch", epoch),
                         consumed=consumed + batch * self._step_samples())
            other.load_state_dict(state)
            return next(iter(other))

    def close(self) -> None:
        """Stops the threads; batches that are held stay valid."""
        self._active = None  # so that threads in the loop leave it
        with self._turn, self._lock:
            if self._end.detach():
                n.lib.stoker_loader_close(c.byref(self._handle))

    def _check_open(self) -> None:
        if not self._end.alive:
            rest_at_exit()
            raise ValueError("this loader is closed")

    def __enter__(self) -> "ImageLoader":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __getstate__(self) -> Any:
        raise TypeError(_WORKER_ADVICE)

    def __repr__(self) -> str:
        what = "items" if self._root is None else repr(os.fsdecode(self._root))
        return "%s(%s, %d samples, %d batches)" % (
            type(self).__name__, what, self._n, len(self))
