"""examples/train_torch.py learns, and what is stopped in the middle goes on
with the losses of a run that is not."""
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("stoker", reason="SKIP: stoker is not installed (pip install ./python)")
pytest.importorskip("torch", reason="SKIP: no torch here: the torch example does not run")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "train_torch.py"
COLOURS = [(220, 40, 40), (40, 200, 60), (50, 60, 220), (200, 200, 40)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Four classes, told apart by colour."""
    root = tmp_path_factory.mktemp("train")
    draw = random.Random(7)
    for label, colour in enumerate(COLOURS):
        (root / f"class{label}").mkdir()
        for i in range(20):
            size = (draw.randint(40, 80), draw.randint(40, 80))
            near = tuple(min(255, max(0, c + draw.randint(-35, 35))) for c in colour)
            Image.new("RGB", size, near).save(root / f"class{label}" / f"{i}.jpg")
    return root


def train(photos, *more):
    # One thread: torch may sum in another order with another number of them.
    done = subprocess.run([sys.executable, str(SCRIPT), str(photos), "--epochs", "4",
                           "--batch-size", "16", *map(str, more)], capture_output=True, text=True,
                          env=dict(os.environ, OMP_NUM_THREADS="1"), timeout=120)
    assert done.returncode == 0, done.stderr
    return re.findall(r"epoch \d+: .*", done.stdout)


def test_loss_falls_and_a_resumed_run_is_the_unbroken_one(photos, tmp_path):
    whole = train(photos, "--log", tmp_path / "whole", "--workers", 1)
    losses = [float(re.search(r"loss ([\d.]+)", line)[1]) for line in whole]
    assert len(losses) == 4 and losses[-1] < 0.5 * losses[0]

    parts = []
    for more in (["--stop-after", "3"], ["--stop-after", "2"], ["--stop-after", "6"], []):
        parts += train(photos, "--log", tmp_path / "parts", "--workers", 2,
                       "--checkpoint", tmp_path / "state.pt", *more)
    assert parts == whole
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
