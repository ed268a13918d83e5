"""The placer's pixels against Pillow 13 itself, through the test program place_tool.

STOKER_PLACE_TOOL names it; else the usual build folders are searched."""

import os
import random
import struct
import subprocess
from pathlib import Path

import pytest

np = pytest.importorskip("numpy", reason="no numpy: nothing to compare with")
PIL = pytest.importorskip("PIL", reason="no Pillow: nothing to compare with")
from PIL import Image  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
NAMED = os.environ.get("STOKER_PLACE_TOOL")
FOUND = [Path(NAMED)] if NAMED else sorted(TOP.glob("build*/**/place_tool"))
pytestmark = [
    pytest.mark.skipif(not FOUND, reason="no place_tool: build the tests, or name it"),
    pytest.mark.skipif(int(PIL.__version__.split(".")[0]) != 13,
                       reason=f"the definition is Pillow 13, here is {PIL.__version__}"),
]
BILINEAR, BICUBIC = 2, 3
CPUS = {"scalar": 1, "vec128": 4, "avx2": 2, "avx512": 3}


class Tool:
    """One running place_tool; skips where the machine lacks the cpu level."""

    def __init__(self, cpu):
        self.process = subprocess.Popen([FOUND[0], str(CPUS[cpu])], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def place(self, image, size, kind, vertical_first, flip=False, view=None):
        h, w, _ = image.shape
        left, top, vw, vh = view or (0, 0, *size)
        head = struct.pack("<11i", w, h, *size, kind, vertical_first, flip, left, top, vw, vh)
        try:
            self.process.stdin.write(head + image.tobytes())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        got = self.process.stdout.read(3 * vw * vh)
        if len(got) < 3 * vw * vh:
            self.process.wait()
            if self.process.returncode == 77:
                pytest.skip("this machine lacks the cpu level")
            raise AssertionError(f"place_tool ended with {self.process.returncode}")
        return np.frombuffer(got, np.uint8).reshape(vh, vw, 3)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(params=CPUS)
def tool(request):
    tool = Tool(request.param)
    yield tool
    tool.close()


def vertical_first(w, h, ow, oh):
    """Pillow 13's order of passes."""
    return w != ow and h != oh and h > oh and h - oh > 2 * (w - ow)


def random_side(rng, most):
    kind = rng.random()
    if kind < 0.15:
        return rng.randint(1, 4)
    if kind < 0.8:
        return rng.randint(1, min(most, 500))
    return rng.randint(1, most)


def random_image(rng, w, h):
    noise = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.3:  # extremes push bicubic sums over both ends
        return noise.integers(0, 2, (h, w, 3), dtype=np.uint8) * np.uint8(255)
    return noise.integers(0, 256, (h, w, 3), dtype=np.uint8)


def check(tool, image, size, kind):
    h, w, _ = image.shape
    want = np.asarray(Image.fromarray(image).resize(size, kind))
    got = tool.place(image, size, kind, vertical_first(w, h, *size))
    assert np.array_equal(got, want), f"{w}x{h} -> {size}, kind {kind}"


@pytest.mark.parametrize("kind", [BILINEAR, BICUBIC])
def test_random_sizes_equal_pillow(tool, kind):
    rng = random.Random(kind)
    for _ in range(120):
        w, h = random_side(rng, 1500), random_side(rng, 1500)
        size = (random_side(rng, 400), random_side(rng, 400))
        check(tool, random_image(rng, w, h), size, kind)


@pytest.mark.parametrize("kind", [BILINEAR, BICUBIC])
def test_giants_and_slivers_equal_pillow(tool, kind):
    rng = random.Random(7)
    for w, h, ow, oh in [(8192, 5, 224, 224), (5, 8192, 224, 224), (8000, 1, 1, 1),
                         (1, 8000, 1, 1), (1, 1, 224, 224), (2, 3, 1000, 1), (3000, 2000, 224, 224),
                         (2000, 3000, 224, 224), (7000, 300, 256, 10), (224, 500, 224, 224),
                         (500, 224, 224, 224), (224, 224, 224, 224), (301, 777, 299, 223)]:
        check(tool, random_image(rng, w, h), (ow, oh), kind)


def test_older_pillow_is_always_horizontal_first(tool):
    """Pillow 12's result, made of two passes that Pillow 13 does alone."""
    rng = random.Random(3)
    for _ in range(30):
        w, h = rng.randint(1, 400), rng.randint(1, 900)
        size = (rng.randint(1, 300), rng.randint(1, 300))
        image = random_image(rng, w, h)
        across = Image.fromarray(image).resize((size[0], h), BILINEAR)
        want = np.asarray(across.resize(size, BILINEAR))
        assert np.array_equal(tool.place(image, size, BILINEAR, 0), want), (w, h, size)


def test_a_flipped_view_equals_pillows_cut_and_flip(tool):
    rng = random.Random(5)
    for _ in range(40):
        w, h = rng.randint(1, 700), rng.randint(1, 700)
        size = (rng.randint(1, 300), rng.randint(1, 300))
        image = random_image(rng, w, h)
        vw, vh = rng.randint(1, 260), rng.randint(1, 260)
        left, top = (size[0] - vw) // 2, (size[1] - vh) // 2
        grid = Image.fromarray(image).resize(size, BICUBIC)
        want = np.asarray(grid.crop((left, top, left + vw, top + vh)))[:, ::-1]
        got = tool.place(image, size, BICUBIC, vertical_first(w, h, *size), True,
                         (left, top, vw, vh))
        assert np.array_equal(got, want), (w, h, size, vw, vh)
