"""What a loader, its batches and their fields say."""
import copy
import os
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import stoker
from photos import ids_of, make_photos


def open_loader(photos, small, **more):
    arguments = dict(batch_size=8, seed=5, transforms=small, workers=2)
    arguments.update(more)
    return stoker.ImageLoader(photos, **arguments)


def test_a_batch_is_two_things_and_has_six_fields(photos, small):
    with open_loader(photos, small) as loader:
        batch = next(iter(loader))
        images, labels = batch
        assert len(batch) == 2 and batch[0] is images and batch[-1] is labels
        with pytest.raises(IndexError):
            batch[2]
        with pytest.raises(AttributeError, match="'masks', but images, labels"):
            batch.masks
        shapes = {name: (getattr(batch, name).shape, getattr(batch, name).dtype)
                  for name in ("images", "labels", "ids", "valid", "windows", "flips")}
        assert shapes == {"images": ((8, 3, 16, 16), "uint8"), "labels": ((8,), "int64"),
                          "ids": ((8,), "int64"), "valid": ((8,), "uint8"),
                          "windows": ((8, 4), "int32"), "flips": ((8,), "uint8")}
        for name in shapes:
            field = getattr(batch, name)
            array = np.asarray(field)
            assert len(field) == 8 == len(array) and array.shape == field.shape
            assert str(array.dtype) == field.dtype and array.nbytes == field.nbytes
            assert field.tolist() == array.tolist() and name[:-1] in repr(field)
        assert (batch.epoch, batch.step, batch.n_rows, batch.n_valid) == (0, 0, 8, 8)
        assert "rows=8" in repr(batch)


def test_batches_and_fields_are_neither_pickled_nor_copied_deeply(photos, small):
    with open_loader(photos, small) as loader:
        batch = next(iter(loader))
        for thing in (batch, batch.images, batch.labels):
            assert copy.copy(thing) is thing
            for call in (pickle.dumps, copy.deepcopy):
                with pytest.raises(TypeError, match="np.array"):
                    call(thing)


def test_reprs_say_what_is_not_the_default(photos, small):
    assert repr(stoker.Resize(8)) == "Resize(8)"
    assert repr(stoker.Resize(8, interpolation="bicubic", max_size=9)) \
        == "Resize(8, interpolation='bicubic', max_size=9)"
    assert "bicubic" in repr(stoker.RandomResizedCrop(8, interpolation="bicubic"))
    with open_loader(os.fsencode(photos), small) as loader:
        assert repr(loader).startswith("ImageLoader(%r, 60 samples" % str(photos))


def test_limits_reach_the_library_by_their_names(photos, small):
    limits = dict(max_pixels=10**6, max_side=2000, max_file_bytes=10**6, max_scans=7,
                  max_decoder_bytes=2**26, max_decode_ms=9000, retry_ms=11, reads_ahead=3,
                  huge_pages=0, numa_node=0)
    with open_loader(photos, small, **limits) as loader:
        assert {name: getattr(loader._options, name) for name in limits} == limits
        assert len(next(iter(loader)).ids) == 8
    with open_loader(photos, small, **dict.fromkeys(limits)) as loader:
        assert loader._options.max_scans == 500 and loader._options.numa_node == -1
    for name in limits:
        with pytest.raises(stoker.OptionError, match=name):
            open_loader(photos, small, **{name: "many"})


def test_labels_and_paths_follow_the_folders(photos, small):
    with open_loader(photos, small) as loader:
        assert loader.classes == ["class0", "class1", "class2"]
        assert loader.class_to_idx == {"class0": 0, "class1": 1, "class2": 2}
        assert loader.n_samples == 60 and len(loader) == 8
        assert "60 samples" in repr(loader)
        for batch in loader:
            for i, label in zip(batch.ids.tolist(), batch.labels.tolist()):
                path = Path(loader.path(i))
                assert path.is_file() and path.parent.name == loader.classes[label]
                assert loader.label(i) == label
        for wrong in (-1, 60, 2**40):
            with pytest.raises(IndexError):
                loader.path(wrong)
            with pytest.raises(IndexError):
                loader.label(wrong)


def test_root_may_be_text_a_path_or_bytes(photos, small):
    prints = set()
    for root in (str(photos), Path(photos), os.fsencode(photos)):
        with open_loader(root, small) as loader:
            prints.add(loader.fingerprint)
            assert isinstance(loader.path(0), str)
    assert len(prints) == 1 and len(prints.pop()) == 32


