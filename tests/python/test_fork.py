"""A forked child is told, and harms nobody."""
from photos import run_python

START = """
import os, sys
import numpy as np
import stoker
def make():
    return stoker.ImageLoader(sys.argv[1], batch_size=4, workers=2,
                              transforms=[stoker.RandomResizedCrop(16)])
def child(work):
    pid = os.fork()
    if pid == 0:
        code = 9
        try:
            code = work() or 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def ends_well(source, photos):
    done = run_python(START + source, photos)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_child_that_goes_on_is_told(photos):
    ends_well("""
loader = make()
batches = iter(loader)
first = next(batches)
def work():
    try:
        next(batches)
    except stoker.ForkError as error:
        return 0 if "fork" in str(error) else 3
    return 4
assert child(work) == 0
rest = [i for b in batches for i in b.ids.tolist() if i >= 0]
assert sorted(first.ids.tolist() + rest) == list(range(60))
""", photos)


def test_a_child_may_read_what_it_inherited_and_drop_it(photos):
    ends_well("""
import gc
loader = make()
batches = iter(loader)
batch = next(batches)
view = np.asarray(batch.images)
total = int(view.sum())
def work():
    global batch, view, loader, batches
    same = int(view.sum()) == total
    del batch, view, loader, batches
    gc.collect()
    return 0 if same else 3
assert child(work) == 0
assert int(view.sum()) == total
assert sum(1 for _ in batches) == 14
""", photos)


def test_a_child_may_close_and_open_its_own(photos):
    ends_well("""
loader = make()
batches = iter(loader)
next(batches)
def work():
    loader.close()
    with make() as mine:
        return 0 if sum(1 for _ in mine) == 15 else 3
assert child(work) == 0
assert sum(1 for _ in batches) == 14
""", photos)


def test_a_child_may_exit_the_normal_way(photos):
    ends_well("""
loader = make()
batches = iter(loader)
batch = next(batches)
pid = os.fork()
if pid == 0:
    sys.exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
assert sum(1 for _ in batches) == 14
""", photos)


def test_a_loader_that_has_not_begun_survives_a_fork_in_the_parent(photos):
    ends_well("""
loader = make()
def work():
    try:
        return 0 if sum(1 for _ in loader) == 15 else 3
    except stoker.ForkError:
        return 0
assert child(work) == 0
assert sum(1 for _ in loader) == 15
""", photos)
