"""gpu-check's checks that need the driver alone."""
import itertools
import json
import subprocess

from batches import View, forever, host_images, take
from driver import DeviceBlock, HostBlock
from report import Skip, want

DTYPES = ("uint8", "float16", "bfloat16", "float32")


def parity(setup):
    """Every dtype and layout, normalised on the GPU and on the host: what
    lies in device memory is the host path's, byte for byte."""
    n_bytes = n_kinds = 0
    for dtype, layout, on_gpu in itertools.product(
            DTYPES, ("NCHW", "NHWC"), (True, False)):
        if dtype == "uint8" and not on_gpu:
            continue
        n_bytes += parity_of(setup, dtype, layout, on_gpu)
        n_kinds += 1
    return f"{n_kinds} kinds, {n_bytes / 1e6:.1f} MB equal"


def parity_of(setup, dtype, layout, on_gpu):
    what = f"{dtype} {layout} {'on the GPU' if on_gpu else 'on the host'}"
    options = dict(dtype=dtype, layout=layout)
    stream, total, n = setup.driver.stream(), 0, 4
    with setup.loader(**options) as host, setup.loader(
            device=setup.device, device_normalize=on_gpu, **options) as there:
        for plain, batch in zip(take(host, n), take(there, n)):
            for name in ("images", "labels", "valid"):
                want_bytes = View(getattr(plain, name)).host_bytes()
                view = View(getattr(batch, name), stream)
                want(view.n_bytes == len(want_bytes), f"{what}: {name}: size")
                block = HostBlock(setup.driver, view.n_bytes)
                setup.driver.read(block.address, view.address, view.n_bytes,
                                  stream)
                setup.driver.sync(stream)
                got = block.bytes(0, view.n_bytes)
                block.close()
                want(got == want_bytes, f"{what}: {name} differ")
                total += view.n_bytes
        reason = there.stats()["pin_reason"]
        want(not (on_gpu and reason), f"{what}: {reason}")
    return total


def late_device_reads(setup, protected=True):
    """A stream that reads each device batch long after its last view has
    died.  protected=False is the control: a stream that the loader was never
    told of.  Returns how many of how many were read wrongly."""
    n = 30 if setup.is_small else 200
    late_s = 0.002 if protected else 0.02
    options = dict(size=96, batch_size=16)
    truth = host_images(setup, n, **options)
    driver, size = setup.driver, len(truth[0])
    stream, other = driver.stream(), driver.stream()
    block = HostBlock(driver, n * size)
    with setup.loader(device=setup.device, **options) as loader:
        for i, batch in enumerate(take(loader, n)):
            view = View(batch.images, stream if protected else other)
            if not protected:
                driver.sync(other)
            if protected or i % 8 == 0:
                driver.spin(stream, late_s)
            driver.read(block.address + i * size, view.address, size, stream)
            view.drop()
            del batch
        driver.sync(stream)
    wrong = sum(block.bytes(i * size, size) != truth[i] for i in range(n))
    block.close()
    return wrong, n


def no_early_reuse_of_device_buffers(setup):
    wrong, n = late_device_reads(setup)
    want(wrong == 0, f"{wrong} of {n} batches were overwritten too early")
    return f"{n} batches read late, none overwritten"


def no_early_reuse_of_pinned_batches(setup):
    """Host mode: copies that begin long after the batch's last view died."""
    n = 30 if setup.is_small else 200
    options = dict(size=96, batch_size=16)
    truth = host_images(setup, n, **options)
    driver, size = setup.driver, len(truth[0])
    stream = driver.stream()
    there, back = DeviceBlock(driver, n * size), HostBlock(driver, n * size)
    with setup.loader(pin="require", **options) as loader:
        for i, batch in enumerate(take(loader, n)):
            view = View(batch.images)
            batch.record_stream(stream)
            driver.spin(stream, 0.002)
            driver.write(there.address + i * size, view.address, size, stream)
            view.drop()
            del batch
        driver.read(back.address, there.address, n * size, stream)
        driver.sync(stream)
    wrong = sum(back.bytes(i * size, size) != truth[i] for i in range(n))
    back.close()
    there.close()
    want(wrong == 0, f"{wrong} of {n} batches were overwritten too early")
    return f"{n} batches copied late, none overwritten"


def control_finds_early_reuse(setup):
    """Shows that the two checks above can fail."""
    wrong, n = late_device_reads(setup, protected=False)
    if wrong == 0:
        raise Skip("the control, a stream that was not named, has seen no "
                   "overwritten batch: the checks above prove less here")
    return f"a stream that was not named reads {wrong} of {n} wrongly"


def host_mode_is_pinned(setup):
    with setup.loader(pin="require") as loader:
        for batch in take(loader, 6):
            want(batch.images.pinned, "a batch says that it is not pinned")
            want(setup.driver.is_pinned(View(batch.images).address),
                 "the driver does not know the batch as page-locked")
        stats = loader.stats()
    want(not stats["pin_reason"], stats["pin_reason"])
    return "6 batches are page-locked for the driver"


def capture_stays_whole(setup):
    """A graph is captured (global mode, the strictest) while two loaders
    start, register, copy and hand out batches on this very thread."""
    driver, stream = setup.driver, setup.driver.stream()
    with setup.loader(device=setup.device) as there, \
            setup.loader(pin="require") as pinned:
        driver.begin_capture(stream)
        try:
            for one, two in zip(take(there, 12), take(pinned, 12)):
                driver.spin(stream, 0.001)
                del one, two
        finally:
            driver.end_capture(stream)
    return "24 batches of two loaders came meanwhile"


