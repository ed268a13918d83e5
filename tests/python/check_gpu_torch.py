"""gpu-check's checks by torch, run over the stand-in driver with a fake of
torch.cuda: they pass, and fail where the loader is not told what it must be.

usage: check_gpu_torch.py STOKER   (LD_LIBRARY_PATH: the stand-in)"""
import ctypes as c
import os
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts", "gpu"))

import batches  # noqa: E402
import fake_cuda  # noqa: E402
import main  # noqa: E402
import stoker.torch  # noqa: E402
import torch  # noqa: E402
import torch_checks  # noqa: E402
from driver import Driver  # noqa: E402
from report import Report  # noqa: E402


def pinned_on_a_stream(setup):
    with torch.cuda.stream(torch.cuda.Stream()):
        return torch_checks.late_copies_of_pinned(setup)


def nothing(*_):
    pass


driver = Driver(0)
driver.library.standin_pace.argtypes = [c.c_uint64, c.c_int, c.c_double]
driver.library.standin_pace(5, 500, 0)
fake_cuda.install(driver)
right, wrong = Report(), Report()
with tempfile.TemporaryDirectory() as scratch:
    setup = batches.Setup(driver, 0, sys.argv[1], True)
    setup.folder = main.make_photos(sys.argv[1], os.path.join(scratch, "photos"),
                                    "--count", "256", "--megapixels", "0.05")
    # The last one is DataLoader's speed, which page-locks by a real torch.
    for name, check in torch_checks.CHECKS[:-1]:
        right.run(name, check, setup)
    right.run("pinned, on a stream", pinned_on_a_stream, setup)
    right.run("stand-in", main.no_violations, setup)
    stoker.torch.ImageLoader.record_stream = nothing
    wrong.run("record_stream", torch_checks.late_reads_elsewhere, setup)
    stoker.torch.ImageLoader._mark = nothing
    wrong.run("mark", pinned_on_a_stream, setup)
assert not right.failed and right.n_passed == len(torch_checks.CHECKS) + 1
assert wrong.failed == ["record_stream", "mark"]
print("all as it should be")
sys.stdout.flush()
os._exit(0)  # what the last two have broken cannot be given back