def test_names_that_are_no_utf8_can_be_read_back(photos, small, tmp_path):
    data = next(photos.glob("*/*.jpg")).read_bytes()
    folder = os.fsencode(tmp_path) + b"/cl\xff\xc3\xa9"
    os.mkdir(folder)
    with open(folder + b"/ph\xfeoto.jpg", "wb") as file:
        file.write(data)
    with open_loader(tmp_path, small) as loader:
        assert os.fsencode(loader.classes[0]) == b"cl\xff\xc3\xa9"
        with open(loader.path(0), "rb") as file:
            assert file.read() == data
        assert ids_of(loader) == [0]


@pytest.mark.parametrize("dtype, layout", [(d, la) for d in ("uint8", "float32", "float16")
                                           for la in ("NCHW", "NHWC")])
def test_dtypes_and_layouts(photos, small, dtype, layout):
    with open_loader(photos, small, dtype=dtype, layout=layout) as loader:
        images = next(iter(loader)).images
        assert images.shape == ((8, 3, 16, 16) if layout == "NCHW" else (8, 16, 16, 3))
        assert str(np.asarray(images).dtype) == dtype == images.dtype
        if dtype == "float16":
            with pytest.raises(BufferError):
                images.tolist()


def test_numpys_classes_are_understood(photos, small):
    with open_loader(photos, small, dtype=np.float16) as loader:
        assert next(iter(loader)).images.dtype == "float16"


def test_numpys_dtypes_are_understood(photos, small):
    for dtype in (np.dtype("float32"), "float32"):
        with open_loader(photos, small, dtype=dtype) as loader:
            assert next(iter(loader)).images.dtype == "float32"


def test_bfloat16_says_use_dlpack(photos, small):
    with open_loader(photos, small, dtype="bfloat16") as loader:
        images = next(iter(loader)).images
        assert images.nbytes == 8 * 3 * 16 * 16 * 2
        with pytest.raises(AttributeError, match="dlpack"):
            images.__array_interface__
        for ask in (np.asarray, np.array, images.__array__):
            with pytest.raises(TypeError, match="dlpack"):
                ask(images) if ask is not images.__array__ else ask()


def test_no_shuffle_is_the_order_of_the_folder(photos, small):
    with open_loader(photos, small, shuffle=False) as loader:
        assert ids_of(loader) == list(range(60))


def test_workers_engines_and_decoders_do_not_change_a_byte(photos, small):
    seen = set()
    for more in (dict(workers=1), dict(workers=5), dict(io="pread"), dict(decoder="libjpeg"),
                 dict(cpu="scalar"), dict(prefetch=2), dict(reads_ahead=1)):
        with open_loader(photos, small, **more) as loader:
            seen.add(b"".join(np.asarray(b.images).tobytes() for b in loader))
    assert len(seen) == 1


@pytest.mark.parametrize("cpu", ["vec128", "avx2", "avx512"])
def test_cpu_levels_do_not_change_a_byte(photos, small, cpu):
    seen = []
    for level in ("scalar", cpu):
        try:
            with open_loader(photos, small, cpu=level, digest_pixels=True) as loader:
                for _ in loader:
                    pass
                seen.append(loader.digest())
        except stoker.StokerError as e:
            pytest.skip("SKIPPED: %s" % e)
    assert seen[0] == seen[1]


def test_items_from_memory_and_files(photos, small):
    files = sorted(photos.glob("*/*.jpg"))[:6]
    items = [(files[0], -7), (files[1].read_bytes(), 2**40), (str(files[2]), 3),
             (bytearray(files[3].read_bytes()), 4)]
    with stoker.ImageLoader.from_items(items, batch_size=4, shuffle=False,
                                       transforms=small) as loader:
        del items
        assert loader.classes == [] and len(loader) == 1
        batch = next(iter(loader))
        assert batch.labels.tolist() == [-7, 2**40, 3, 4]
        assert batch.valid.tolist() == [1] * 4


def test_items_that_are_no_pairs_are_named(small):
    for items in ([("a",)], ["ab"], [(b"x", 1), 3]):
        with pytest.raises(ValueError, match=r"items\[%d\] must be" % (len(items) - 1)):
            stoker.ImageLoader.from_items(items, transforms=small)
    with stoker.ImageLoader.from_items([(b"x", 1)], transforms=small) as loader:
        assert repr(loader) == "ImageLoader(items, 1 samples, 1 batches)"


def test_stats_and_report_tell_what_happened(photos, small):
    with open_loader(photos, small) as loader:
        for _ in loader:
            pass
        stats = loader.stats()
        assert stats["n_samples"] >= 60 and stats["n_batches"] >= 8 and stats["n_bad"] == 0
        assert stats["io"] in ("uring", "pread") and stats["n_workers"] == 2
        assert stats["arena_bytes"] > 0 and isinstance(stats["memory_reason"], str)
        assert len(loader.report()) > 20
        assert loader.bad() == []


