"""Folders against torchvision.datasets.ImageFolder, on random trees of odd names."""

import ctypes as c
import os
import random
import sys

import libstoker
import plain_torchvision
import pytest
from reference_siphash import folder_fingerprint

LIBRARY = libstoker.find()
if LIBRARY:
    lib = libstoker.load(LIBRARY)


def find_image_folder():
    if plain_torchvision.load() is None:
        return None
    from torchvision.datasets import ImageFolder
    return ImageFolder


ImageFolder = find_image_folder()

pytestmark = [
    pytest.mark.skipif(
        LIBRARY is None, reason="no libstoker.so: build it, or name it in STOKER_LIBRARY"),
    pytest.mark.skipif(
        ImageFolder is None, reason="no torchvision: nothing to compare folders with"),
    pytest.mark.skipif(
        sys.getfilesystemencoding() != "utf-8", reason="file names are not UTF-8 here"),
]

STEMS = [b"a", b"b", b"A", b"_", b"0", b"10", b"2", b"x-1", b"x.d", b"x", b".h", b"~", b" ",
         b"\xc3\xa9", b"\xff", b"\x80", b"\xee\x80\x80", b"\xf0\x9f\x90\x88", b"\xed\x9f\xbf",
         b"\xed\xa0\x80", b"\xc3", b"n\n1", b"q'\"", b"\xe2\x84\xaa", b"\xc4\xb0"]
ENDINGS = [b".jpg", b".JPG", b".JPEG", b".png", b".webp", b".TIFF", b".tif", b".Bmp", b".pgm",
           b".ppm", b".gif", b".txt", b"", b".jpg.txt", b"jpg", b".t\xc4\xb0f"]


def grow(rng, folder, depth, folders):
    os.mkdir(folder)
    folders.append(folder)
    for _ in range(rng.randrange(7)):
        path = folder + b"/" + rng.choice(STEMS) + rng.choice(ENDINGS)
        if os.path.lexists(path):
            continue
        if rng.random() < 0.08:
            os.symlink(rng.choice([b"nowhere", os.path.basename(path)]), path)
        elif rng.random() < 0.05:
            os.mkfifo(path)
        else:
            os.close(os.open(path, os.O_CREAT))
    for _ in range(rng.randrange(4) if depth else 0):
        below = folder + b"/" + rng.choice(STEMS) + rng.choice([b"", b"", b".jpg"])
        if not os.path.lexists(below):
            grow(rng, below, depth - 1, folders)


def scan(root):
    """(classes, [(path, label)], fingerprint) of stoker, or its error code."""
    opt, err, ds = libstoker.FolderOptions(0, 0, 1), libstoker.Error(), c.c_void_p()
    opt.size = c.sizeof(opt)
    rc = lib.stoker_dataset_from_folder(ds, os.fsencode(root), opt, err)
    if rc:
        return rc
    classes = [os.fsdecode(lib.stoker_dataset_class(ds, i))
               for i in range(lib.stoker_dataset_n_classes(ds))]
    items, text, mark = [], c.create_string_buffer(5000), c.create_string_buffer(16)
    for i in range(lib.stoker_dataset_count(ds)):
        lib.stoker_dataset_path(ds, i, text, 5000)
        items.append((os.fsdecode(text.value), lib.stoker_dataset_label(ds, i)))
    lib.stoker_dataset_fingerprint(ds, mark)
    lib.stoker_dataset_free(ds)
    return classes, items, mark.raw


@pytest.mark.parametrize("seed", range(300))
def test_a_random_tree_is_what_imagefolder_sees(tmp_path, seed):
    rng = random.Random(seed)
    root, folders = os.fsencode(tmp_path) + b"/root", []
    os.mkdir(root)
    for stem in rng.sample(STEMS, rng.randrange(1, 6)):
        grow(rng, root + b"/" + stem, 3, folders)
    outside = os.fsencode(tmp_path) + b"/outside"
    grow(rng, outside, 2, [])
    os.symlink(outside, root + b"/linked")
    os.symlink(outside, rng.choice(folders) + b"/link.jpg")

    text = os.fsdecode(root)
    want = ImageFolder(text, allow_empty=True)
    found = scan(text)
    assert not isinstance(found, int), found
    classes, items, mark = found
    assert classes == want.classes
    assert items == want.samples
    relative = [(os.fsencode(p)[len(root) + 1:], label) for p, label in want.samples]
    assert mark == folder_fingerprint(relative)


def test_the_same_roots_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        ImageFolder(str(tmp_path))
    assert scan(str(tmp_path)) == -61  # ENODATA
    with pytest.raises(FileNotFoundError):
        ImageFolder(str(tmp_path / "none"))
    assert scan(str(tmp_path / "none")) == -2
