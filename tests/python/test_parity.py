"""The whole loader against Pillow: every batch is made again by crop, resize
and transpose from the windows and flips that the loader tells, byte for byte."""
import csv
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image, features

import stoker
from photos import noise

TOP = Path(__file__).resolve().parents[2]
DATA = TOP.parent / "shared" / "data"
MODES = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

if int(PIL.__version__.split(".")[0]) != 13:
    pytest.skip("SKIPPED: pixels are defined by Pillow 13, here is " + PIL.__version__,
                allow_module_level=True)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """One image of each kind that data sets hold."""
    root = tmp_path_factory.mktemp("zoo")
    folder = root / "all"
    folder.mkdir()
    rng = np.random.default_rng(3)

    def image(height=61, width=83, mode="RGB"):
        return Image.fromarray(noise(rng, height, width)).convert(mode)

    for sampling in (0, 1, 2):
        for progressive in (False, True):
            image().save(folder / ("s%d%d.jpg" % (sampling, progressive)), quality=85,
                         subsampling=sampling, progressive=progressive)
    image().save(folder / "restart.jpg", quality=90, restart_marker_blocks=3)
    image().save(folder / "optimized.jpg", quality=40, optimize=True)
    image(mode="L").save(folder / "grey.jpg", quality=88)
    image(mode="CMYK").save(folder / "cmyk.jpg", quality=88)
    image().save(folder / "rgb.png")
    image(mode="L").save(folder / "grey.png")
    image(mode="1").save(folder / "bits.png")
    image(mode="P").save(folder / "palette.png")
    image().quantize(5).save(folder / "few.png", transparency=2)
    alpha = image()
    alpha.putalpha(image(mode="L"))
    alpha.save(folder / "rgba.png")
    alpha.convert("LA").save(folder / "la.png")
    deep = rng.integers(0, 65536, (40, 50), dtype=np.uint16)
    deep[:20] //= 200  # below 256 too: Pillow clips at 255
    Image.fromarray(deep).save(folder / "deep.png")
    image().save(folder / "named_wrong.jpg", format="PNG")
    if features.check("webp"):
        image().save(folder / "lossy.webp", quality=80)
        image().save(folder / "lossless.webp", lossless=True)
        alpha.save(folder / "alpha.webp", quality=80)
    for height, width in ((1, 1), (1, 300), (300, 1), (2, 3), (16, 16), (17, 8), (500, 333)):
        image(height, width).save(folder / ("size%dx%d.jpg" % (height, width)), quality=92)
        image(height, width).save(folder / ("size%dx%d.png" % (height, width)))
    return root


def pillow(path, window, flip, size, mode):
    """torchvision's PIL path: crop, then resize, then flips."""
    top, left, height, width = window
    image = Image.open(path).convert("RGB").crop((left, top, left + width, top + height))
    image = image.resize((size[1], size[0]), MODES[mode])
    if flip & 1:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if flip & 2:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return np.asarray(image)


def compare(loader, size, mode, epochs=1, change=lambda a: a):
    """How many rows were compared; each equals Pillow's, bit for bit."""
    rows = 0
    for _ in range(epochs):
        for batch in loader:
            images = np.asarray(batch.images)
            for k, (i, ok, window, flip) in enumerate(zip(
                    batch.ids.tolist(), batch.valid.tolist(), batch.windows.tolist(),
                    batch.flips.tolist())):
                assert ok, loader.bad()
                want = change(pillow(loader.path(i), window, flip, size, mode))
                assert images[k].dtype == want.dtype and images[k].tobytes() == want.tobytes(), \
                    (loader.path(i), window, flip)
                rows += 1
    return rows


def nchw(array):
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def flips():
    return [stoker.RandomHorizontalFlip(), stoker.RandomVerticalFlip()]


