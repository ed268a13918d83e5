"""Pinned and device batches through Python over the stand-in driver: capsules
of the right kind, streams as the array API says, marks before each next.

usage: check_gpu.py LIBSTOKER PACKAGE_FOLDER   (LD_LIBRARY_PATH: the stand-in)
"""

import ctypes as c
import gc
import io
import os
import sys
import tempfile

os.environ["STOKER_LIBRARY"] = sys.argv[1]
sys.path.insert(0, sys.argv[2])
try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print("SKIPPED: %s" % missing)
    sys.exit(77)

import stoker  # noqa: E402


class Counts(c.Structure):
    _fields_ = [(name, c.c_int64) for name in
                ("violations", "early_reuses", "unpinned_copies", "copies", "kernels",
                 "events", "live_objects", "registered_bytes")]


class Tensor(c.Structure):  # DLTensor, then DLManagedTensor's tail
    _fields_ = [("data", c.c_void_p), ("device_type", c.c_int32), ("device_id", c.c_int32),
                ("ndim", c.c_int32), ("code", c.c_uint8), ("bits", c.c_uint8),
                ("lanes", c.c_uint16), ("shape", c.POINTER(c.c_int64)),
                ("strides", c.POINTER(c.c_int64)), ("byte_offset", c.c_uint64)]


cuda = c.CDLL("libcuda.so.1")
pointer = c.pythonapi.PyCapsule_GetPointer
pointer.restype, pointer.argtypes = c.c_void_p, [c.py_object, c.c_char_p]


def driver(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    assert code == 0, (name, code)


def counts():
    out = Counts()
    cuda.standin_counts(c.byref(out))
    return out


def make(folder):
    for i in range(48):
        os.makedirs("%s/class" % folder, exist_ok=True)
        data = io.BytesIO()
        Image.new("RGB", (16, 16), (i, i, i)).save(data, "PNG")
        with open("%s/class/%02d.png" % (folder, i), "wb") as f:
            f.write(data.getvalue())


def capsule_tensor(capsule):
    return Tensor.from_address(pointer(capsule, b"dltensor"))


def check_device(folder, stream):
    train = stoker.ImageLoader(folder, batch_size=8, shuffle=True, seed=1, n_epochs=4,
                               transforms=[stoker.CenterCrop(8)], device="cuda:0", workers=2)
    got = (c.c_uint8 * (8 * 192))()
    n = 0
    for _ in range(4):
        for batch in train:
            try:
                batch.images.__dlpack__(stream=0)
                raise AssertionError("stream 0 was taken")
            except BufferError:
                pass
            assert tuple(batch.images.__dlpack_device__()) == (2, 0)
            batch.images.__dlpack__(stream=-1)  # no synchronisation; dies at once
            for s in (None, 1, 2, stream.value):
                capsule = batch.images.__dlpack__(stream=s)  # owns t
                t = capsule_tensor(capsule)
                assert (t.device_type, t.device_id, t.ndim) == (2, 0, 4)
            labels = batch.labels.__dlpack__(stream=stream.value)
            label = capsule_tensor(labels)
            assert (label.device_type, label.code, label.bits) == (2, 0, 64)
            driver("cuMemcpyDtoHAsync_v2", got, c.c_uint64(t.data), c.c_size_t(len(got)), stream)
            driver("cuStreamSynchronize", stream)
            want = np.repeat(np.asarray(batch.ids), 192)
            assert (np.frombuffer(got, np.uint8) == want).all()
            batch.record_stream(stream.value)
            n += 1
    train.close()
    assert n == 24, n


def check_pinned(folder, stream):
    train = stoker.ImageLoader(folder, batch_size=8, shuffle=True, seed=1, n_epochs=40,
                               transforms=[stoker.CenterCrop(8)], pin="require", workers=2)
    to = c.c_uint64()
    driver("cuMemAlloc_v2", c.byref(to), c.c_size_t(8 * 192))
    kept = []
    for _ in range(40):
        for batch in train:
            assert batch.images.pinned
            batch.record_stream(stream.value)
            view = np.asarray(batch.images)
            driver("cuMemcpyHtoDAsync_v2", to, c.c_void_p(view.ctypes.data),
                   c.c_size_t(view.nbytes), stream)
            kept.append(batch.labels)
            del view, batch  # while the copy may still wait
    driver("cuStreamSynchronize", stream)
    train.close()
    del train
    gc.collect()
    assert len({int(np.asarray(k)[0]) for k in kept}) >= 1  # labels outlive all


def main():
    cuda.standin_pace(c.c_uint64(5), 300, c.c_double(0))
    context, stream = c.c_void_p(), c.c_void_p()
    driver("cuInit", 0)
    driver("cuDevicePrimaryCtxRetain", c.byref(context), 0)
    driver("cuCtxPushCurrent_v2", context)
    driver("cuStreamCreate", c.byref(stream), 1)
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        check_device(folder, stream)
        check_pinned(folder, stream)
    total = counts()
    assert total.violations == 0, total.violations
    print("%d copies, %d early reuses" % (total.copies, total.early_reuses))


main()
