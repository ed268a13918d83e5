"""Commands about a run: plan, replay, show."""
import json
import os
import subprocess
import tempfile
import unittest

from command import STOKER, Case, files, read, read_png, run

STATE = {"stoker_state": 1, "fingerprint": "00112233445566778899aabbccddeeff",
         "n_items": 24, "seed": 2 ** 64 - 1, "epoch": 3, "consumed": 6,
         "transforms_hash": 2 ** 63 + 1, "shuffle": True,
         "planner_version": 1, "pixels": "pillow13", "on_error": 1,
         "decoder": "stoker-1"}


def rows(text):
    lines = text.splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"))) for line in lines[1:]]


class Plan(Case):
    def plan(self, *words):
        return rows(self.good("plan", self.photos, *words))

    def test_ranks_share_every_id_once(self):
        seen = []
        for rank in range(3):
            seen += [int(row["id"]) for row in self.plan(
                "--rank", rank, "--world", 3, "--batch", 5, "--seed", 9)]
        self.assertEqual(sorted(i for i in seen if i >= 0), list(range(24)))
        self.assertEqual(len(seen) % 3, 0)

    def test_the_folders_own_order_is_sorted(self):
        got = self.plan("--no-shuffle")
        self.assertEqual([int(row["id"]) for row in got], list(range(24)))
        paths = [row["path"] for row in got]
        self.assertEqual(paths, sorted(paths))
        self.assertTrue(all(os.path.isfile(path) for path in paths))
        self.assertEqual({row["label"] for row in got}, set("0123"))

    def test_a_path_is_one_column_of_one_line(self):
        with tempfile.TemporaryDirectory() as root:
            os.mkdir(os.path.join(root, "a"))
            for name in ("1\n2.jpg", "3\t4.jpg", "5\\6\r.jpg"):
                open(os.path.join(root, "a", name), "w").close()
            got = rows(self.good("plan", root, "--no-shuffle"))
        self.assertEqual([os.path.basename(row["path"]) for row in got],
                         [r"1\n2.jpg", r"3\t4.jpg", r"5\\6\r.jpg"])

    def test_epochs_and_seeds_differ(self):
        one = self.plan("--epoch", 1)
        self.assertEqual(one, self.plan("--epoch", 1))
        self.assertNotEqual(one, self.plan("--epoch", 2))
        self.assertNotEqual(one, self.plan("--epoch", 1, "--seed", 1))

    def test_count_and_consumed_cut_the_list(self):
        whole = self.plan("--batch-size", 4)
        part = self.plan("--batch-size", 4, "--consumed", 8, "--count", 6)
        self.assertEqual([r["id"] for r in part],
                         [r["id"] for r in whole[8:14]])

    def test_dropped_completes_the_epoch(self):
        kept = self.plan("--drop-last", "--batch", 7)
        dropped = self.plan("--dropped", "--batch", 7)
        self.assertEqual((len(kept), len(dropped)), (21, 3))
        self.assertEqual(len({r["id"] for r in kept + dropped}), 24)

    def test_dropped_counts_from_a_resume(self):
        whole = [r["id"] for r in self.plan()]
        for consumed, batch in ((0, 7), (5, 6), (8, 8), (11, 5), (20, 24),
                                (24, 7)):
            words = ("--consumed", consumed, "--global-batch", batch)
            kept, dropped = ([r["id"] for r in self.plan(*words, switch)]
                             for switch in ("--drop-last", "--dropped"))
            self.assertEqual(kept + dropped, whole[consumed:])
            self.assertEqual(len(dropped), (24 - consumed) % batch)
            few = self.plan(*words, "--dropped", "--count", 1)
            self.assertEqual([r["id"] for r in few], dropped[:1])

    def test_a_rank_outside_the_world_is_refused(self):
        self.refused(1, "rank", "plan", self.photos, "--rank", 2, "--world",
                     2)


    def test_every_seed_of_64_bits_is_another_order(self):
        orders = {tuple(r["id"] for r in self.plan("--seed", seed))
                  for seed in (0, 1, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1)}
        self.assertEqual(len(orders), 5)
        for seed in ("-1", 2 ** 64, "1e3", "", "0x10", " 1"):
            self.refused(2, "--seed", "plan", self.photos, "--seed", seed)

    def test_a_global_batch_is_shared_with_padding(self):
        ranks = [self.plan("--global-batch", 5, "--world", 3, "--rank", rank)
                 for rank in range(3)]
        self.assertEqual({len(rows) for rows in ranks}, {10})
        steps = [[r["id"] for rank in ranks for r in rank
                  if r["step"] == str(step) and r["id"] != "-1"]
                 for step in range(5)]
        self.assertEqual([len(step) for step in steps], [5, 5, 5, 5, 4])
        self.assertEqual(sum(steps, []), [r["id"] for r in self.plan()])
        dropped = self.plan("--dropped", "--global-batch", 5, "--world", 3)
        self.assertEqual([r["id"] for r in dropped], steps[4])

    def test_an_output_that_cannot_be_written_is_an_error(self):
        for words in ([], ["--help"], ["--version"], ["bench", "--help"],
                      ["plan", self.photos], ["scan", self.photos],
                      ["doctor", "--json"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([STOKER] + words, stdout=full,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 1 if words else 2, words)
            self.assertIn(b"the output cannot be written: No space left",
                          done.stderr, words)

    def test_a_refused_plan_prints_no_list(self):
        for words in (("--consumed", 25), ("--epoch", 2 ** 40),
                      ("--dropped", "--batch", 25), ("--dropped", "--consumed", 25),
                      ("--dropped", "--epoch", 2 ** 40)):
            status, out, _ = run("plan", self.photos, *words)
            self.assertEqual((status, out), (1, ""))


class Replay(Case):
    def replay(self, name, *words):
        folder = self.path(name)
        self.good("replay", self.photos, "-o", folder, "--size", 24,
                  "--batch-size", 6, "--seed", 5, *words)
        with open(os.path.join(folder, "index.tsv"), encoding="utf-8") as f:
            return folder, rows(f.read())

    def test_it_is_the_batch_of_the_plan(self):
        folder, got = self.replay("replay", "--epoch", 2, "--batch", 3)
        want = [row for row in rows(self.good(
            "plan", self.photos, "--epoch", 2, "--batch-size", 6, "--seed",
            5)) if row["step"] == "3"]
        self.assertEqual([r["id"] for r in got], [r["id"] for r in want])
        self.assertEqual([r["path"] for r in got], [r["path"] for r in want])
        for row in got:
            width, height, _ = read_png(os.path.join(folder, row["file"]))
            self.assertEqual((width, height), (24, 24))
            self.assertGreater(int(row["height"]), 0)
            self.assertIn(row["flip"], "01")

    def test_it_is_the_same_each_time(self):
        one, got = self.replay("once", "--batch", 1)
        two, _ = self.replay("twice", "--batch", 1)
        for row in got:
            self.assertEqual(read(os.path.join(one, row["file"])),
                             read(os.path.join(two, row["file"])))

    def test_a_resumed_runs_batches_count_from_its_resume(self):
        _, got = self.replay("resumed", "--consumed", 3, "--batch", 2,
                             "--global-batch", 7, "--world", 2, "--rank", 1)
        want = self.good("plan", self.photos, "--consumed", 3, "--seed", 5,
                         "--global-batch", 7, "--world", 2, "--rank", 1)
        self.assertEqual([r["id"] for r in got],
                         [r["id"] for r in rows(want) if r["step"] == "2"])
        self.assertEqual(len(got), 4)

    def test_nothing_is_left_behind_where_the_folder_is_wrong(self):
        self.refused(1, "no such folder", "replay", "/no/such", "-o",
                     self.path("never"))
        self.assertFalse(os.path.exists(self.path("never")))

    def test_rows_of_two_batches_are_not_mixed(self):
        folder, got = self.replay("mixed", "--batch", 1)
        before = files(folder)
        self.refused(1, "mixed is not empty", "replay", self.photos, "-o",
                     folder, "--size", 24, "--batch-size", 2)
        self.assertEqual(files(folder), before)

    def test_a_batch_behind_the_last_is_refused(self):
        for batch in (4, 99, 2 ** 60):
            status, _, err = run("replay", self.photos, "-o",
                                 self.path("none"), "--batch-size", 6,
                                 "--batch", batch)
            self.assertEqual(status, 1)
            self.assertIn(f"batch {batch}", err)
            self.assertFalse(os.path.exists(self.path("none")))


class Show(Case):
    def state(self, name, text):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(text)
        return path

    def test_a_twin_is_said_in_words_and_comes_back(self):
        path = self.state("state.json", json.dumps(STATE, indent=1).encode())
        words = self.good("show", path)
        self.assertIn("6 of 24 samples", words)
        self.assertIn("epoch        3", words)
        self.assertIn("mask", words)
        self.assertEqual(self.good_json("show", path, "--json"), STATE)

    def test_a_state_at_its_epochs_end_goes_on_with_the_next(self):
        for consumed, where in ((STATE["n_items"] - 1, "sample %d of epoch %d"
                                 % (STATE["n_items"] - 1, STATE["epoch"])),
                                (STATE["n_items"], "sample 0 of epoch %d"
                                 % (STATE["epoch"] + 1))):
            path = self.state("end.json", json.dumps(
                dict(STATE, consumed=consumed)).encode())
            self.assertIn("goes on with " + where, self.good("show", path))

    def test_hostile_states_are_refused_with_a_reason(self):
        for name, text, reason in (
                ("a", b"", "empty"),
                ("b", b"\0" * 192, "b:"),
                ("c", b"{", "c:"),
                ("d", b'{"seed": [1]}', "seed"),
                ("e", b'{"epoch": 1}', "fingerprint"),
                ("f", json.dumps(dict(STATE, epoch=2 ** 70)).encode(),
                 "epoch"),
                ("g", json.dumps(dict(STATE, fingerprint="xy")).encode(),
                 "fingerprint"),
                ("h", b"x" * 70000, "too large")):
            self.refused(1, reason, "show", self.state(name, text))

    def test_a_twin_with_one_wrong_member_is_refused_by_its_name(self):
        for key, value, reason in (
                ("epoch", -1, "epoch"), ("epoch", 2 ** 40, "epoch"),
                ("epoch", "3", "another kind"), ("epoch", 3.5, "another kind"),
                ("epoch", True, "another kind"), ("epoch", None, "kind"),
                ("consumed", 25, "position"), ("n_items", 0, "items"),
                ("n_items", 2 ** 64 + 24, "n_items"), ("seed", -1, "seed"),
                ("planner_version", 2 ** 32 + 1, "planner_version"),
                ("planner_version", 0, "planner version"),
                ("on_error", 3, "on_error"), ("shuffle", 1, "shuffle"),
                ("pixels", "pillow99", "pixels"), ("pixels", 0, "pixels"),
                ("decoder", "x" * 40, "decoder"), ("decoder", 3, "decoder"),
                ("stoker_state", 2, "version is 2"),
                ("stoker_state", "1", "version")):
            path = self.state("wrong", json.dumps(
                dict(STATE, **{key: value})).encode())
            self.refused(1, reason, "show", path)
        for key in STATE:
            path = self.state("lacks", json.dumps(
                {k: v for k, v in STATE.items() if k != key}).encode())
            self.refused(1, f'it lacks "{key}"', "show", path)

    def test_what_is_no_json_is_refused_as_by_the_loader(self):
        good = json.dumps(STATE).encode()
        for old, new, reason in (
                (b"}", b"} {}", "follows"), (b"}", b",}", "the state"),
                (b"}", b"}\0", "not a usable state"),
                (b": 3,", b": 03,", "epoch"), (b": 6,", b": 6, ,", "the state"),
                (b"pillow13", b"pillow\\13", "pixels"),
                (b"stoker-1", b"stoker\n-1", "decoder"),
                (b"stoker-1", b"stoker\\n-1", "decoder")):
            assert good.count(old) == 1
            self.refused(1, reason, "show",
                         self.state("hurt", good.replace(old, new)))
        self.refused(1, "the state", "show", self.state("none", b"{}"))

    def test_other_ways_are_refused(self):
        self.refused(1, "/no/such", "show", "/no/such")


if __name__ == "__main__":
    unittest.main()