@pytest.mark.parametrize("decoder", ["auto", "libjpeg"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_random_windows_and_flips_of_every_kind_of_image(zoo, mode, layout, decoder):
    for size in ((32, 32), (9, 70)):
        with stoker.ImageLoader(zoo, batch_size=8, decoder=decoder, layout=layout, transforms=[
                stoker.RandomResizedCrop(size, interpolation=mode), *flips()]) as loader:
            assert compare(loader, size, mode, epochs=4,
                           change=nchw if layout == "NCHW" else np.asarray) > 100


def test_pillow_12s_order_of_passes(zoo):
    """Horizontal first always: made here by two resizes."""
    def both(path, window, flip, size):
        top, left, height, width = window
        image = Image.open(path).convert("RGB").crop((left, top, left + width, top + height))
        image = image.resize((size[1], height), MODES["bilinear"])
        image = image.resize((size[1], size[0]), MODES["bilinear"])
        return np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image)

    with stoker.ImageLoader(zoo, batch_size=8, layout="NHWC", pixels="pillow12", transforms=[
            stoker.RandomResizedCrop(20), stoker.RandomHorizontalFlip()]) as loader:
        for batch in loader:
            images = np.asarray(batch.images)
            for k, i in enumerate(batch.ids.tolist()):
                want = both(loader.path(i), batch.windows.tolist()[k],
                            batch.flips.tolist()[k], (20, 20))
                assert (images[k] == want).all(), loader.path(i)


def evaluated(path, short, crop, mode):
    """Resize(short) and CenterCrop(crop) as torchvision spells them."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    small, large = min(width, height), max(width, height)
    other = int(short * large / small)
    size = (short, other) if width <= height else (other, short)
    if (width, height) != size:
        image = image.resize(size, MODES[mode])
    width, height = image.size
    if crop > width or crop > height:
        left, top = max(0, (crop - width) // 2), max(0, (crop - height) // 2)
        padded = Image.new("RGB", (left + width + max(0, (crop - width + 1) // 2),
                                   top + height + max(0, (crop - height + 1) // 2)))
        padded.paste(image, (left, top))
        image = padded
        width, height = image.size
    top, left = round((height - crop) / 2), round((width - crop) / 2)
    return np.asarray(image.crop((left, top, left + crop, top + crop)))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("short, crop", [(256, 224), (40, 33), (32, 45)])
def test_resize_and_center_crop(zoo, short, crop, mode):
    with stoker.ImageLoader(zoo, batch_size=8, shuffle=False, layout="NHWC", transforms=[
            stoker.Resize(short, interpolation=mode), stoker.CenterCrop(crop)]) as loader:
        for batch in loader:
            images = np.asarray(batch.images)
            for k, i in enumerate(batch.ids.tolist()):
                want = evaluated(loader.path(i), short, crop, mode)
                assert (images[k] == want).all(), loader.path(i)


@pytest.mark.parametrize("normalize", [False, True])
def test_floats_are_bit_equal_to_float32_arithmetic(zoo, normalize):
    torch = pytest.importorskip("torch", reason="SKIPPED: torch is not installed")
    mean, std = (np.array(v, np.float32) for v in (stoker.IMAGENET_MEAN, stoker.IMAGENET_STD))

    def values(array):
        t = array.astype(np.float32) * (np.float32(1) / np.float32(255))
        return nchw((t - mean) / std if normalize else t)

    transforms = [stoker.RandomResizedCrop(24), *flips()]
    if normalize:
        transforms.append(stoker.Normalize(stoker.IMAGENET_MEAN, stoker.IMAGENET_STD))
    for dtype in ("float32", "float16", "bfloat16"):
        with stoker.ImageLoader(zoo, batch_size=8, dtype=dtype, transforms=transforms) as loader:
            for batch in loader:
                got = torch.from_dlpack(batch.images)
                for k, i in enumerate(batch.ids.tolist()):
                    want = torch.from_numpy(values(pillow(
                        loader.path(i), batch.windows.tolist()[k], batch.flips.tolist()[k],
                        (24, 24), "bilinear"))).to(got.dtype)
                    assert torch.equal(got[k], want), loader.path(i)


def test_real_photos():
    root = DATA / "imagenet-sample"
    if not root.is_dir():
        pytest.skip("SKIPPED: no real photos at %s" % root)
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    with stoker.ImageLoader.from_items([(p, 0) for p in files[::4]], batch_size=16, transforms=[
            stoker.RandomResizedCrop(224), stoker.RandomHorizontalFlip()]) as loader:
        assert compare(loader, (224, 224), "bilinear", change=nchw) >= 50


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_odd_files_are_read_or_refused_as_pillow_does():
    if not (DATA / "odd" / "MANIFEST.tsv").exists():
        pytest.skip("SKIPPED: no odd images at %s" % (DATA / "odd"))
    known = {row["path"] for row in table(TOP / "tests" / "data" / "odd_differences.tsv")}
    rows = [r for r in table(DATA / "odd" / "MANIFEST.tsv")
            if r["status"] in ("ok", "error") and r["path"] not in known]
    wrong, equal = [], 0
    with stoker.ImageLoader.from_items(
            [(DATA / "odd" / r["path"], 0) for r in rows], batch_size=16, shuffle=False,
            layout="NHWC", on_error="mask", max_bad=None,
            transforms=[stoker.RandomResizedCrop(32), *flips()]) as loader:
        for batch in loader:
            images = np.asarray(batch.images)
            for k, (i, ok) in enumerate(zip(batch.ids.tolist(), batch.valid.tolist())):
                row = rows[i]
                if bool(ok) != (row["status"] == "ok"):
                    wrong.append((row["path"], "verdict", row["message"]))
                elif ok:
                    want = pillow(DATA / "odd" / row["path"], batch.windows.tolist()[k],
                                  batch.flips.tolist()[k], (32, 32), "bilinear")
                    equal += (images[k] == want).all()
                    if not (images[k] == want).all():
                        wrong.append((row["path"], "pixels"))
        reasons = loader.bad()
    assert wrong == [] and equal > 100
    assert all(b["reason"] and Path(b["path"]).name in b["reason"] for b in reasons)
