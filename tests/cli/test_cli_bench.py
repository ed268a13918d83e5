"""stoker bench: its numbers add up and its keys are stable."""
import unittest

from command import Case

KEYS = ["stoker", "folder", "n_files", "transform", "size", "batch_size",
        "dtype", "layout", "decoder", "n_workers", "n_slots", "io",
        "io_reason", "cpu", "n_images", "n_batches", "n_bad",
        "n_own_decoder", "seconds", "img_s", "img_s_core", "cpu_ms_img",
        "first_batch_s", "peak_mb", "arena_mb", "bytes_read",
        "consumer_wait_s", "shares", "report"]
SHARES = ["read", "probe", "decode", "resample", "emit", "wait"]


class Bench(Case):
    def bench(self, *words):
        return self.good_json("bench", self.photos, "--json", "--size", 32,
                              "--batch-size", 8, *words)

    def test_json_has_its_stable_keys(self):
        result = self.bench("--epochs", 2)
        self.assertEqual(list(result), KEYS)
        self.assertEqual(list(result["shares"]), SHARES)
        self.assertAlmostEqual(sum(result["shares"].values()), 1, places=3)

    def test_epochs_count_images(self):
        result = self.bench("--epochs", 2, "--workers", 2)
        self.assertEqual(result["n_files"], 24)
        self.assertEqual(result["n_images"], 48)
        self.assertEqual(result["n_batches"], 6)
        self.assertEqual(result["n_workers"], 2)
        self.assertAlmostEqual(result["img_s"] * result["seconds"], 48,
                               places=1)
        self.assertGreater(result["first_batch_s"], 0)
        self.assertGreater(result["peak_mb"], 1)
        self.assertGreaterEqual(result["bytes_read"], 24 * 100)

    def test_count_stops(self):
        self.assertEqual(self.bench("--count", 10)["n_images"], 16)

    def test_count_without_images_ends(self):
        self.refused(1, "no good image", "bench", self.photos, "--count", 10,
                     "--world", 100, "--rank", 99)

    def test_limit_count_asks_for_the_limit(self):
        result = self.bench("--epochs", 1, "--limit-count", 3)
        self.assertEqual(result["limit"]["n_samples"], 3)

    def test_bytes_are_not_advised_a_smaller_dtype(self):
        # The photos are small, so most of the work is resampling, mostly.
        report = self.bench("--size", 900, "--epochs", 1)["report"]
        self.assertNotIn("smaller dtype", report)

    def test_batches_beyond_all_memory_are_refused(self):
        self.refused(1, "this machine has", "bench", self.photos, "--size",
                     16384, "--batch-size", 1024, "--slots", 1024)

    def test_settings_are_taken(self):
        result = self.bench("--epochs", 1, "--dtype", "f32", "--layout",
                            "NHWC", "--io", "pread", "--decoder", "libjpeg",
                            "--transform", "val", "--no-shuffle")
        self.assertEqual(result["dtype"], "f32")
        self.assertEqual(result["layout"], "NHWC")
        self.assertEqual(result["io"], "pread")
        self.assertEqual(result["transform"], "val")
        self.assertEqual(result["n_own_decoder"], 0)

    def test_words_name_what_was_measured(self):
        words = self.good("bench", self.photos, "--epochs", 1, "--size", 32)
        for text in ("img/s per core", "ms per image", "first batch",
                     "peak memory", "resample", "report"):
            self.assertIn(text, words)

    def test_limit_says_what_binds(self):
        result = self.bench("--epochs", 2, "--limit", "--limit-count", 24)
        limit = result["limit"]
        self.assertTrue(limit["binding"])
        self.assertGreater(limit["img_s"], 0)
        self.assertAlmostEqual(limit["reached"],
                               result["img_s"] / limit["img_s"], places=3)
        self.assertAlmostEqual(
            limit["reached_cpu"],
            sum(limit["ns"].values()) * 1e-6 / result["cpu_ms_img"], places=3)
        words = self.good("bench", self.photos, "--epochs", 1, "--limit")
        self.assertIn("binds", words)

    def test_a_bad_file_is_named_or_masked(self):
        bad = self.path("photos/00_red_disc/broken.jpg")
        with open(bad, "wb") as file:
            file.write(b"no image")
        try:
            self.refused(1, "broken.jpg", "bench", self.photos, "--epochs", 1,
                         "--size", 32)
            result = self.bench("--epochs", 1, "--on-error", "mask")
            self.assertEqual(result["n_bad"], 1)
            self.assertEqual(result["n_images"], 24)
        finally:
            import os
            os.remove(bad)


if __name__ == "__main__":
    unittest.main()
