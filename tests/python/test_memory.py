"""Views share the loader's memory, outlive everything, and cost only slots."""
import gc
import sys
import weakref

import numpy as np
import pytest

import stoker


def open_loader(photos, small, **more):
    arguments = dict(batch_size=8, seed=5, transforms=small, workers=2)
    arguments.update(more)
    return stoker.ImageLoader(photos, **arguments)


def address(array):
    return array.__array_interface__["data"][0]


def test_numpy_and_torch_share_the_bytes(photos, small):
    torch = pytest.importorskip("torch", reason="SKIPPED: torch is not installed")
    for dtype in ("uint8", "float16", "float32"):
        with open_loader(photos, small, dtype=dtype) as loader:
            batch = next(iter(loader))
            for name in ("images", "labels", "ids", "valid", "windows", "flips"):
                field = getattr(batch, name)
                tensor = torch.from_dlpack(field)
                assert tensor.data_ptr() == address(np.asarray(field)) == field._data
                assert tensor.shape == field.shape and str(tensor.dtype) == "torch." + field.dtype
                assert address(np.from_dlpack(field)) == field._data
            assert batch.images._data % 64 == 0
            tensor = torch.from_dlpack(batch.images)
            tensor[0] = 1
            assert (np.asarray(batch.images)[0] == 1).all()


def test_bfloat16_reaches_torch_by_dlpack(photos, small):
    torch = pytest.importorskip("torch", reason="SKIPPED: torch is not installed")
    with open_loader(photos, small, dtype="bfloat16") as loader:
        field = next(iter(loader)).images
        tensor = torch.from_dlpack(field)
        assert tensor.dtype == torch.bfloat16 and tensor.data_ptr() == field._data


def test_the_dlpack_protocol_is_kept(photos, small):
    with open_loader(photos, small) as loader:
        field = next(iter(loader)).images
        assert field.__dlpack_device__() == (1, 0)
        assert '"dltensor"' in repr(field.__dlpack__())
        assert '"dltensor_versioned"' in repr(field.__dlpack__(max_version=(1, 0)))
        assert '"dltensor_versioned"' in repr(field.__dlpack__(max_version=(2, 3)))
        with pytest.raises(BufferError):
            field.__dlpack__(copy=True)
        with pytest.raises(BufferError):
            field.__dlpack__(dl_device=(2, 0))
        with pytest.raises(BufferError):
            field.__dlpack__(stream=1)
        for _ in range(1000):  # capsules that nobody takes give their share back
            field.__dlpack__()


@pytest.mark.parametrize("keep", ["array", "slice", "dlpack", "torch", "field"])
def test_views_outlive_the_batch_and_the_loader(photos, small, keep):
    loader = open_loader(photos, small, prefetch=2)
    batches = iter(loader)
    batch = next(batches)
    before = np.asarray(batch.images).copy()
    if keep == "array":
        view = np.asarray(batch.images)
    elif keep == "slice":
        view = np.asarray(batch.images)[3:5, 1]
        before = before[3:5, 1]
    elif keep == "dlpack":
        view = np.from_dlpack(batch.images)
    elif keep == "torch":
        torch = pytest.importorskip("torch", reason="SKIPPED: torch is not installed")
        view = torch.from_dlpack(batch.images)
    else:
        view = batch.images
    del batch
    gc.collect()
    for other in batches:  # would overwrite the slot if it were free
        del other
    assert (np.asarray(view) == before).all()
    loader.close()
    del loader, batches
    gc.collect()
    rubbish = [np.full(before.nbytes, 255, np.uint8) for _ in range(64)]
    assert (np.asarray(view) == before).all()
    assert len(rubbish) == 64


def test_kept_images_cost_slots_and_then_an_error_with_advice(photos, small, monkeypatch):
    monkeypatch.setattr("stoker.loader._BUSY_S", 0.3)
    with open_loader(photos, small, prefetch=3) as loader:
        batches = iter(loader)
        kept = [np.asarray(next(batches).images) for _ in range(3)]
        copies = [k.copy() for k in kept]
        for _ in range(2):  # it is no sticky error
            with pytest.raises(stoker.BusyError, match="prefetch|clone|copy|held"):
                next(batches)
        kept.pop()
        copies.pop()
        assert next(batches).step == 3
        assert all((k == c).all() for k, c in zip(kept, copies))


def test_views_in_reference_cycles_are_collected_in_time(photos, small):
    gc.disable()
    try:
        with open_loader(photos, small, prefetch=2) as loader:
            for batch in loader:
                cycle = [np.asarray(batch.images)]
                cycle.append(cycle)
                del batch, cycle
    finally:
        gc.enable()


def test_kept_labels_cost_nothing(photos, small):
    with open_loader(photos, small, prefetch=2) as loader:
        kept = []
        for _ in range(4):
            for batch in loader:
                kept.append([np.asarray(getattr(batch, name)) for name in
                             ("labels", "ids", "valid", "windows", "flips")])
        seen = sorted(i for entry in kept for i in entry[1].tolist())
        assert seen == sorted(list(range(60)) * 4)
        for labels, ids, valid, _, _ in kept:
            assert [loader.label(i) for i in ids.tolist()] == labels.tolist() and valid.all()


def test_a_dropped_loader_is_closed_and_freed(photos, small):
    loader = open_loader(photos, small)
    next(iter(loader))
    alive = weakref.ref(loader)
    del loader
    gc.collect()
    assert alive() is None


def test_many_loaders_leak_nothing(photos, small):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def round_():
        with open_loader(photos, small, prefetch=2, workers=1) as loader:
            np.asarray(next(iter(loader)).images)

    for _ in range(30):
        round_()
    before = resident()
    for _ in range(150):
        round_()
    gc.collect()
    assert resident() - before < 8 << 20


def test_no_line_of_python_runs_when_a_batch_dies(photos, small):
    """An interrupt that landed in one would be swallowed."""
    lines = []
    with open_loader(photos, small) as loader:
        batch = next(iter(loader))
        array = np.asarray(batch.images)
        sys.setprofile(lambda frame, event, _: event == "call" and lines.append(frame.f_code))
        del batch, array
        sys.setprofile(None)
        assert lines == []


def test_an_interrupt_takes_no_batch_away(photos, small, monkeypatch):
    def interrupt(lease):
        raise KeyboardInterrupt

    with open_loader(photos, small, prefetch=2, batch_size=1) as loader:
        batches = iter(loader)
        with monkeypatch.context() as patch:
            patch.setattr(stoker.loader, "Batch", interrupt)
            for _ in range(20):
                with pytest.raises(KeyboardInterrupt):
                    next(batches)
        assert sum(1 for _ in batches) == 60 - 20


def test_shares_of_the_dead_are_forgotten(photos, small):
    before = len(stoker.batch._shares)
    with open_loader(photos, small, batch_size=1) as loader:
        for _ in range(10):
            for batch in loader:
                batch.images, batch.labels
    assert len(stoker.batch._shares) < 2 * before + 200  # of 1,800
