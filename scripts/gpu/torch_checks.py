"""gpu-check's checks that need a torch with CUDA: what a training script
does.  Without one each is skipped aloud."""
import os
import sys
import threading
import time

import stoker
from batches import forever, take
from report import Skip, want

COMPARE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir,
                       os.pardir, "benchmarks", "compare")
DTYPES = ("uint8", "float16", "bfloat16", "float32")
LATE_CYCLES = 20_000_000  # torch.cuda._sleep: about 10 ms at 2 GHz


def why_not(setup):
    """Why torch cannot be used here, or ''."""
    if setup.driver.is_standin:
        return "the driver is a stand-in"
    try:
        import torch
    except ImportError:
        return f"{sys.executable} has no torch (gpu-check --python PYTHON)"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no CUDA device"
    return ""


def loader(setup, size=96, batch_size=16, dtype="uint8", **more):
    import stoker.torch as st
    entries = [stoker.RandomResizedCrop(size), stoker.RandomHorizontalFlip()]
    if dtype != "uint8":
        entries.append(stoker.Normalize(stoker.IMAGENET_MEAN,
                                        stoker.IMAGENET_STD))
    return st.ImageLoader(setup.folder, batch_size=batch_size, seed=7,
                          transforms=entries, dtype=dtype, drop_last=True,
                          rank=0, world_size=1, **more)


def host_truth(setup, n, **options):
    """The first n batches of the host path, copied."""
    with loader(setup, **options) as host:
        return [tuple(t.clone() for t in batch) for batch in take(host, n)]


def tensors_are_equal(setup):
    import torch
    n = 4
    for dtype in DTYPES:
        truth = host_truth(setup, n, dtype=dtype)
        with loader(setup, dtype=dtype, device=setup.device) as there:
            for (image, label), got in zip(truth, take(there, n)):
                want(got.image.device == torch.device(setup.device),
                     f"{dtype}: on {got.image.device}")
                want(got.image.dtype == getattr(torch, dtype), f"{dtype}: is "
                     f"{got.image.dtype}")
                want(torch.equal(got.image.cpu().view(torch.uint8),
                                 image.view(torch.uint8)), f"{dtype}: images")
                want(torch.equal(got.label.cpu(), label), f"{dtype}: labels")
    return "CUDA tensors of every dtype equal the host's bits"


def read_late(setup, on_other_stream):
    """Tensors are dropped while a sleeping stream has yet to read them."""
    import torch
    n = 40
    truth = host_truth(setup, n)
    kept = []
    other = torch.cuda.Stream(setup.device)
    with torch.cuda.device(setup.device), \
            loader(setup, device=setup.device) as there:
        for batch in take(there, n):
            if on_other_stream:
                there.record_stream(other)
                other.wait_stream(torch.cuda.current_stream())
            stream = other if on_other_stream else torch.cuda.current_stream()
            with torch.cuda.stream(stream):
                torch.cuda._sleep(LATE_CYCLES)
                kept.append(batch.image.clone())
            del batch
        torch.cuda.synchronize()
    wrong = sum(not torch.equal(mine.cpu(), image)
                for mine, (image, _) in zip(kept, truth))
    want(wrong == 0, f"{wrong} of {n} batches were overwritten too early")
    return f"{n} batches read late, none overwritten"


def late_reads(setup):
    return read_late(setup, False)


def late_reads_elsewhere(setup):
    return read_late(setup, True)


def late_copies_of_pinned(setup):
    import torch
    n = 40
    truth = host_truth(setup, n)
    kept = []
    with torch.cuda.device(setup.device), \
            loader(setup, pin="require") as pinned:
        for batch in take(pinned, n):
            want(batch.image.is_pinned(), "is_pinned() is False")
            torch.cuda._sleep(LATE_CYCLES)
            kept.append(batch.image.to(setup.device, non_blocking=True))
            del batch
        torch.cuda.synchronize()
    wrong = sum(not torch.equal(mine.cpu(), image)
                for mine, (image, _) in zip(kept, truth))
    want(wrong == 0, f"{wrong} of {n} batches were overwritten too early")
    return (f"is_pinned(); {n} batches copied late by .to(non_blocking=True), "
            f"none overwritten")


