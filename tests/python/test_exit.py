"""The interpreter ends well with everything alive."""
import pytest

from photos import run_python

START = """
import sys, threading
import numpy as np
import stoker
def make(**more):
    return stoker.ImageLoader(sys.argv[1], batch_size=4, workers=2,
                              transforms=[stoker.RandomResizedCrop(16)], **more)
"""

ENDS = {
    "nothing begun": "loader = make()",
    "an iterator": "loader = make(); batches = iter(loader); next(batches)",
    "views": """
loader = make()
batches = iter(loader)
batch = next(batches)
views = [np.asarray(batch.images), np.from_dlpack(batch.labels), batch.ids,
         batch.images.__dlpack__(), batch.windows.__dlpack__(max_version=(1, 0))]
""",
    "a closed loader with views": """
loader = make()
batch = next(iter(loader))
view = np.from_dlpack(batch.images)
loader.close()
""",
    "cycles": """
class Node: pass
node = Node()
node.me, node.loader = node, make()
node.batches = iter(node.loader)
node.batch = next(node.batches)
node.view = np.from_dlpack(node.batch.images)
""",
    "a daemon thread in the loop": """
def work():
    loader = make()
    while True:
        for batch in loader:
            np.asarray(batch.images).sum()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
import time; time.sleep(0.3)
""",
    "a daemon thread in a shared loop": """
loader = make(prefetch=2)
def work():
    kept = []
    while True:
        for batch in loader:
            kept = kept[-1:] + [batch.images]
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
import time; time.sleep(0.3)
""",
    "a thread that made everything": """
kept = []
def work():
    loader = make()
    batches = iter(loader)
    kept.extend([loader, batches, next(batches).images])
thread = threading.Thread(target=work); thread.start(); thread.join()
""",
    "a module's attribute": """
stoker.kept = make()
stoker.view = np.from_dlpack(next(iter(stoker.kept)).images)
sys.modules["np_view"] = stoker.view
""",
    # Large enough for the allocator to give their pages back when freed.
    "threads that decode items in memory": """
import io
from PIL import Image
file = io.BytesIO()
noise = np.random.default_rng(1).integers(0, 255, (700, 700, 3), np.uint8)
Image.fromarray(noise).save(file, "JPEG", quality=95)
items = [(file.getvalue() + bytes(i), i) for i in range(64)]
loader = stoker.ImageLoader.from_items(items, batch_size=4, workers=2, prefetch=16)
del items
batches = iter(loader)
next(batches)
""",
    "torch views": """
import torch
loader = make()
batches = iter(loader)
views = [torch.from_dlpack(next(batches).images) for _ in range(2)]
torch.kept = views
""",
}


@pytest.mark.parametrize("name", ENDS)
def test_exit_is_clean_with_everything_alive(photos, name):
    if "torch" in name:
        pytest.importorskip("torch", reason="SKIPPED: torch is not installed")
    done = run_python(START + ENDS[name], photos)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_exception_at_the_top_is_still_seen(photos):
    done = run_python(START + "loader = make(); b = iter(loader); x = next(b)\n1 / 0", photos)
    assert done.returncode == 1 and done.stderr.rstrip().endswith("division by zero")
