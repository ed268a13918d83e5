"""Processes that end, fork or lose a thread with copies in flight: the stand-in
driver sees nothing wrong, and nothing hangs.

usage: check_gpu_ends.py LIBSTOKER PACKAGE_FOLDER  (LD_LIBRARY_PATH: the stand-in)
"""

import os
import subprocess
import sys
import tempfile
import textwrap

START = """
import gc, os, sys, threading, time
sys.path[:0] = [%(package)r, %(here)r]
os.environ["STOKER_LIBRARY"] = %(library)r
import standin, stoker
from standin import View, copy_in, copy_out
import ctypes as c
stream = standin.begin(5000)
to = standin.allocate(8 * standin.ROW)
got = (c.c_uint8 * (8 * standin.ROW))()
def make(**more):
    return stoker.ImageLoader(%(folder)r, batch_size=8, workers=2, seed=1,
                              transforms=[stoker.CenterCrop(8)], **dict(%(mode)s, **more))
def use(batch, on=None):
    # A copy that has hardly begun when this comes back.
    batch.record_stream(on or stream)
    if batch.images.device is None:
        view = View(batch.images)
        copy_in(to, view, on or stream)
    else:
        view = View(batch.images, on or stream)
        copy_out(got, view, on or stream)
    return view
"""

MODES = {"host": "dict(pin='require')", "device": "dict(device='cuda:0')",
         "context": "dict(pin='require', guard='context')"}

ENDS = {
    "nothing begun": "loader = make()",
    "views": """
loader = make()
batches = iter(loader)
kept = [use(next(batches)) for _ in range(2)]
""",
    "a dead view": """
loader = make()
batches = iter(loader)
for _ in range(5):
    use(next(batches))
""",
    "a closed loader with views": """
loader = make()
batch = next(iter(loader))
view = use(batch)
loader.close()
""",
    "views that outlive their loader": """
def work():
    loader = make()
    return use(next(iter(loader)))
views = [work() for _ in range(3)]
gc.collect()
""",
    "cycles": """
class Node: pass
node = Node()
node.me, node.loader = node, make()
node.batches = iter(node.loader)
node.view = use(next(node.batches))
""",
    "sys.exit in the loop": """
for i, batch in enumerate(make()):
    use(batch)
    if i == 3:
        sys.exit(0)
""",
    "os._exit in the loop": """
for i, batch in enumerate(make()):
    use(batch)
    if i == 3:
        os._exit(0)
""",
    "a module's attribute": """
stoker.kept = make()
stoker.view = use(next(iter(stoker.kept)))
""",
    "a daemon thread in the loop": """
begun = threading.Event()
def work():
    loader = make()
    mine = standin.another_stream()
    while True:
        for batch in loader:
            use(batch, mine)
            begun.set()
def run():
    standin.cuda.standin_forgive_depth()  # this thread never pops it
    context = c.c_void_p()
    standin.driver("cuDevicePrimaryCtxRetain", c.byref(context), 0)
    standin.driver("cuCtxPushCurrent_v2", context)
    work()
threading.Thread(target=run, daemon=True).start()
begun.wait(20)
""",
    "views that die on other threads": """
loader = make(prefetch=6)
batches = iter(loader)
for _ in range(4):
    held = [use(next(batches))]
    threading.Thread(target=held.clear).start()
del held
""",
    "a child that reads, drops and ends": """
loader = make()
batches = iter(loader)
batch = next(batches)
view = use(batch)
label = batch.ids.tolist()
pid = os.fork()
if pid == 0:
    good = batch.images.device is not None or view.bytes() == standin.pixels_of(label)
    try:
        next(batches)
        good = False
    except stoker.ForkError:
        pass
    del view, batch, batches
    gc.collect()
    loader.close()
    os._exit(0 if good else 3)
assert os.waitpid(pid, 0)[1] == 0
del view, batch
assert sum(1 for batch in batches if use(batch)) == 5
loader.close()
standin.driver("cuStreamSynchronize", c.c_void_p(stream))
assert standin.counts().violations == 0
""",
    "a child that exits the normal way": """
loader = make()
batches = iter(loader)
view = use(next(batches))
pid = os.fork()
if pid == 0:
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert sum(1 for batch in batches if use(batch)) == 5
""",
    "a loader that is lost": """
loader = make()
batches = iter(loader)
view = use(next(batches))
# From here on every call fails, also those that pop contexts.
standin.cuda.standin_forgive_depth()
standin.cuda.standin_fail(b"*", 1, 719, 1)
try:
    for batch in batches:
        pass
    for batch in loader:
        pass
    raise SystemExit("a lost device went unseen")
except stoker.StokerError as error:
    assert "cu" in str(error), error
loader.close()
with stoker.ImageLoader(%(folder)r, batch_size=8, transforms=[stoker.CenterCrop(8)],
                        n_epochs=1, pin=True) as plain:
    assert sum(1 for _ in plain) == 6
    assert plain.stats()["pin_reason"].startswith("not pinned: cu"), plain.stats()
""",
}


def main():
    library, package = sys.argv[1], sys.argv[2]
    names = {"library": os.path.abspath(library), "package": os.path.abspath(package),
             "here": os.path.dirname(os.path.abspath(__file__))}
    failed = n = 0
    with tempfile.TemporaryDirectory() as folder:
        names["folder"] = folder + "/photos"
        sys.path.insert(0, names["here"])
        import standin
        standin.make_photos(names["folder"])
        for mode, arguments in MODES.items():
            for end, source in ENDS.items():
                source = START % dict(names, mode=arguments) + source.replace(
                    "%(folder)r", repr(names["folder"]))
                try:
                    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)],
                                          capture_output=True, text=True, timeout=60,
                                          check=False)
                    what = (done.returncode, done.stdout, done.stderr)
                except subprocess.TimeoutExpired:
                    what = "hangs"
                n += 1
                if what != (0, "", ""):
                    failed += 1
                    print("FAIL %s, %s: %s" % (mode, end, what))
    print("%d ends, %d failed" % (n, failed))
    return 1 if failed else 0


sys.exit(main())
