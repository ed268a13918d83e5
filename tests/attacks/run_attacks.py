#!/usr/bin/env python3
"""Runs the attacks: run_attacks.py LIBSTOKER.  Each file must end in pixels or
in its sentence, in 3 s and 400 MiB; then hostile names, links and states.
--print shows what came instead of judging it."""

import ctypes as c
import json
import os
import resource
import sys
import tempfile
import time

import hostile

TOP = os.path.dirname(os.path.abspath(__file__))
MAX_SECONDS, MAX_MIB = 3, 400
complaints = []


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("stage", c.c_int), ("id", c.c_int64), ("text", c.c_char * 496)]


class Info(c.Structure):
    _fields_ = [("size", c.c_size_t), ("rest", c.c_char * 120)]


def complain(name, text):
    complaints.append(name)
    print(f"attacks: {name}: {text}", file=sys.stderr)


def sentence(err):
    return err.text.decode("utf8", "backslashreplace")


def check_files(lib, folder, show):
    ds, checker, err = c.c_void_p(), c.c_void_p(), Error()
    os.mkdir(f"{folder}/class")
    attacks = sorted(hostile.ATTACKS)
    for name, _, data, _, _ in attacks:
        with open(f"{folder}/class/{name}.jpg", "wb") as f:
            f.write(data)
    assert lib.stoker_dataset_from_folder(c.byref(ds), folder.encode(), None, c.byref(err)) == 0
    assert lib.stoker_checker_open(c.byref(checker), ds, None, c.byref(err)) == 0, err.text
    for i, (name, _, _, code, words) in enumerate(attacks):
        info = Info(size=c.sizeof(Info))
        start = time.monotonic()
        rc = lib.stoker_checker_check(checker, c.c_int64(i), c.byref(info), c.byref(err))
        took = time.monotonic() - start
        text = sentence(err) if rc else "decodes"
        if show:
            print(f"seen\t{name}\t{rc}\t{text.split('/')[-1]}")
        if code is not None and rc != -code:
            complain(name, f"code {rc}, not {-code}: {text}")
        if rc and (name not in text or words not in text):
            complain(name, f"'{text}' does not name {name} and '{words}'")
        if took > MAX_SECONDS:
            complain(name, f"took {took:.1f} s")
    lib.stoker_checker_close(c.byref(checker))
    lib.stoker_dataset_free(ds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if peak > MAX_MIB:
        complain("all files", f"{peak:.0f} MiB at the peak")
    print(f"attacks: {len(attacks)} files, {peak:.0f} MiB at the peak")


def check_names(lib, folder):
    """Names that lie to a terminal or a parser; bytes come back as they are."""
    names = [b"new\nline.jpg", b"\x1b[2Jclear.jpg", b"quote\"'\\.jpg", b"..\xff\xfe.jpg",
             b" space .jpg", b"%s%n.jpg", b"-rf.jpg", "\u202egpj.exe.jpg".encode()]
    ds, err, path = c.c_void_p(), Error(), c.create_string_buffer(8192)
    os.mkdir(f"{folder}/odd")
    for name in names:
        with open(f"{folder}/odd/".encode() + name, "wb") as f:
            f.write(hostile.GOOD)
    assert lib.stoker_dataset_from_folder(c.byref(ds), folder.encode(), None, c.byref(err)) == 0
    for i, name in enumerate(sorted(names)):
        lib.stoker_dataset_path(ds, c.c_int64(i), path, c.c_size_t(8192))
        if path.value != f"{folder}/odd/".encode() + name:
            complain("names", f"{path.value!r} is not {name!r}")
    lib.stoker_dataset_free(ds)


def check_links(lib, folder):
    """Loops of links are named, whatever their shape."""
    shapes = {"self": [("a/loop", ".")], "up": [("a/loop", "..")],
              "pair": [("a/x", "../b"), ("b/y", "../a")]}
    for shape, links in shapes.items():
        ds, err = c.c_void_p(), Error()
        root = f"{folder}/{shape}"
        for name in "ab":
            os.makedirs(f"{root}/{name}")
            with open(f"{root}/{name}/good.jpg", "wb") as f:
                f.write(hostile.GOOD)
        for at, to in links:
            os.symlink(to, f"{root}/{at}")
        rc = lib.stoker_dataset_from_folder(c.byref(ds), root.encode(), None, c.byref(err))
        if rc != -40 or root not in sentence(err):
            complain(f"links {shape}", f"{rc}: {sentence(err)}")


def check_states(lib):
    """Every single-byte change of a saved state is refused with a reason."""
    cursor, state, err = c.create_string_buffer(512), c.create_string_buffer(192), Error()
    size = lib.size_of_cursor
    c.cast(cursor, c.POINTER(c.c_size_t))[0] = size
    lib.stoker_cursor_pack(cursor, state)
    good = state.raw
    hostile_states = [b"", b"\0", good[:-1], b"\xff" * 192, bytes(192), good * 2]
    hostile_states += [good[:i] + bytes([good[i] ^ 1 << i % 8]) + good[i + 1:] for i in range(192)]
    for data in hostile_states:
        c.cast(cursor, c.POINTER(c.c_size_t))[0] = size
        rc = lib.stoker_cursor_unpack(cursor, data, c.c_size_t(len(data)), c.byref(err))
        if rc >= 0 or not err.text:
            complain("states", f"{len(data)} bytes: {rc} {sentence(err)}")
    print(f"attacks: {len(hostile_states)} states")


def main():
    show = "--print" in sys.argv
    lib = c.CDLL([a for a in sys.argv[1:] if a != "--print"][0])
    # sizeof(stoker_cursor): 8 + 16 + 5 * 8 + 4 * 4 + 40, see stoker.h
    lib.size_of_cursor = 120
    with tempfile.TemporaryDirectory(prefix="stoker_attacks_") as folder:
        for part in ("files", "names", "links"):
            os.mkdir(f"{folder}/{part}")
        check_files(lib, f"{folder}/files", show)
        check_names(lib, f"{folder}/names")
        check_links(lib, f"{folder}/links")
    check_states(lib)
    print(f"attacks: {len(complaints)} complaints")
    return 1 if complaints else 0


sys.exit(main())
