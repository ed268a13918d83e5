"""The command itself: help, version, hints, exit codes, doctor."""
import unittest

from command import Case, run

COMMANDS = ["bench", "doctor", "plan", "replay", "scan", "sheet", "show",
            "synth"]


class Basics(Case):
    def test_version_is_one_line(self):
        self.assertRegex(self.good("--version"), r"^stoker \d+\.\d+\.\d+\n$")

    def test_help_names_every_command_and_the_exit_codes(self):
        text = self.good("--help")
        for name in COMMANDS:
            self.assertIn(f"  {name} ", text)
        self.assertIn("exit codes", text)

    def test_every_command_has_help(self):
        for name in COMMANDS:
            text = self.good(name, "--help")
            self.assertTrue(text.startswith(f"usage: stoker {name}"), text)
            self.assertIn("exit codes", text)
            self.assertEqual(text, self.good("help", name))
        self.refused(2, "did you mean bench?", "help", "bnch")

    def test_no_command_is_a_usage_error(self):
        self.assertEqual(run()[0], 2)

    def test_a_mistyped_command_brings_a_hint(self):
        self.refused(2, "did you mean bench?", "bnch")
        self.refused(2, "stoker --help", "frobnicate")

    def test_a_mistyped_option_brings_a_hint(self):
        self.refused(2, "did you mean --batch-size?", "bench", self.photos,
                     "--bach-size", 3)
        self.refused(2, "did you mean --workers?", "bench", self.photos,
                     "--worker=3")
        self.refused(2, "did you mean --count?", "bench", self.photos,
                     "--cuont", 3)
        self.refused(2, "bench --help", "bench", self.photos, "--zzzzzz")

    def test_a_wrong_value_is_refused(self):
        self.refused(2, "whole number", "bench", self.photos, "--size", "x")
        self.refused(2, "must lie in", "bench", self.photos, "--size", 0)
        self.refused(2, "must lie in", "bench", self.photos, "--size",
                     10 ** 30)
        self.refused(2, "one of", "bench", self.photos, "--dtype", "f64")
        self.refused(2, "wants a value", "bench", self.photos, "--size")
        self.refused(2, "takes no value", "bench", self.photos, "--json=1")
        self.refused(2, "a number", "bench", self.photos, "--seconds", "nan")
        self.refused(2, "a number", "bench", self.photos, "--step-ms", 1e300)

    def test_an_empty_word_is_refused(self):
        self.refused(2, "FOLDER is empty", "bench", "")
        self.refused(2, "--move-bad is empty", "scan", self.photos,
                     "--move-bad", "")
        self.refused(2, "-o is empty", "replay", self.photos, "-o", "")

    def test_a_missing_or_superfluous_word_is_refused(self):
        self.refused(2, "FOLDER is missing", "bench")
        self.refused(2, "one word too many", "bench", "a", "b")

    def test_a_missing_folder_is_named(self):
        for name in ("bench", "plan", "scan"):
            self.refused(1, "/no/such", name, "/no/such")

    def test_doctor_speaks_in_words_and_json(self):
        words = self.good("doctor")
        for line in ("CPUs", "io_uring", "locked memory", "huge pages",
                     "JPEG", "CUDA driver"):
            self.assertIn(line, words)
        system = self.good_json("doctor", "--json")
        self.assertGreaterEqual(system["n_cpus"], 1)
        self.assertIn("jpeg", system["jpeg_library"].lower())
        self.assertIsInstance(system["io_uring"], bool)
        if not system["io_uring"]:
            self.assertTrue(system["io_uring_reason"])


if __name__ == "__main__":
    unittest.main()
