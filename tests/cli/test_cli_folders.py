"""Commands about folders: synth, scan, sheet."""
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

from command import Case, files, read, read_png, run


class Synth(Case):
    def test_a_seed_means_the_same_photos(self):
        one, two, other = (self.path(n) for n in ("one", "two", "other"))
        for folder, seed in ((one, 3), (two, 3), (other, 4)):
            self.good("synth", folder, "--count", 6, "--classes", 3,
                      "--seed", seed, "--megapixels", 0.01, "--jobs", 2)
        self.assertEqual(files(one), files(two))
        same = [read(os.path.join(one, n)) == read(os.path.join(two, n))
                for n in files(one)]
        self.assertEqual(same, [True] * 6)
        differ = [read(os.path.join(one, n)) != read(os.path.join(other, n))
                  for n in files(one)]
        self.assertEqual(differ, [True] * 6)

    def test_classes_are_folders(self):
        self.assertEqual(self.made[0], 0, self.made[2])
        self.assertEqual(len(os.listdir(self.photos)), 4)
        self.assertEqual(len(files(self.photos)), 24)

    def test_a_full_folder_is_left_alone(self):
        before = files(self.photos)
        self.refused(1, "not empty", "synth", self.photos)
        self.assertEqual(files(self.photos), before)


class Scan(Case):
    def setUp(self):
        self.folder = self.path("scanned")
        shutil.copytree(self.photos, self.folder)
        first = sorted(os.listdir(self.folder))[0]
        self.where = os.path.join(self.folder, first)
        self.names = [n for n in files(self.where)]

    def tearDown(self):
        shutil.rmtree(self.folder)

    def add(self, name, data):
        with open(os.path.join(self.where, name), "wb") as file:
            file.write(data)

    def spoil(self):
        good = read(os.path.join(self.where, self.names[0]))
        self.add("empty.jpg", b"")
        self.add("words.jpg", b"this is no image at all, is it?")
        self.add("cut.jpg", good[:len(good) // 2])
        self.add("again.jpg", good)
        self.add("named.png", good)

    def test_a_good_folder_is_good(self):
        result = self.good_json("scan", self.folder, "--json")
        self.assertEqual((result["n_images"], result["n_bad"]), (24, 0))

    def test_bad_files_are_found_by_reason_and_exit_1(self):
        self.spoil()
        status, out, err = run("scan", self.folder, "--jobs", 3)
        self.assertEqual(status, 1, err)
        for name in ("empty.jpg", "words.jpg", "cut.jpg"):
            self.assertIn(name, out)
        self.assertIn("29 images, 3 bad", out)

    def test_a_bad_file_is_no_surprise_as_well(self):
        self.spoil()
        self.add("words2.jpg", b"this is no image at all, is it?")
        _, out, _ = run("scan", self.folder)
        self.assertNotIn("words", out.split("not bad, but surprising")[1])

    def test_list_is_the_bad_paths(self):
        self.spoil()
        status, out, _ = run("scan", self.folder, "--list")
        self.assertEqual(status, 1)
        self.assertEqual([os.path.basename(p) for p in out.splitlines()],
                         ["cut.jpg", "empty.jpg", "words.jpg"])

    def test_json_tells_surprises(self):
        import json
        self.spoil()
        status, out, _ = run("scan", self.folder, "--json")
        result = json.loads(out)
        self.assertEqual((status, result["n_bad"]), (1, 3))
        self.assertEqual(sum(result["reasons"].values()), 3)
        self.assertEqual(result["surprises"]["duplicate"], 2)
        self.assertEqual(result["surprises"]["wrong_extension"], 1)
        bad = [f for f in result["files"] if f["bad"]]
        self.assertEqual(len(bad), 3)
        self.assertTrue(all(f["text"] and f["reason"] for f in bad))

    def test_move_bad_moves_and_never_overwrites(self):
        self.spoil()
        away = self.path("away")
        kept = os.path.join(away, os.path.basename(self.where), "cut.jpg")
        os.makedirs(os.path.dirname(kept))
        with open(kept, "wb") as file:
            file.write(b"precious")
        try:
            status, out, err = run("scan", self.folder, "--move-bad", away)
            self.assertEqual(status, 1)
            self.assertIn("moved 2", out)
            self.assertIn("cut.jpg stays", err)
            self.assertEqual(read(kept), b"precious")
            self.assertEqual(len(files(away)), 3)
            self.assertEqual(len(files(self.folder)), 27)
        finally:
            shutil.rmtree(away)

    def test_files_that_could_not_be_read_are_not_moved(self):
        """The storage, the rights or the limits failed, not the file."""
        def become_nobody():
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)

        self.spoil()
        away = self.path("away")
        closed = os.path.join(self.where, "closed.jpg")
        self.add("closed.jpg", b"perhaps good")
        os.chmod(closed, 0)
        for folder in (self.work, self.folder, self.where):
            os.chmod(folder, 0o777)
        try:
            status, out, err = run("scan", self.folder, "--move-bad", away,
                                   preexec_fn=become_nobody)
        except PermissionError:
            self.skipTest("the program is not for everybody")
        self.assertEqual(status, 1)
        self.assertIn("moved 3", out)
        self.assertIn("closed.jpg: may not be read; it stays", err)
        self.assertEqual(len(files(away)), 3)
        self.assertTrue(os.path.exists(closed))
        shutil.rmtree(away)

    def test_a_file_that_is_good_by_now_is_not_moved(self):
        """What another process would do in the hours of a scan, one move does
        here to the link that is looked at next."""
        away = self.path("away")
        there = os.path.join(away, os.path.basename(self.where))
        os.makedirs(there)
        self.addCleanup(shutil.rmtree, away)
        shutil.copy(os.path.join(self.where, self.names[0]),
                    os.path.join(there, "real"))
        os.symlink("real", os.path.join(self.where, "a.jpg"))
        link = os.path.join(self.where, "b.jpg")
        os.symlink(os.path.join(there, "a.jpg"), link)
        status, out, err = run("scan", self.folder, "--move-bad", away)
        self.assertEqual(status, 1)
        self.assertIn("2 bad", out)
        self.assertIn("moved 1", out)
        self.assertIn("b.jpg: vanished (no such file); it stays, as it is good "
                      "by now", err)
        self.assertTrue(os.path.exists(link))

    def test_a_full_disk_is_named_and_the_file_stays(self):
        away = self.path("away")
        os.mkdir(away)
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=96k", "none",
                 away]).returncode != 0:
            self.skipTest("only root mounts a small disk")
        try:
            self.add("large.jpg", b"no image" * 20000)
            self.refused(1, "large.jpg: No space left", "scan", self.folder,
                         "--move-bad", away)
            self.assertEqual(files(away), [])
            self.assertEqual(len(read(os.path.join(self.where, "large.jpg"))),
                             160000)
        finally:
            subprocess.run(["umount", away], check=True)
            os.rmdir(away)

    def test_no_name_forges_a_line(self):
        self.add("a\n/etc/passwd.jpg".replace("/", "_"), b"bad")
        self.add("\x1b[2J.jpg", b"bad")
        wall = self.path("wall")
        with open(wall, "wb"):
            pass
        for more in ((), ("--list",), ("--move-bad", wall)):
            status, out, err = run("scan", self.folder, *more)
            self.assertEqual(status, 1)
            self.assertIn(r"a\n_etc_passwd.jpg", out)
            self.assertIn(r"\x1b[2J.jpg", out)
            self.assertNotIn("\x1b", out + err)
            self.assertNotIn("\n_etc", out + err)
        self.assertIn(r"\x1b[2J.jpg stays", err)
        os.remove(wall)

    def test_a_move_that_fails_names_both_ends(self):
        self.spoil()
        away = self.path("no_folder")
        with open(away, "wb"):
            pass
        self.refused(1, "cut.jpg stays: %s/" % away, "scan", self.folder,
                     "--move-bad", away)
        os.remove(away)

    def test_names_that_are_no_utf8_can_be_had_back_from_json(self):
        import json
        name = b"b\xffd\xed\xa0\x80.jpg"
        with open(os.path.join(os.fsencode(self.where), name), "wb"):
            pass
        _, out, _ = run("scan", self.folder, "--json")
        paths = [os.fsencode(f["path"]) for f in json.loads(out)["files"]
                 if f["bad"]]
        self.assertEqual([os.path.basename(p) for p in paths], [name])

    def test_bad_files_are_not_moved_to_where_they_would_be_a_class(self):
        self.spoil()
        before = files(self.folder)
        for place in ("", "bad", "no/such/folder", "..x/.."):
            self.refused(2, "would become a class", "scan", self.folder,
                         "--move-bad", os.path.join(self.folder, place))
        self.assertEqual(files(self.folder), before)

    def test_links_and_fifos_do_not_cross_file_systems(self):
        if not os.path.isdir("/dev/shm") or (os.stat("/dev/shm").st_dev ==
                                             os.stat(self.work).st_dev):
            self.skipTest("no second file system")
        self.spoil()
        os.mkfifo(os.path.join(self.where, "fifo.jpg"))
        os.symlink("/no/such", os.path.join(self.where, "link.jpg"))
        away = tempfile.mkdtemp(dir="/dev/shm")
        try:
            status, out, err = run("scan", self.folder, "--move-bad", away)
            self.assertEqual(status, 1)
            self.assertIn("moved 3", out)
            self.assertIn("fifo.jpg stays", err)
            self.assertIn("link.jpg stays", err)
            self.assertEqual(len(files(away)), 3)
        finally:
            shutil.rmtree(away)

    def test_list_goes_alone(self):
        self.refused(2, "--list", "scan", self.folder, "--list", "--json")


