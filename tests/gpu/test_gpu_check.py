"""scripts/gpu-check over the stand-in: every check that needs the driver alone
runs and passes, those by torch are skipped aloud, the exit codes are as told,
and a check fails when what it looks at is wrong.

usage: test_gpu_check.py BUILD_FOLDER STANDIN_FOLDER"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD, STANDIN = sys.argv[1:3]
del sys.argv[1:3]


def gpu_check(*words, driver=STANDIN):
    done = subprocess.run(
        [os.path.join(TOP, "scripts", "gpu-check"), *words],
        env=dict(os.environ, LD_LIBRARY_PATH=driver), text=True, timeout=280,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


class Whole(unittest.TestCase):
    def test_every_check_by_the_driver_passes(self):
        status, text = gpu_check("--build", BUILD, "--python", sys.executable)
        self.assertEqual(status, 0, text)
        for name in ("pixels in device memory", "no early reuse, device mode",
                     "no early reuse, host mode", "host mode is pinned",
                     "graph capture unharmed", "copies hidden behind steps",
                     "cost of pinning", "doctor's figures",
                     "batches a second", "stand-in", "control"):
            self.assertIn(f"pass  {name}: ", text)
        self.assertIn("no torch with CUDA was found", text)
        self.assertEqual(text.count("NOT CHECKED  torch: "), 6, text)
        self.assertNotIn("VIOLATION", text)

    def test_nothing_to_check_is_77(self):
        status, text = gpu_check("--build", BUILD, "--device", "7")
        self.assertEqual(status, 77, text)
        self.assertIn("NOTHING WAS CHECKED: no CUDA device 7", text)

    def test_what_is_not_understood_is_2(self):
        self.assertEqual(gpu_check("--frobnicate")[0], 2)
        self.assertEqual(gpu_check("/no/such/folder")[0], 2)
        self.assertEqual(gpu_check("--device")[0], 2)

    def test_help_tells_the_exit_codes(self):
        status, text = gpu_check("--help")
        self.assertEqual(status, 0)
        self.assertIn("77 when nothing could be checked", text)


# In a process of its own, as the stand-in is looked for when it starts.
WRONG = """
import sys
sys.path.insert(0, "scripts/gpu")
import batches, driver, driver_checks, report, tempfile, main
with tempfile.TemporaryDirectory() as scratch:
    d = driver.Driver(0)
    setup = batches.Setup(d, 0, sys.argv[1], True)
    setup.folder = main.make_photos(sys.argv[1], scratch + "/photos",
                                    "--count", "64", "--megapixels", "0.02")
    right = setup.loader
    out = report.Report()
    out.run("control", driver_checks.parity_of, setup, "uint8", "NCHW", True)
    # Another epoch's pixels on the device.
    def other(device=None, **more):
        loader = right(device=device, **more)
        if device:
            loader.set_epoch(1)
        return loader
    setup.loader = other
    out.run("wrong pixels", driver_checks.parity_of, setup, "float16", "NHWC",
            True)
    setup.loader = lambda pin=None, **more: right(**more)
    out.run("not pinned", driver_checks.host_mode_is_pinned, setup)
    # Reads that are late, of buffers that nobody guards.
    setup.loader = right
    late = driver_checks.late_device_reads
    driver_checks.late_device_reads = lambda setup: late(setup, False)
    out.run("overwritten", driver_checks.no_early_reuse_of_device_buffers,
            setup)
    # A call that is not allowed while a graph is captured.
    spin = d.spin
    def bad(stream, seconds):
        d.library.cuEventSynchronize(event)
    import ctypes
    event = ctypes.c_void_p()
    d.call("cuEventCreate", ctypes.byref(event), 0)
    d.spin = bad
    out.run("broken capture", driver_checks.capture_stays_whole, setup)
    sys.exit(out.finish())
"""


class Kernel(unittest.TestCase):
    def test_the_waiting_kernel_assembles(self):
        if not shutil.which("ptxas"):
            self.skipTest("SKIPPED: no ptxas in PATH")
        sys.path.insert(0, os.path.join(TOP, "scripts", "gpu"))
        import driver
        with tempfile.NamedTemporaryFile(suffix=".ptx") as file:
            file.write(driver.SPIN.rstrip(b"\0"))
            file.flush()
            for arch in ("sm_75", "sm_90"):
                subprocess.run(["ptxas", "-arch=" + arch, "-o", os.devnull,
                                file.name], check=True)


class Wrong(unittest.TestCase):
    def test_checks_fail_when_things_are_wrong(self):
        done = subprocess.run(
            [sys.executable, "-c", WRONG, os.path.join(BUILD, "stoker")],
            cwd=TOP, text=True, timeout=200, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
            env=dict(os.environ, LD_LIBRARY_PATH=STANDIN,
                     PYTHONPATH=os.path.join(TOP, "python"),
                     STOKER_LIBRARY=os.path.join(BUILD, "libstoker.so")))
        text = done.stdout
        self.assertEqual(done.returncode, 1, text)
        self.assertIn("pass  control", text)
        for name in ("wrong pixels", "not pinned", "overwritten",
                     "broken capture"):
            self.assertIn(f"FAIL  {name}: ", text)
        self.assertIn("1 passed, 4 failed", text)


if __name__ == "__main__":
    unittest.main()
