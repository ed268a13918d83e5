"""The C example learns, and a run that is stopped in the middle goes on with
the losses of one that is not: test_train.py TRAIN STOKER."""
import os
import re
import subprocess
import sys
import tempfile
import unittest


class Train(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.photos = os.path.join(cls.home.name, "photos")
        subprocess.run([STOKER, "synth", cls.photos, "--count", "200",
                        "--seed", "3"], check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.home.cleanup()

    def path(self, name):
        return os.path.join(self.home.name, name)

    def train(self, *more):
        done = subprocess.run([TRAIN, self.photos, "--epochs", "6", "--seed",
                               "5", *more], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_loss_falls_and_a_resumed_run_is_the_unbroken_one(self):
        whole = self.train("--log", self.path("whole"), "--workers", "1",
                           "--checkpoint", self.path("whole.state"))
        losses = [float(x) for x in re.findall(r"loss ([\d.]+)", whole)]
        right = [float(x) for x in re.findall(r"accuracy ([\d.]+)", whole)]
        self.assertEqual(len(losses), 6)
        self.assertLess(losses[-1], 0.6 * losses[0])
        self.assertGreater(right[-1], 60)

        # Other workers, stopped within epochs, at an end, and once more.
        parts = ""
        for steps in ("3", "4", "9", "1"):
            parts += self.train("--log", self.path("parts"), "--workers", "2",
                                "--checkpoint", self.path("parts.state"),
                                "--stop-after", steps)
        parts += self.train("--log", self.path("parts"), "--checkpoint",
                            self.path("parts.state"))
        self.assertEqual(self.read("whole"), self.read("parts"))
        epochs = re.findall(r"epoch \d+: .*", parts)
        self.assertEqual(epochs, re.findall(r"epoch \d+: .*", whole))
        self.assertEqual(self.read("whole.state"), self.read("parts.state"))

    def test_a_finished_run_has_nothing_left_to_do(self):
        self.train("--checkpoint", self.path("done"))
        before = self.read("done")
        self.train("--checkpoint", self.path("done"), "--log",
                   self.path("nothing"))
        self.assertEqual(self.read("nothing"), b"")
        self.assertEqual(self.read("done"), before)

    def test_a_checkpoint_that_is_none_is_refused_by_name(self):
        with open(self.path("broken"), "wb") as file:
            file.write(b"train-1\0" + b"x" * 100)
        done = subprocess.run([TRAIN, self.photos, "--checkpoint",
                               self.path("broken")], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("broken", done.stderr)


if __name__ == "__main__":
    TRAIN, STOKER = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
