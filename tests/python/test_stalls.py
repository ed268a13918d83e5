"""Storage that never answers: tests/fault's file system under a Python loader."""
import errno
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

import stoker
from photos import make_photos

STALL_S, DEADLINE_S = 0.5, 10


@pytest.fixture
def mount(tmp_path):
    """Where every file is a photo and a name's head says how it fails."""
    library = os.environ.get("STOKER_LIBRARY", "")
    server = Path(library).parent / "tests" / "fault" / "fuse_slow"
    if not server.exists() or not os.path.exists("/dev/fuse"):
        pytest.skip("SKIPPED: no fuse_slow beside the library, or no /dev/fuse")
    photo = next(make_photos(tmp_path / "one", 1).glob("*/*.jpg"))
    folder = tmp_path / "mount"
    folder.mkdir()
    process = subprocess.Popen([server, folder, photo], stderr=subprocess.DEVNULL)
    for _ in range(500):
        if os.path.ismount(folder) or process.poll() is not None:
            break
        time.sleep(0.01)
    if not os.path.ismount(folder):
        pytest.skip("SKIPPED: FUSE cannot be mounted here")
    # It ends what hangs also where the loader would wait for it.
    end = threading.Timer(DEADLINE_S, process.kill)
    end.start()
    yield folder
    end.cancel()
    subprocess.run(["fusermount3", "-uqz", folder], check=False)
    process.kill()
    process.wait()


def test_a_folder_that_never_lists_is_told_after_stall_timeout(mount, small):
    began = time.monotonic()
    with pytest.raises(stoker.DatasetError, match="dirs_root: stalled") as refusal:
        stoker.ImageLoader(mount / "dirs_root", transforms=small, stall_timeout=STALL_S)
    assert refusal.value.errno == errno.ETIMEDOUT
    assert time.monotonic() - began < DEADLINE_S - 2


def test_a_photo_that_never_opens_is_told_by_name_and_close_works(mount, small):
    items = [(mount / ("ok_%d.jpg" % i), 0) for i in range(20)]
    items[10] = (mount / "opens_10.jpg", 0)
    began = time.monotonic()
    with stoker.ImageLoader.from_items(items, batch_size=4, shuffle=False, transforms=small,
                                       workers=2, stall_timeout=STALL_S) as loader:
        with pytest.raises(stoker.SampleError, match="opens_10.jpg: stalled") as refusal:
            for _ in loader:
                pass
        assert (refusal.value.code, refusal.value.id) == (errno.ETIMEDOUT, 10)
    assert time.monotonic() - began < DEADLINE_S - 2
