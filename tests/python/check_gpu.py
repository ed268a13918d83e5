"""Pinned and device batches through Python over the stand-in driver: capsules
of the right kind, streams as the array API says, marks before each next.

usage: check_gpu.py LIBSTOKER PACKAGE_FOLDER   (LD_LIBRARY_PATH: the stand-in)
"""

import ctypes as c
import gc
import os
import sys
import tempfile
import types

os.environ["STOKER_LIBRARY"] = sys.argv[1]
sys.path.insert(0, sys.argv[2])

import standin  # noqa: E402
import stoker  # noqa: E402
from standin import View, copy_in, copy_out, counts, cuda, driver, pixels_of  # noqa: E402


def open_loader(folder, **more):
    return stoker.ImageLoader(folder, batch_size=8, shuffle=True, seed=1, workers=2,
                              transforms=[stoker.CenterCrop(standin.SIDE)], **more)


def refused(call, *words):
    try:
        call()
    except BufferError as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError("was not refused")


def check_streams(images, stream):
    """None and 1: the legacy default stream; 2: the per-thread one; -1: none."""
    legacy, per_thread = None, 2
    for passed, waits in ((None, legacy), (1, legacy), (2, per_thread), (stream, stream),
                          (-1, "nobody")):
        before = {s: cuda.standin_waits(s) for s in (legacy, per_thread, stream)}
        view = View(images, stream=passed, version=(1, 0) if passed == 2 else None)
        assert view.device == (2, 0) and view.shape == (8, 3, 8, 8), view.shape
        for s, n in before.items():
            want = n + 1 if waits != "nobody" and s == waits else n
            assert cuda.standin_waits(s) == want, (passed, s)
    refused(lambda: images.__dlpack__(stream=0), "ambiguous")
    # What numpy asks for: it has no device memory.
    refused(lambda: images.__dlpack__(dl_device=(1, 0), max_version=(1, 0), copy=None), "lies on")
    refused(lambda: images.__dlpack__(stream=1, copy=True), "does not copy")


def check_device(folder, stream):
    train = open_loader(folder, n_epochs=4, device="cuda:0")
    got = (c.c_uint8 * (8 * standin.ROW))()
    n = 0
    for _ in range(4):
        for batch in train:
            assert tuple(batch.images.__dlpack_device__()) == (2, 0)
            if n == 0:
                check_streams(batch.images, stream)
            batch.images.__dlpack__(stream=-1)  # a capsule that nobody takes
            image, label = View(batch.images, stream), View(batch.labels, stream, (1, 0))
            assert (label.device, label.dtype) == ((2, 0), (0, 64, 1))
            copy_out(got, image, stream)
            driver("cuStreamSynchronize", c.c_void_p(stream))
            assert bytes(got) == pixels_of(batch.ids.tolist())
            batch.record_stream(stream)
            n += 1
    stats = train.stats()
    assert stats["bytes_copied"] >= 24 * len(got) and stats["copy_ns"] > 0, stats
    assert stats["pin_init_ns"] >= stats["pin_context_ns"] >= 0, stats
    behind = stats["gpu_wait_ns"] - stats["consumer_ns"]
    assert behind >= 0 and stats["overlap_ns"] == max(0, stats["copy_ns"] - behind), stats
    train.close()
    assert n == 24, n


def check_host_fields(folder):
    """numpy, CuPy and JAX ask host memory without a stream."""
    with open_loader(folder, n_epochs=1, pin="require") as train:
        batch = next(iter(train))
        assert tuple(batch.images.__dlpack_device__()) == (1, 0)
        view = View(batch.images, version=(1, 0))
        assert view.bytes() == pixels_of(batch.ids.tolist())
        for more in ({}, {"stream": None}, {"dl_device": (1, 0), "copy": None},
                     {"max_version": (1, 2), "copy": False}):
            batch.images.__dlpack__(**more)
        refused(lambda: batch.images.__dlpack__(stream=2), "None")
        refused(lambda: batch.images.__dlpack__(dl_device=(2, 0)), "lies on")


def copies_of(train, stream, name=True):
    to = standin.allocate(8 * standin.ROW)
    kept = []
    for _ in range(40):
        for batch in train:
            assert batch.images.pinned
            if name:
                batch.record_stream(stream)
            view = View(batch.images)
            copy_in(to, view, stream)
            kept.append(batch.labels)
            del view, batch  # while the copy may still wait
    driver("cuStreamSynchronize", c.c_void_p(stream))
    train.close()
    gc.collect()
    assert len(kept) == 240 and set(kept[0].tolist()) == {0}  # labels outlive all


def check_pinned(folder, stream):
    copies_of(open_loader(folder, n_epochs=40, pin="require"), stream)


def check_guard(folder, stream):
    """Streams that nobody names, guarded by the context's events."""
    copies_of(open_loader(folder, n_epochs=40, pin="require", guard="context"), stream, False)
    os.environ["STANDIN_DRIVER"] = "12040"
    try:
        open_loader(folder, pin="require", guard="context")
        raise AssertionError("an old driver was taken")
    except stoker.StokerError as error:
        assert "12.5" in str(error) and "12.4" in str(error), error
    with open_loader(folder, n_epochs=1, pin=True, guard="context") as train:
        next(iter(train))
        assert "need driver 12.5" in train.stats()["pin_reason"], train.stats()["pin_reason"]
    del os.environ["STANDIN_DRIVER"]
    try:
        open_loader(folder, guard="hope")
        raise AssertionError("hope was taken")
    except ValueError as error:
        assert "streams" in str(error), error


def check_torch(folder, stream):
    """torch's current stream is found without a word from the user; while a
    side stream is current and captured into a graph, nothing is recorded."""
    current = types.SimpleNamespace(cuda_stream=stream)
    side = standin.another_stream()
    sys.modules["torch"] = types.SimpleNamespace(cuda=types.SimpleNamespace(
        is_initialized=lambda: True, is_available=lambda: True, current_device=lambda: ordinal,
        current_stream=lambda device=None: current))
    ordinal = 1  # the stand-in has one device: asked for another, it says so
    for more in ({"pin": "require"}, {"device": "cuda"}):
        try:
            open_loader(folder, **more)
            raise AssertionError("torch's current device was not looked at")
        except stoker.StokerError as error:
            assert "no CUDA device 1" in str(error), error
    ordinal = 0
    copies_of(open_loader(folder, n_epochs=40, pin="require"), stream, False)
    for guard in ("streams", "context"):
        with open_loader(folder, n_epochs=1, pin="require", prefetch=3, guard=guard) as train:
            batches = iter(train)
            next(batches)
            current.cuda_stream = side
            cuda.standin_capture_stream(c.c_void_p(side))
            next(batches), next(batches)
            current.cuda_stream = stream
            cuda.standin_capture_stream(None)
            assert len(list(batches)) == 3
    assert counts().broken_captures == 0
    del sys.modules["torch"]


def main():
    stream = standin.begin(300)
    with tempfile.TemporaryDirectory() as folder:
        standin.make_photos(folder + "/photos")
        folder += "/photos"
        check_device(folder, stream)
        check_host_fields(folder)
        check_pinned(folder, stream)
        check_guard(folder, stream)
        check_torch(folder, stream)
    total = counts()
    assert total.violations == 0, total.violations
    print("%d copies, %d early reuses" % (total.copies, total.early_reuses))


main()
