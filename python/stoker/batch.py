"""Batches and their fields: views of the library's memory, without copies."""

from __future__ import annotations

import ctypes as c
import weakref
from typing import Any, Dict, Iterator, Optional, Set, Tuple

from . import _native as n
from .errors import check

_DTYPES = ("uint8", "float16", "bfloat16", "float32", "int32", "int64")
_TYPESTR = ("|u1", "<f2", None, "<f4", "<i4", "<i8")
_BYTES = (1, 2, 2, 4, 4, 8)

_CPU, _CUDA = 1, 2
# DLManagedTensor and DLManagedTensorVersioned: where their deleters lie.
_DELETER_AT = {0: 56, 1: 16}
_Deleter = c.CFUNCTYPE(None, c.c_void_p)
_NAMES = {0: b"dltensor", 1: b"dltensor_versioned"}


def _deleter(managed: int, versioned: int) -> Any:
    """A managed tensor's own deleter, which is plain C."""
    return _Deleter(c.c_void_p.from_address(managed + _DELETER_AT[versioned]).value or 0)


# Not c.pythonapi: others set the argument types of that one, too.
_api = c.PyDLL(None)
_api.PyCapsule_New.restype = c.py_object
_api.PyCapsule_New.argtypes = [c.c_void_p, c.c_char_p, c.c_void_p]
_api.PyCapsule_IsValid.restype = c.c_int
_api.PyCapsule_IsValid.argtypes = [c.c_void_p, c.c_char_p]
_api.PyCapsule_GetPointer.restype = c.c_void_p
_api.PyCapsule_GetPointer.argtypes = [c.c_void_p, c.c_char_p]


@c.PYFUNCTYPE(None, c.c_void_p)  # type: ignore[untyped-decorator,unused-ignore]
def _forget_capsule(capsule: int) -> None:
    """A capsule that nobody consumed gives its tensor back."""
    for versioned, name in _NAMES.items():
        if _api.PyCapsule_IsValid(capsule, name):
            managed = _api.PyCapsule_GetPointer(capsule, name)
            _deleter(managed, versioned)(managed)


# Capsules may die after this module: the callback lives for ever.
_api.Py_IncRef(c.py_object(_forget_capsule))


def _stays(thing: Any, _: Any = None) -> Any:
    """A pickle or a deep copy would name memory of which it holds no share."""
    raise TypeError("a %s lies in its loader's memory and can neither be pickled nor deeply "
                    "copied: copy what is needed, as np.array(batch.images) or "
                    "torch.from_dlpack(batch.images).clone() do" % type(thing).__name__)


class _Share(weakref.ref):  # type: ignore[type-arg]
    """Gives a share back when its owner dies: ctypes passes on what stands for
    this reference to the C function that weakref calls. No line of Python runs
    then, because an interrupt that lands in one is swallowed, and the share
    would be lost with it."""

    __slots__ = ("_as_parameter_",)


_shares: Set[_Share] = set()
_many = 64  # so many, and those of the dead are looked for


def _give_back(owner: Any, function: Any, share: Any) -> None:
    """At owner's end: function(share), but not at the interpreter's."""
    global _many
    end = _Share(owner, function)
    end._as_parameter_ = share
    _shares.add(end)
    if len(_shares) > _many:
        _shares.difference_update([s for s in list(_shares) if s() is None])
        _many = 2 * len(_shares) + 64


class Lease:
    """The C batch: one share of image and small tensors. Made before the batch
    and filled by C, so that an interrupt finds it nobody's at no moment."""

    def __init__(self) -> None:
        self.out = c.c_void_p()
        _give_back(self, n.lib.stoker_batch_release, self.out)

    @property
    def handle(self) -> int:
        return self.out.value or 0


def _export(handle: int, name: str, versioned: int) -> int:
    """A managed tensor with a share of its own."""
    out, error = c.c_void_p(), n.Error()
    check(n.lib.stoker_batch_dlpack(handle, name.encode(), versioned, c.byref(out),
                                    c.byref(error)), error)
    return int(out.value or 0)


