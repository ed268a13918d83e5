"""What a loader and its transforms refuse, by name."""
import errno
import math

import pytest

import stoker
from photos import make_photos, run_python


def open_loader(photos, small, **more):
    arguments = dict(batch_size=8, seed=5, transforms=small, workers=2)
    arguments.update(more)
    return stoker.ImageLoader(photos, **arguments)


RRC = stoker.RandomResizedCrop(16)

REFUSED = [
    (dict(batch_size=0), "batch_size"), (dict(batch_size=-1), "batch_size"),
    (dict(batch_size=2**62), ""), (dict(batch_size="8"), "^batch_size"), (dict(batch_size=1.5), "^batch_size"),
    (dict(global_batch_size=0), "global_batch_size"),
    (dict(global_batch_size=-4), "global_batch_size"),
    (dict(workers=0), "workers"), (dict(workers=-1), "workers"), (dict(workers=10**6), "worker"),
    (dict(prefetch=1), "slots|prefetch"), (dict(prefetch=0), "slots|prefetch"),
    (dict(prefetch=-3), "slots|prefetch"), (dict(prefetch=2**31), ""),
    (dict(rank=2, world_size=2), "rank"), (dict(rank=-1, world_size=2), "rank"),
    (dict(rank=0), "together"), (dict(world_size=2), "together"),
    (dict(rank=0, world_size=0), "world"),
    (dict(n_epochs=0), "n_epochs"), (dict(n_epochs=-1), "n_epochs"),
    (dict(io="aio"), "'aio'"), (dict(decoder="turbo"), "'turbo'"), (dict(dtype="int8"), "'int8'"),
    (dict(layout="CHWN"), "'CHWN'"), (dict(pixels="pillow1"), "'pillow1'"),
    (dict(on_error="ignore"), "'ignore'"), (dict(damaged="no"), "'no'"),
    (dict(cpu="mmx"), "'mmx'"), (dict(pin=[]), "pin"), (dict(device="tpu"), "'tpu'"),
    (dict(max_bad=-1), "max_bad"), (dict(max_bad=True), "max_bad"),
    (dict(max_bad=math.nan), "max_bad"), (dict(max_bad=-0.5), "max_bad"),
    (dict(max_bad=1.5), "max_bad"), (dict(max_bad_run=-1), "max_bad_run"),
    (dict(stall_timeout=math.nan), "^stall_timeout"), (dict(stall_timeout=-1), "stall_timeout"),
    (dict(stall_timeout="x"), "^stall_timeout"), (dict(stall_timeout=None), "^stall_timeout"),
    (dict(stall_timeout=math.inf), "^stall_timeout"), (dict(workers="2"), "^workers"),
    (dict(n_epochs=1.5), "^n_epochs"), (dict(global_batch_size="8"), "^global_batch_size"),
    (dict(max_pixels=0), "max_pixels"), (dict(max_side=-1), "max_side"),
    (dict(max_file_bytes=0), "max_file_bytes"), (dict(reads_ahead=0), "reads_ahead"),
    (dict(reads_ahead=65), "reads_ahead"), (dict(reads_ahead="x"), ""),
    (dict(max_pixels=1.5), ""),
    (dict(seed="x"), "^seed"), (dict(seed=None), "^seed"), (dict(seed=1.5), "^seed"), (dict(transforms=[1]), r"transforms\[0\]"),
    (dict(transforms=[RRC, RRC]), "RandomResizedCrop"),
    (dict(transforms=[stoker.Resize(16)]), "Resize"),
    (dict(transforms=[]), ""),
    (dict(transforms=[stoker.CenterCrop(8), RRC]), ""),
    (dict(transforms=[RRC, stoker.Normalize((0, 0, 0), (1, 1, 1))]), "Normalize"),
    (dict(transforms=[RRC, stoker.Normalize((0, 0, 0), (1, 0, 1))], dtype="float32"),
     "Normalize|std"),
    (dict(transforms=[RRC, stoker.Normalize((0, math.nan, 0), (1, 1, 1))], dtype="float32"),
     "Normalize|mean"),
    (dict(transforms=[stoker.RandomResizedCrop(16, antialias=False)]), "antialias"),
    (dict(transforms=[stoker.RandomResizedCrop(16, scale=(1, 0.5))]), "scale"),
    (dict(transforms=[stoker.RandomResizedCrop(16, scale=(math.nan, 1))]), "scale"),
    (dict(transforms=[stoker.RandomResizedCrop(16, ratio=(-1, 1))]), "ratio"),
    (dict(transforms=[stoker.RandomResizedCrop(2**30)]), ""),
    (dict(ledger="/nowhere/at/all"), "/nowhere/at/all"),
    (dict(transforms=RRC), "must be a list"), (dict(dtype=float), "'float'"),
    (dict(reads_ahead=2**32 + 8), "^reads_ahead"), (dict(prefetch=2**32 + 8), "^prefetch"),
    (dict(workers=2**32 + 2), "^workers"), (dict(max_bad=2**64 + 1), "^max_bad"),
    (dict(batch_size=2**64 + 8), "^batch_size"), (dict(rank=2**32, world_size=2), "^rank"),
    (dict(device=2**32), "^device"), (dict(max_bad_run=2**64), "^max_bad_run"),
    (dict(prefetch=1), "^prefetch"), (dict(device_buffers=0), "^device_buffers"),
    (dict(numa_node=-2), "^numa_node"), (dict(numa_node=1024), "^numa_node"),
    (dict(seed=-1), "^seed"), (dict(seed=2**64), "^seed"),
]