def graph(setup):
    """torch.cuda.graph, while another thread is fed by two loaders; the graph
    is then replayed on their batches.  (Batches are taken outside of what is
    captured: a captured stream cannot wait for a copy.)"""
    import torch
    with torch.cuda.device(setup.device), \
            loader(setup, device=setup.device) as there, \
            loader(setup, pin="require") as pinned:
        static = next(forever(there)).image.float()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # torch asks for a warm-up
            (static * 2).sum()
        torch.cuda.current_stream().wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        fed = Feeding(setup, there, pinned)
        with torch.cuda.graph(captured):
            fed.start()
            total = (static * 2).sum()
            fed.join()
        want(fed.error is None, f"while capturing: {fed.error!r}")
        for batch in take(there, 4):
            static.copy_(batch.image)
            captured.replay()
            torch.cuda.synchronize()
            exact = float(batch.image.cpu().double().sum()) * 2
            want(abs(float(total) - exact) <= 1e-3 * abs(exact),
                 f"the graph sums to {float(total)}, not to {exact}")
    return "captured while 24 batches came, replayed 4 times"


class Feeding(threading.Thread):
    """Takes batches on a stream of its own."""

    def __init__(self, setup, there, pinned):
        import torch
        super().__init__()
        self.setup, self.loaders, self.error = setup, (there, pinned), None
        self.stream = torch.cuda.Stream(setup.device)

    def run(self):
        import torch
        try:
            with torch.cuda.stream(self.stream):
                for one, two in zip(take(self.loaders[0], 12),
                                    take(self.loaders[1], 12)):
                    del one, two
        except Exception as error:
            self.error = error


def against_dataloader(setup):
    """The same files through DataLoader(pin_memory=True) with as many
    processes as stoker has threads, and .to(non_blocking=True)."""
    import torch
    sys.path.insert(0, COMPARE)
    try:
        from compare import peer
    except ImportError as missing:
        raise Skip(f"the DataLoader needs it: {missing}") from None
    n_cpus = max(1, min(16, len(os.sched_getaffinity(0))))
    processes = peer(setup.speed_folder, "uint8", "train", n_cpus)
    theirs = torch.utils.data.DataLoader(
        processes.dataset, batch_size=64, shuffle=True, num_workers=n_cpus,
        pin_memory=True, persistent_workers=True)
    rates = [rate(setup, theirs)]
    with loader_of_folder(setup, n_cpus) as mine:
        rates.append(rate(setup, mine))
    return (f"{rates[0]:.0f} img/s by DataLoader with {n_cpus} processes, "
            f"{rates[1]:.0f} by stoker with {n_cpus} threads: "
            f"{rates[1] / rates[0]:.1f} times")


def loader_of_folder(setup, n_workers):
    import stoker.torch as st
    return st.ImageLoader(setup.speed_folder, batch_size=64, seed=7,
                          device=setup.device, workers=n_workers,
                          on_error="mask", rank=0, world_size=1)


def rate(setup, batches, seconds=8):
    """Images a second that have been summed up on the device."""
    import torch
    n, began = 0, None
    total = torch.zeros((), dtype=torch.int64, device=setup.device)
    for image, _ in forever(batches):
        image = image.to(setup.device, non_blocking=True)
        total += image.sum(dtype=torch.int64)
        if began is None:  # behind the first batch: starting is not counted
            torch.cuda.synchronize()
            began = time.perf_counter()
            continue
        n += len(image)
        if time.perf_counter() - began > seconds:
            break
    torch.cuda.synchronize()
    return n / (time.perf_counter() - began)


CHECKS = [
    ("torch: tensors on the device", tensors_are_equal),
    ("torch: read late", late_reads),
    ("torch: read late on a second stream", late_reads_elsewhere),
    ("torch: pinned, copied late", late_copies_of_pinned),
    ("torch: graph capture", graph),
    ("torch: against DataLoader", against_dataloader),
]


def run_all(report, setup):
    why = why_not(setup)
    for name, check in CHECKS:
        if why:
            report.skip(name, why)
        else:
            report.run(name, check, setup)