class Field:
    """One tensor of a batch: zero copies, valid as long as any view lives.

    Answers ``np.asarray``, ``torch.from_dlpack``, ``len``, ``shape``, ``dtype``
    and ``tolist``. Keeping ``images`` (or a view of it) keeps one of the
    loader's batches; keeping any other field keeps only that small tensor.
    """

    def __init__(self, lease: Lease, name: str):
        info = n.Tensor(size=c.sizeof(n.Tensor))
        if n.lib.stoker_batch_tensor(lease.handle, name.encode(), c.byref(info)) < 0:
            raise KeyError(name)
        self.name = name
        self.shape: Tuple[int, ...] = tuple(info.shape[: info.n_dims])
        self.dtype: str = _DTYPES[info.dtype]
        self.device: Optional[int] = info.device if info.device >= 0 else None
        self.pinned = bool(info.pinned)
        self._dtype = info.dtype
        self._data = info.data
        # A share of its own, which keeps the C batch alive as long as this
        # field; its deleter is plain C, so it may run anywhere.
        self._handle = lease.handle
        managed = _export(lease.handle, name, 0)
        _give_back(self, _deleter(managed, 0), managed)

    def __copy__(self) -> "Field":
        return self

    __reduce_ex__ = __deepcopy__ = _stays

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return "Field(%r, shape=%r, dtype=%r)" % (self.name, self.shape, self.dtype)

    @property
    def nbytes(self) -> int:
        size = _BYTES[self._dtype]
        for extent in self.shape:
            size *= extent
        return size

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        if self.device is not None:
            raise AttributeError("%s lies on cuda:%d: use dlpack" % (self.name, self.device))
        if _TYPESTR[self._dtype] is None:
            raise AttributeError("bfloat16 has no array interface: use dlpack "
                                 "(torch.from_dlpack)")
        return {"version": 3, "shape": self.shape, "typestr": _TYPESTR[self._dtype],
                "data": (self._data, False), "strides": None}

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> Any:
        """NumPy asks this where there is no array interface, and would else
        make an array of one object."""
        try:
            self.__array_interface__
        except AttributeError as why:
            raise TypeError(str(why)) from None
        import numpy
        array = numpy.array(self, copy=True) if copy else numpy.asarray(self)
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return (_CPU, 0) if self.device is None else (_CUDA, self.device)

    def __dlpack__(self, *, stream: Optional[int] = None,
                   max_version: Optional[Tuple[int, int]] = None,
                   dl_device: Optional[Tuple[int, int]] = None,
                   copy: Optional[bool] = None) -> Any:
        """A capsule that shares this memory. ``stream`` as the array API says:
        None the legacy default stream, -1 no synchronisation, 1 legacy, 2 per
        thread, else a stream's number; only batches on a device look at it."""
        if copy:
            raise BufferError("stoker does not copy: clone the tensor instead")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError("the field lies on %r, not on %r"
                              % (self.__dlpack_device__(), dl_device))
        if self.device is None and stream is not None:
            raise BufferError("stream must be None for memory of the host")
        if self.device is not None:
            self._acquire(stream)
        versioned = 1 if max_version is not None and tuple(max_version) >= (1, 0) else 0
        managed = _export(self._handle, self.name, versioned)
        return _api.PyCapsule_New(managed, _NAMES[versioned],
                                  c.cast(_forget_capsule, c.c_void_p))

    def _acquire(self, stream: Optional[int]) -> None:
        if stream == 0:
            raise BufferError("stream 0 is ambiguous: use 1 (legacy) or 2 (per thread)")
        if stream == -1:
            return
        error = n.Error()
        number = None if stream in (None, 1) else stream
        check(n.lib.stoker_batch_acquire(self._handle, number, c.byref(error)), error)

    def tolist(self) -> Any:
        """Nested lists of numbers; for small fields."""
        if self.device is not None or self.dtype in ("float16", "bfloat16"):
            raise BufferError("%s cannot be listed: use dlpack" % self.name)
        kind: Any = {"uint8": c.c_uint8, "float32": c.c_float, "int32": c.c_int32,
                "int64": c.c_int64}[self.dtype]
        for extent in reversed(self.shape):
            kind = kind * extent

        def listed(value: Any) -> Any:
            return [listed(v) for v in value] if hasattr(value, "_length_") else value

        return listed(kind.from_address(self._data))


def record_stream(handle: int, stream: Any) -> None:
    number = getattr(stream, "cuda_stream", getattr(stream, "ptr", stream))
    error = n.Error()
    check(n.lib.stoker_batch_record_stream(handle, number or None, c.byref(error)), error)


class Batch:
    """What a loader yields: iterates as exactly two, ``images, labels``.

    images   [rows, 3, h, w] or [rows, h, w, 3], the loader's dtype
    labels   int64 [rows], -100 where not valid
    ids      int64 [rows], -1 for padding
    valid    uint8 [rows], 0 for masked and padding rows
    windows  int32 [rows, 4]: top, left, height, width in the source
    flips    uint8 [rows], bit 0 horizontal, bit 1 vertical
    """

    _FIELDS = {"images": "image", "labels": "label", "ids": "id", "valid": "valid",
               "windows": "window", "flips": "flip"}

    def __init__(self, lease: Lease):
        self._lease = lease
        info = n.BatchInfo(size=c.sizeof(n.BatchInfo))
        n.lib.stoker_batch_info_get(lease.handle, c.byref(info))
        self.epoch, self.step = info.epoch, info.step
        self.n_rows, self.n_valid = info.n_rows, info.n_valid
        self.n_bad, self.n_refilled = info.n_bad, info.n_refilled

    def __getattr__(self, name: str) -> Field:
        native = Batch._FIELDS.get(name)
        if native is None:
            raise AttributeError("a Batch has no %r, but %s"
                                 % (name, ", ".join(Batch._FIELDS)))
        field = Field(self._lease, native)
        self.__dict__[name] = field
        return field

    def __copy__(self) -> "Batch":
        return self

    __reduce_ex__ = __deepcopy__ = _stays

    def __iter__(self) -> Iterator[Field]:
        return iter((self.images, self.labels))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Field:
        return (self.images, self.labels)[index]

    def __repr__(self) -> str:
        return "Batch(epoch=%d, step=%d, rows=%d, valid=%d)" % (
            self.epoch, self.step, self.n_rows, self.n_valid)

    def record_stream(self, stream: Any) -> None:
        """Work on this CUDA stream (its number, or an object with cuda_stream
        or ptr, as torch's and CuPy's) reads the batch too: its memory is used
        again only after that work."""
        record_stream(self._lease.handle, stream)
