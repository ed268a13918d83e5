"""Resize's and CenterCrop's geometry against torchvision's own functions.

Needs torchvision's Python files; its compiled operators are not used, so that
their absence (a build for another torch) does not matter.  STOKER_TOOLS names
the folder of print_geometry; else the usual build folders are searched."""

import os
import random
import subprocess
from pathlib import Path

import plain_torchvision
import pytest


def find_tool():
    top = Path(__file__).resolve().parents[2]
    named = os.environ.get("STOKER_TOOLS")
    found = ([Path(named) / "print_geometry"] if named
             else sorted(top.glob("build*/**/print_geometry")))
    return found[0] if found and found[0].exists() else None


def import_functional():
    pytest.importorskip("torch")
    if plain_torchvision.load() is None:
        pytest.skip("torchvision is not installed")
    from torchvision.transforms.v2.functional import _geometry
    return _geometry


def sizes():
    rng = random.Random(5)
    for _ in range(4000):
        yield rng.choice([rng.randint(1, 40), rng.randint(1, 600), rng.randint(1, 9000)])


def cases():
    rng, size = random.Random(7), sizes()
    for width, height in zip(size, size):
        short = rng.randint(1, 400)
        max_size = rng.choice([0, 0, short + rng.randint(1, 300)])
        pair = rng.random() < 0.2
        resize = rng.choice([(0, 0, 0), (short, rng.randint(1, 400) if pair else 0,
                                         0 if pair else max_size)])
        yield (*resize, rng.randint(1, 500), rng.randint(1, 500), width, height)


def expected(geometry, case):
    height, width = case[6], case[5]
    if case[0]:
        size = [case[0], case[1]] if case[1] else [case[0]]
        height, width = geometry._compute_resized_output_size(
            (height, width), size=size, max_size=case[2] or None)
    if height < 1 or width < 1:
        return None
    crop = [case[3], case[4]]
    left, top, right, bottom = (
        geometry._center_crop_compute_padding(crop[0], crop[1], height, width)
        if crop[0] > height or crop[1] > width else (0, 0, 0, 0))
    at = geometry._center_crop_compute_crop_anchor(
        crop[0], crop[1], height + top + bottom, width + left + right)
    return [height, width, at[0] - top, at[1] - left, *crop]


def test_geometry_equals_torchvision():
    tool = find_tool()
    if tool is None:
        pytest.skip("print_geometry is not built")
    geometry = import_functional()
    table = list(cases())
    text = "".join(" ".join(map(str, case)) + "\n" for case in table)
    out = subprocess.run([tool], input=text, capture_output=True, text=True, check=True)
    lines = out.stdout.splitlines()
    assert len(lines) == len(table) == 2000
    for case, line in zip(table, lines):
        want = expected(geometry, case)
        assert line == ("refused" if want is None else " ".join(map(str, want))), case
