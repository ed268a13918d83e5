"""Runs gpu_feed on made photos over the stand-in driver, and without one.

usage: test_gpu_feed.py GPU_FEED STOKER STANDIN_FOLDER"""
import os
import subprocess
import sys
import tempfile
import unittest

GPU_FEED, STOKER, STANDIN = sys.argv[1:4]
del sys.argv[1:4]


class GpuFeed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.photos = os.path.join(folder.name, "photos")
        subprocess.run([STOKER, "synth", self.photos, "--count", "90",
                        "--megapixels", "0.02"], check=True,
                       capture_output=True)

    def feed(self, driver):
        return subprocess.run(
            [GPU_FEED, self.photos], text=True, capture_output=True,
            check=False, timeout=100, env=dict(
                os.environ, LD_LIBRARY_PATH=driver, STANDIN_LEAKS="1"))

    def test_every_batch_arrives_and_nothing_is_left(self):
        done = self.feed(STANDIN)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("90 images in 6 steps, labels as in the folder",
                      done.stdout)
        self.assertEqual(done.stderr, "")

    def test_without_a_driver_it_says_so(self):
        done = self.feed("")
        if done.returncode == 0:
            self.skipTest("SKIPPED: this machine has a CUDA driver")
        self.assertEqual(done.returncode, 77)
        self.assertIn("SKIPPED: no CUDA driver", done.stderr)


if __name__ == "__main__":
    unittest.main()
