"""docs/cli.md and docs/stoker.1 name every command and option there is, and
no others."""
import os
import re
import unittest

from command import run

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def words_of(name):
    with open(os.path.join(TOP, "docs", name), encoding="utf-8") as file:
        return file.read()


def options():
    """{command: its options}, from the help."""
    commands = re.findall(r"^  ([a-z]+) ", run("--help")[1], re.M)
    return {name: set(re.findall(r"^  (--?[a-z-]+)", run(name, "--help")[1],
                                 re.M)) - {"--help"} for name in commands}


class Words(unittest.TestCase):
    def test_every_option_is_in_the_manual(self):
        text, every = words_of("cli.md"), set()
        for command, known in options().items():
            self.assertIn(f"## {command}", text)
            every |= known
        named = set(re.findall(r"(?<![\w-])(--[a-z]+(?:-[a-z]+)*)", text))
        self.assertEqual(named - every, {"--help", "--name"})
        self.assertEqual(every - named, {"-o"})

    def test_the_man_page_names_what_there_is(self):
        text = words_of("stoker.1").replace("\\-", "-")
        every = set().union(*options().values())
        named = set(re.findall(r"(--[a-z]+(?:-[a-z]+)*)", text))
        self.assertEqual(named - every, {"--help"})
        for command in options():
            self.assertRegex(text, rf"\.B.? \"?{command}")


if __name__ == "__main__":
    unittest.main()
