"""stoker bench and doctor with a device: over the stand-in driver, whose
folder is the second argument, and without any driver."""
import os
import sys
import unittest

STANDIN = sys.argv.pop(2)

from command import Case, run  # noqa: E402

DEVICE = ["ordinal", "name", "n_copies", "bytes_copied", "batch_bytes",
          "copy_s", "copy_wait_s", "gpu_wait_s", "overlap_s", "overlap",
          "copy_bytes_s", "bus_bytes_s", "bus_img_s", "pin_init_s",
          "pin_register_s", "reason"]
GPU = ["ordinal", "name", "numa_node", "init_s", "pin_s_gb", "copy_bytes_s",
       "bus_bytes_s", "bus_img_s", "bus_may_bind"]


def set_driver(folder):
    os.environ["LD_LIBRARY_PATH"] = folder


class Gpu(Case):
    def setUp(self):
        set_driver(STANDIN)

    def bench(self, *words):
        return self.good_json("bench", self.photos, "--json", "--size", 32,
                              "--batch-size", 8, "--epochs", 4, *words)

    def test_the_whole_way_has_its_keys(self):
        result = self.bench("--device", "cuda:0")
        device = result["device"]
        self.assertEqual(list(device), DEVICE)
        self.assertEqual(result["n_images"], 96)
        self.assertEqual(device["name"], "stand-in")
        self.assertGreaterEqual(device["n_copies"], 11)  # one may run
        self.assertGreaterEqual(device["batch_bytes"], 8 * 3 * 32 * 32)
        self.assertLess(device["batch_bytes"], 8 * 3 * 32 * 32 + 1024)
        self.assertAlmostEqual(device["bytes_copied"],
                               device["batch_bytes"] * device["n_copies"],
                               delta=device["n_copies"])
        self.assertGreater(device["copy_s"], 0)
        self.assertGreater(device["bus_img_s"], 0)
        self.assertLessEqual(device["overlap"], 1)
        self.assertEqual(device["reason"], "")

    def test_floats_are_made_on_the_device(self):
        device = self.bench("--device", "cuda", "--dtype", "f32")["device"]
        self.assertLess(device["batch_bytes"], 8 * 3 * 32 * 32 + 1024)

    def test_a_step_is_waited_for(self):
        result = self.bench("--device", "0", "--step-ms", 5)
        self.assertGreaterEqual(result["seconds"], 12 * 0.005)
        self.assertIn("wait_share", result)
        self.assertEqual(result["step_ms"], 5)
        self.assertNotIn("step_ms", self.bench())

    def test_host_mode_says_whether_it_is_pinned(self):
        self.assertEqual(self.bench("--pin", "require")["pin_reason"], "")
        words = self.good("bench", self.photos, "--size", 32, "--epochs", 1,
                          "--pin", "auto")
        self.assertRegex(words, r"pinned +yes")

    def test_words_tell_of_copies_and_waits(self):
        words = self.good("bench", self.photos, "--size", 32, "--epochs", 2,
                          "--device", "cuda:0", "--step-ms", 2)
        for text in ("cuda:0 stand-in", "ms a batch", "hidden", "the GPU",
                     "would carry", "pinning", "steps"):
            self.assertIn(text, words)

    def test_a_wrong_device_is_refused(self):
        self.refused(2, "cuda:N", "bench", self.photos, "--device", "tpu:0")
        self.refused(2, "cuda:N", "bench", self.photos, "--device", "cuda:")

    def test_doctor_measures_the_device(self):
        words = self.good("doctor")
        for text in ("CUDA driver    12.5, 1 device", "cuda:0", "stand-in",
                     "s a GB", "GB/s from pinned memory", "MB a batch",
                     "carries", "bind"):
            self.assertIn(text, words)
        gpus = self.good_json("doctor", "--json")["gpus"]
        self.assertEqual(len(gpus), 1)
        self.assertEqual(list(gpus[0]), GPU)
        self.assertGreater(gpus[0]["pin_s_gb"], 0)
        self.assertGreater(gpus[0]["copy_bytes_s"], 0)


def has_driver():
    set_driver("")
    return "CUDA driver    none" not in run("doctor")[1]


@unittest.skipIf(has_driver(), "this machine has a CUDA driver")
class NoDriver(Case):
    def setUp(self):
        set_driver("")

    def test_a_device_is_refused_in_one_sentence(self):
        self.refused(1, "no CUDA driver: libcuda.so.1", "bench", self.photos,
                     "--device", "cuda:0")
        self.refused(1, "no CUDA driver", "bench", self.photos, "--pin",
                     "require")

    def test_a_wish_for_pinning_goes_on_without(self):
        words = self.good("bench", self.photos, "--size", 32, "--epochs", 1,
                          "--pin", "auto")
        self.assertIn("not pinned: no CUDA driver", words)

    def test_doctor_says_why_there_is_none(self):
        words = self.good("doctor")
        self.assertIn("CUDA driver    none (libcuda.so.1", words)
        self.assertIn("batches stay in host memory", words)
        self.assertEqual(self.good_json("doctor", "--json")["gpus"], [])


if __name__ == "__main__":
    unittest.main()
