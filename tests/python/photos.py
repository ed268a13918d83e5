"""Small photos for tests, the same for the same seed, and ways to run Python
in a process of its own."""
import subprocess
import sys
import textwrap

import numpy as np
from PIL import Image


def noise(rng, height, width, channels=3):
    """Something with smooth and sharp parts, as photos have."""
    coarse = rng.integers(0, 256, (max(1, height // 8) + 1, max(1, width // 8) + 1, channels),
                          dtype=np.uint8)
    big = np.stack([np.asarray(Image.fromarray(coarse[..., c]).resize((width, height)))
                    for c in range(channels)], -1).astype(np.int16)
    big += rng.integers(-20, 21, big.shape, dtype=np.int16)
    out = big.clip(0, 255).astype(np.uint8)
    return out if channels > 1 else out[..., 0]


def make_photos(root, count, classes=3, side=48, seed=1):
    """count JPEGs of about side x side in class folders; returns the root."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        folder = root / ("class%d" % (i % classes))
        folder.mkdir(parents=True, exist_ok=True)
        height, width = (int(v) for v in rng.integers(side // 2, side * 2, 2))
        Image.fromarray(noise(rng, height, width)).save(folder / ("photo%03d.jpg" % i), quality=90)
    return root


def run_python(source, *arguments, timeout=60):
    """The finished process of this source."""
    return subprocess.run([sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
                          capture_output=True, text=True, timeout=timeout, check=False)


def ids_of(batches):
    """All ids of some batches, padding left out."""
    return [i for b in batches for i in b.ids.tolist() if i >= 0]
