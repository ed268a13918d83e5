"""Finds the library and the package; makes the folders of photos that many
tests read.  STOKER_LIBRARY names a built libstoker.so, else the build folders
are looked at; the package is the one of this checkout."""
import os
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def _library():
    given = os.environ.get("STOKER_LIBRARY")
    if given:
        return given
    for folder in (os.environ.get("STOKER_BUILD"), TOP / "build-test", TOP / "build"):
        if folder and (Path(folder) / "libstoker.so").exists():
            return str(Path(folder) / "libstoker.so")
    return None


# Into the environment, so that processes that tests start find the same.
_found = _library()
if _found:
    os.environ["STOKER_LIBRARY"] = _found
    sys.path.insert(0, str(TOP / "python"))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(TOP / "python"), os.environ.get("PYTHONPATH", "")])
# A launcher's variables would give every loader here a rank.
for _name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
    os.environ.pop(_name, None)

from photos import make_photos  # noqa: E402


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of 60 small JPEGs in 3 classes."""
    return make_photos(tmp_path_factory.mktemp("photos"), 60)


@pytest.fixture(scope="session")
def small():
    """Transforms that make tiny batches."""
    import stoker
    return [stoker.RandomResizedCrop(16), stoker.RandomHorizontalFlip()]