def copies_hide_behind_steps(setup):
    """Steps of spinning: with copies ahead they should take as long as with
    no loader at all."""
    driver, stream = setup.driver, setup.driver.stream()
    n = 10 if setup.is_small else 60
    options = dict(size=224, batch_size=64, dtype="float16")
    with setup.loader(device=setup.device, **options) as loader:
        batches = forever(loader)
        free = timed(lambda: use(driver, next(batches), stream, 0), n, 8)
        step_s = max(0.004, 1.5 * free)
        alone = timed(lambda: spin_once(driver, stream, step_s), n, 2)
        before = loader.stats()
        fed = timed(lambda: use(driver, next(batches), stream, step_s), n, 8)
        after = loader.stats()
    copies = after["n_copies"] - before["n_copies"]
    copy_s = (after["copy_ns"] - before["copy_ns"]) * 1e-9 / max(1, copies)
    lost = 100 * (fed - alone) / alone
    text = (f"a step of {alone * 1e3:.2f} ms takes {fed * 1e3:.2f} ms with its "
            f"batch ({lost:+.1f} %); a copy takes {copy_s * 1e3:.2f} ms, a "
            f"batch every {free * 1e3:.2f} ms without steps")
    if setup.is_small:
        return text + " (not judged on a stand-in)"
    want(lost < 5, text)
    return text


def timed(work, n, warm_up):
    """Seconds a call."""
    import time
    for _ in range(warm_up):
        work()
    began = time.perf_counter()
    for _ in range(n):
        work()
    return (time.perf_counter() - began) / n


def spin_once(driver, stream, seconds):
    driver.spin(stream, seconds)
    driver.sync(stream)


def use(driver, batch, stream, seconds):
    view = View(batch.images, stream)
    if seconds:
        driver.spin(stream, seconds)
    driver.sync(stream)
    view.drop()


def pinning_costs(setup):
    """The first batch of a ring of 512 MB, pinned and plain."""
    figures = []
    for pin in (False, "require"):
        with setup.loader(size=224, batch_size=64, prefetch=54,
                          pin=pin) as loader:
            for batch in take(loader, 1):
                del batch
            stats = loader.stats()
            want(stats["n_slots"] == 54, "not as many batches as asked for")
            figures.append(stats["first_batch_ns"] * 1e-9)
            if pin:
                start = stats["pin_init_ns"] * 1e-9
    return (f"first batch of a ring of 512 MB after {figures[0]:.3f} s plain, "
            f"{figures[1]:.3f} s pinned; driver and context {start:.3f} s")


def doctor(setup):
    gpus = json.loads(tool(setup, "doctor", "--json"))["gpus"]
    want(len(gpus) > setup.ordinal, "doctor sees no such device")
    gpu = gpus[setup.ordinal]
    want("error" not in gpu, gpu.get("error"))
    want(gpu["copy_bytes_s"] > 0, "no bandwidth was measured")
    rated = f" of {gpu['bus_bytes_s'] / 1e9:.1f}" if gpu["bus_bytes_s"] else ""
    return (f"pinning {gpu['pin_s_gb']:.3f} s a GB, copies "
            f"{gpu['copy_bytes_s'] / 1e9:.1f}{rated} GB/s, enough for "
            f"{gpu['bus_img_s']:.0f} img/s; the bus "
            f"{'may' if gpu['bus_may_bind'] else 'does not'} bind")


def batches_a_second(setup):
    seconds = 1 if setup.is_small else 4
    plain = bench(setup, seconds)
    there = bench(setup, seconds, "--device", setup.device)
    floats = bench(setup, seconds, "--device", setup.device, "--dtype", "f16")
    device = there["device"]
    want(not floats["device"]["reason"], floats["device"]["reason"])
    return (f"{plain['img_s'] / 64:.1f} a second to host memory, "
            f"{there['img_s'] / 64:.1f} to the device, "
            f"{floats['img_s'] / 64:.1f} as f16 (64 images each; copies at "
            f"{device['copy_bytes_s'] / 1e9:.1f} GB/s)")


def bench(setup, seconds, *words):
    return json.loads(tool(setup, "bench", setup.speed_folder, "--json", "--seconds",
                           str(seconds), *words))


def tool(setup, *words):
    done = subprocess.run([setup.tool, *words], capture_output=True, text=True,
                          check=False, timeout=300)
    want(done.returncode == 0, f"stoker {words[0]}: {done.stderr.strip()}")
    return done.stdout


CHECKS = [
    ("pixels in device memory", parity),
    ("no early reuse, device mode", no_early_reuse_of_device_buffers),
    ("no early reuse, host mode", no_early_reuse_of_pinned_batches),
    ("host mode is pinned", host_mode_is_pinned),
    ("graph capture unharmed", capture_stays_whole),
    ("copies hidden behind steps", copies_hide_behind_steps),
    ("cost of pinning", pinning_costs),
    ("doctor's figures", doctor),
    ("batches a second", batches_a_second),
]
# Last: it does on purpose what must not be done.
CONTROL = ("control", control_finds_early_reuse)