class Sheet(Case):
    def test_a_device_that_cannot_be_written_stays(self):
        if os.geteuid() != 0:
            self.skipTest("only root may make a device")
        full = self.path("full")
        try:
            os.mknod(full, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
            with open(full, "rb"):
                pass
        except OSError as error:
            self.skipTest(f"no device here: {error}")
        self.refused(1, "No space left", "sheet", self.photos, "-o", full)
        self.assertTrue(stat.S_ISCHR(os.stat(full).st_mode))

    def test_a_picture_too_wide_is_refused_in_words(self):
        self.refused(1, "wide", "sheet", self.photos, "-o",
                     self.path("wide.png"), "--size", 1024, "--columns", 24,
                     "--batch-size", 24)

    def test_a_sheet_is_a_picture_of_one_batch(self):
        path = self.path("sheet.png")
        out = self.good("sheet", self.photos, "-o", path, "--size", 40,
                        "--batch-size", 10, "--columns", 5)
        self.assertIn("10 pictures", out)
        width, height, pixels = read_png(path)
        self.assertEqual((width, height), (5 * 46 + 6, 2 * 59 + 6))
        self.assertGreater(len(set(pixels)), 50)

    def test_it_wants_a_file(self):
        self.refused(2, "-o FILE", "sheet", self.photos)
        self.refused(1, "/no/such", "sheet", self.photos, "-o",
                     "/no/such/x.png")


if __name__ == "__main__":
    unittest.main()