@pytest.mark.parametrize("arguments, match", REFUSED, ids=[repr(r[0])[:60] for r in REFUSED])
def test_bad_arguments_are_refused_by_name(photos, small, arguments, match):
    with pytest.raises(stoker.StokerError, match=match or None):
        open_loader(photos, small, **arguments)


@pytest.mark.parametrize("make, match", [
    (lambda: stoker.RandomResizedCrop(0), "positive"),
    (lambda: stoker.RandomResizedCrop((1, 2, 3)), "one or two"),
    (lambda: stoker.RandomResizedCrop(2.5), "int"),
    (lambda: stoker.RandomResizedCrop(True), "int"),
    (lambda: stoker.RandomResizedCrop(8, interpolation="nearest"), "nearest"),
    (lambda: stoker.RandomResizedCrop(8, interpolation=True), "interpolation"),
    (lambda: stoker.RandomResizedCrop(8, scale=(1,)), "scale"),
    (lambda: stoker.RandomResizedCrop(8, scale=0.5), "scale"),
    (lambda: stoker.Normalize(0.5, 0.5), "three"),
    (lambda: stoker.RandomCrop(8, padding=2), "padding"),
    (lambda: stoker.RandomHorizontalFlip(1.1), "p must"),
    (lambda: stoker.RandomVerticalFlip(math.nan), "p must"),
    (lambda: stoker.Normalize((0, 0), (1, 1)), "three"),
    (lambda: stoker.Resize(8, max_size=4), "max_size"),
    (lambda: stoker.Resize(8, max_size=2**32 + 9), "max_size"),
    (lambda: stoker.Resize(8, max_size=9.5), "max_size"),
])
def test_bad_transforms_are_refused_when_they_are_made(make, match):
    with pytest.raises((ValueError, TypeError), match=match or None):
        make()


def test_refusals_are_valueerrors_and_oserrors_too(photos, small, tmp_path):
    with pytest.raises(ValueError):
        open_loader(photos, small, batch_size=0)
    with pytest.raises(OSError, match="nowhere") as refusal:
        open_loader(tmp_path / "nowhere", small)
    assert refusal.value.errno == refusal.value.code == errno.ENOENT
    with pytest.raises(stoker.DatasetError):
        open_loader(tmp_path, small)
    (tmp_path / "a").mkdir()
    with pytest.raises(stoker.DatasetError, match="a"):
        open_loader(tmp_path, small)
    for root in (None, 3, "a\0b"):
        with pytest.raises((TypeError, ValueError)):
            open_loader(root, small)


@pytest.mark.parametrize("policy", ["mask", "refill"])
def test_a_ledger_over_the_limit_of_file_sizes_says_so(tmp_path, policy):
    """The first write is short, so that only the next one knows the cause."""
    root, ledger = make_photos(tmp_path / "photos", 30), tmp_path / "ledger"
    for path in sorted(root.glob("*/*.jpg"))[::4]:
        path.write_bytes(b"")
    done = run_python("""
        import resource, sys, stoker
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        with stoker.ImageLoader(sys.argv[1], on_error=sys.argv[3], ledger=sys.argv[2],
                                max_bad=None, transforms=[stoker.CenterCrop(8)]) as loader:
            for _ in range(2):
                try:
                    next(iter(loader))
                except stoker.StokerError as e:
                    print(e)
    """, root, ledger, policy)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and lines[0] == lines[1], done.stdout + done.stderr
    assert lines[0].startswith("ledger %s: File too large" % ledger)
    assert ledger.read_bytes().endswith(b"}\n") and len(ledger.read_bytes()) < 500


def test_the_ranks_of_a_machine_share_its_usable_cpus(photos, small, monkeypatch):
    def workers(**more):
        with open_loader(photos, small, workers=None, **more) as loader:
            return loader.stats()["n_workers"]

    alone = workers()
    for ranks in (1, 2, 10**6):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
        assert workers() == max(1, alone // ranks)


def test_a_launchers_variables_that_are_no_numbers_are_named(photos, small, monkeypatch):
    for name in ("RANK", "LOCAL_WORLD_SIZE"):
        with monkeypatch.context() as patch:
            patch.setenv("WORLD_SIZE", "2")
            patch.setenv(name, "first")
            with pytest.raises(stoker.OptionError, match="%s is 'first'" % name):
                open_loader(photos, small, workers=None)


def test_epochs_and_ids_that_are_no_ints_are_refused(photos, small):
    with open_loader(photos, small) as loader:
        for wrong in (1.5, "1", None, -1, 2**40):
            with pytest.raises(stoker.OptionError, match="^epoch"):
                loader.set_epoch(wrong)
        for call in (loader.path, loader.label):
            for wrong in (1.5, "1", None):
                with pytest.raises(stoker.OptionError, match="^id must be an int"):
                    call(wrong)


def test_labels_that_are_no_ints_of_64_bits_are_refused(small):
    for wrong in ("1", 0.0, 1.5, None, 2**63, -2**63 - 1):
        with pytest.raises(ValueError, match=r"items\[0\]: the label"):
            stoker.ImageLoader.from_items([(b"x", wrong)], transforms=small)


def test_bytes_that_are_bad_are_named_by_their_place_in_the_list(small, photos):
    photo = next(photos.glob("*/*.jpg"))
    items = [(photo, 0), (photo.read_bytes(), 1), (photo, 2), (b"GIF89a" + bytes(50), 3)]
    with stoker.ImageLoader.from_items(items, batch_size=4, shuffle=False,
                                       transforms=small) as loader:
        with pytest.raises(stoker.SampleError, match="^item 3: GIF"):
            next(iter(loader))