def test_no_stage_took_less_than_no_time(photos):
    """Photos so small, batches so large and fresh that the first touch of
    their memory is most of the work: the placer's times are estimates."""
    for _ in range(5):
        with open_loader(photos, [stoker.RandomResizedCrop(384)], dtype="float32",
                         prefetch=8) as loader:
            for _ in loader:
                pass
            stats = loader.stats()
        times = {name: stats[name] for name in ("read_ns", "input_ns", "probe_ns", "decode_ns",
                                                "resample_ns", "emit_ns", "idle_ns")}
        assert min(times.values()) >= 0, times


@pytest.fixture
def with_bad(tmp_path):
    """Eight photos; number 3 is cut, number 5 no image."""
    make_photos(tmp_path, 8, classes=1)
    files = sorted(tmp_path.glob("*/*.jpg"))
    files[3].write_bytes(files[3].read_bytes()[:200])
    files[5].write_bytes(b"no image at all")
    return tmp_path


def test_raise_names_the_file_and_stays(with_bad, small):
    with open_loader(with_bad, small, shuffle=False, batch_size=2) as loader:
        batches = iter(loader)
        next(batches)
        for _ in range(2):
            with pytest.raises(stoker.SampleError, match="photo003.jpg") as caught:
                next(batches)
            assert caught.value.id == 3 and caught.value.code > 0
            assert caught.value.stage in ("probe", "decode")
        # Behind it: the run goes on where it is told to.
        state = loader.state_dict()
        state["consumed"] = 6
        loader.load_state_dict(state)
        assert ids_of(loader) == [6, 7]


def test_mask_zeroes_lists_and_writes_the_ledger(with_bad, small, tmp_path_factory):
    import json
    ledger = tmp_path_factory.mktemp("ledger") / "bad.jsonl"
    with open_loader(with_bad, small, shuffle=False, on_error="mask", ledger=ledger) as loader:
        batch = next(iter(loader))
        assert batch.valid.tolist() == [1, 1, 1, 0, 1, 0, 1, 1] and batch.n_bad == 2
        assert batch.ids.tolist() == list(range(8))
        assert [batch.labels.tolist()[i] for i in (3, 5)] == [-100, -100]
        assert not np.asarray(batch.images)[[3, 5]].any()
        bad = loader.bad()
        assert [b["id"] for b in bad] == [3, 5]
        assert all(b["path"].endswith("photo%03d.jpg" % b["id"]) and b["reason"] for b in bad)
        assert len(bad[0]["bytes_hash"]) == 32 and loader.stats()["n_bad"] == 2
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["id"] for line in lines] == [3, 5]


def test_refill_puts_declared_duplicates(with_bad, small):
    with open_loader(with_bad, small, shuffle=False, on_error="refill") as loader:
        batch = next(iter(loader))
        assert batch.valid.tolist() == [1] * 8 and batch.n_refilled == 2
        ids = batch.ids.tolist()
        assert ids[:3] + [ids[4]] + ids[6:] == [0, 1, 2, 4, 6, 7] and not {3, 5} & set(ids)
        assert sorted({b["id"] for b in loader.bad()})[:2] == [3, 5]


@pytest.mark.parametrize("max_bad", [1, 0.2, np.int64(1), np.float32(0.2), Fraction(1, 5)],
                         ids=repr)
def test_a_budget_stops_the_run(with_bad, small, max_bad):
    with open_loader(with_bad, small, shuffle=False, on_error="mask", max_bad=max_bad) as loader:
        with pytest.raises(stoker.StokerError, match="max_bad.*: 2 of 6"):
            for _ in loader:
                pass
    for more in (None, 2 * max_bad):
        with open_loader(with_bad, small, shuffle=False, on_error="mask", max_bad=more) as loader:
            assert len(ids_of(loader)) == 8


def test_closed_loaders_say_so(photos, small):
    loader = open_loader(photos, small)
    batches = iter(loader)
    kept = next(batches)
    before, packed = np.asarray(kept.images).copy(), loader.state_bytes()
    loader.close()
    loader.close()
    with pytest.raises(StopIteration):
        next(batches)
    for call in (lambda: iter(loader), loader.state_dict, loader.stats, loader.bad,
                 loader.report, loader.digest, loader.state_bytes,
                 lambda: loader.load_state_dict(packed)):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert (np.asarray(kept.images) == before).all()
    # What the data set says stays: who masked a sample asks for its path later.
    assert len(loader) == 8 and Path(loader.path(0)).is_file()
    assert len(loader.classes) == 3 and loader.label(0) == 0 and len(loader.fingerprint) == 32
    assert "ImageLoader" in repr(loader)
