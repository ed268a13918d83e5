"""Runs the stoker command for its tests: command.py's users are called with
the program's path as their first argument."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

STOKER = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "stoker"


def run(*words, **more):
    """Returns (status, output, errors)."""
    done = subprocess.run([STOKER] + [str(word) for word in words],
                          capture_output=True, text=True, timeout=200,
                          check=False, **more)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    """A test with a folder of its own and 24 small photos in 4 classes."""

    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="stoker-cli-")
        cls.photos = os.path.join(cls.work, "photos")
        cls.made = run("synth", cls.photos, "--count", 24, "--classes", 4,
                       "--seed", 7, "--megapixels", 0.01)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work)

    def path(self, name):
        return os.path.join(self.work, name)

    def good(self, *words):
        status, out, err = run(*words)
        self.assertEqual(status, 0, err)
        return out

    def good_json(self, *words):
        return json.loads(self.good(*words))

    def refused(self, status, text, *words):
        got, out, err = run(*words)
        self.assertEqual(got, status, out + err)
        self.assertIn(text, err)


def files(folder):
    """Every file below a folder, as sorted relative paths."""
    found = []
    for root, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(root, n), folder)
                  for n in names]
    return sorted(found)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def read_png(path):
    """(width, height, RGB bytes) of a PNG with 8-bit RGB and no filter."""
    data, at, pixels, size = read(path), 8, b"", None
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        crc = struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0]
        assert crc == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
            assert body[8:] == b"\x08\x02\0\0\0"
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    raw, stride = zlib.decompress(pixels), size[0] * 3 + 1
    assert len(raw) == stride * size[1]
    rows = [raw[y * stride:(y + 1) * stride] for y in range(size[1])]
    assert all(row[0] == 0 for row in rows)
    return size[0], size[1], b"".join(row[1:] for row in rows)
