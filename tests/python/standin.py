"""The stand-in libcuda.so.1 as Python sees it, photos that need no library to
write, and a consumer of DLPack that does what the array API asks of one."""
import ctypes as c
import os
import struct
import zlib

cuda = c.CDLL("libcuda.so.1")
cuda.standin_waits.restype = c.c_int64
cuda.standin_waits.argtypes = [c.c_void_p]
cuda.standin_pace.argtypes = [c.c_uint64, c.c_int, c.c_double]
SIDE, ROW = 8, 192


class Counts(c.Structure):
    _fields_ = [(name, c.c_int64) for name in
                ("violations", "early_reuses", "unpinned_copies", "copies", "kernels",
                 "events", "live_objects", "registered_bytes", "broken_captures", "depth",
                 "forgives_depth")]


class Tensor(c.Structure):  # DLTensor
    _fields_ = [("data", c.c_void_p), ("device_type", c.c_int32), ("device_id", c.c_int32),
                ("ndim", c.c_int32), ("code", c.c_uint8), ("bits", c.c_uint8),
                ("lanes", c.c_uint16), ("shape", c.POINTER(c.c_int64)),
                ("strides", c.POINTER(c.c_int64)), ("byte_offset", c.c_uint64)]


_api = c.PyDLL(None)
_api.PyCapsule_GetName.restype, _api.PyCapsule_GetName.argtypes = c.c_char_p, [c.py_object]
_api.PyCapsule_GetPointer.restype = c.c_void_p
_api.PyCapsule_GetPointer.argtypes = [c.py_object, c.c_char_p]
_api.PyCapsule_SetName.argtypes = [c.py_object, c.c_char_p]
_USED = {b"dltensor": b"used_dltensor",
         b"dltensor_versioned": b"used_dltensor_versioned"}


def driver(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    assert code == 0, (name, code)


def counts():
    out = Counts()
    cuda.standin_counts(c.byref(out))
    return out


def begin(pace_us):
    """A context and a stream of the consumer's own."""
    context, stream = c.c_void_p(), c.c_void_p()
    cuda.standin_pace(5, pace_us, 0)
    driver("cuInit", 0)
    driver("cuDevicePrimaryCtxRetain", c.byref(context), 0)
    driver("cuCtxPushCurrent_v2", context)
    driver("cuStreamCreate", c.byref(stream), 1)
    return stream.value


def another_stream():
    stream = c.c_void_p()
    driver("cuStreamCreate", c.byref(stream), 1)
    return stream.value


def allocate(n_bytes):
    out = c.c_uint64()
    driver("cuMemAlloc_v2", c.byref(out), c.c_size_t(n_bytes))
    return out.value


def copy_in(to, view, stream):
    """As tensor.to("cuda", non_blocking=True)."""
    driver("cuMemcpyHtoDAsync_v2", c.c_uint64(to), c.c_void_p(view.data),
           c.c_size_t(view.n_bytes), c.c_void_p(stream))


def copy_out(to, view, stream):
    """As a kernel that reads device memory late."""
    driver("cuMemcpyDtoHAsync_v2", to, c.c_uint64(view.data), c.c_size_t(view.n_bytes),
           c.c_void_p(stream))


class View:
    """A tensor made by from_dlpack: it owns the memory until it dies.

    stream   what the consumer passes for device memory
    version  what it understands: None the old kind, (1, 0) the versioned
    """

    def __init__(self, field, stream=None, version=None):
        more = {} if version is None else {"max_version": version}
        if field.__dlpack_device__()[0] == 2:
            more["stream"] = stream
        capsule = field.__dlpack__(**more)
        name = _api.PyCapsule_GetName(capsule)
        assert name == (b"dltensor" if version is None else b"dltensor_versioned"), name
        pointer = _api.PyCapsule_GetPointer(capsule, name)
        # The unused capsule would free it too: the new name says that it may not.
        # The module keeps its bytes longer than the capsule lives.
        _api.PyCapsule_SetName(capsule, _USED[name])
        self._pointer = pointer
        self._deleter_at = 56 if version is None else 16
        tensor = Tensor.from_address(pointer if version is None else pointer + 32)
        self.device = (tensor.device_type, tensor.device_id)
        self.shape = tuple(tensor.shape[:tensor.ndim])
        self.dtype = (tensor.code, tensor.bits, tensor.lanes)
        self.data = tensor.data + tensor.byte_offset
        self.n_bytes = tensor.bits // 8
        for extent in self.shape:
            self.n_bytes *= extent

    def bytes(self):
        return c.string_at(self.data, self.n_bytes)

    def __del__(self):
        if getattr(self, "_pointer", None):
            address = c.c_void_p.from_address(self._pointer + self._deleter_at).value
            c.CFUNCTYPE(None, c.c_void_p)(address)(self._pointer)


def make_photos(folder, n=48):
    """Photo i is flat, of level i."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    os.makedirs("%s/class" % folder)
    for i in range(n):
        rows = (b"\0" + bytes([i, i, i]) * 16) * 16
        with open("%s/class/%02d.png" % (folder, i), "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\n" +
                    chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)) +
                    chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def pixels_of(ids):
    return b"".join(bytes([i]) * ROW for i in ids)
