#!/usr/bin/env python3
"""Opening a large folder: stoker's scan against os.scandir() in Python.

    bench_scan.py FOLDER [--files 1000000] [--classes 1000] [--rounds 5]
                  [--library libstoker.so] [--keep]

Makes FOLDER/stoker-scan-* with empty files, scans it by turns in fresh
processes (the page cache is warm), and says what a name costs in memory and
how long the shuffle takes to set up.  Standard library only."""

import argparse
import ctypes as c
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def make_tree(root, n_files, n_classes):
    for k in range(n_classes):
        folder = f"{root}/n{k:08d}"
        os.mkdir(folder)
        for i in range(k, n_files, n_classes):
            # As ImageNet's names: class, then a number in no order.
            os.close(os.open(f"{folder}/n{k:08d}_{i * 7919 % 1000003}.JPEG", os.O_CREAT))


def scan_by_python(root):
    """Counts the images below root; keeps no name and sorts nothing."""
    n, left = 0, [root]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    left.append(entry.path)
                elif entry.name.lower().endswith(ENDINGS):
                    n += 1
    return n


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def child(how, root, library):
    """One scan in this process: seconds, items and bytes that stayed."""
    if how == "python":
        began = time.perf_counter()
        n = scan_by_python(root)
        return {"s": time.perf_counter() - began, "n": n}
    lib = c.CDLL(library)
    lib.stoker_dataset_count.restype = c.c_int64
    lib.stoker_dataset_count.argtypes = [c.c_void_p]
    ds, before = c.c_void_p(), resident_bytes()
    began = time.perf_counter()
    rc = lib.stoker_dataset_from_folder(c.byref(ds), os.fsencode(root), None, None)
    took = time.perf_counter() - began
    assert rc == 0, rc
    return {"s": took, "n": lib.stoker_dataset_count(ds), "bytes": resident_bytes() - before}


class Options(c.Structure):
    """The first group of stoker_options: all that planning reads."""

    _fields_ = [("size", c.c_size_t), ("seed", c.c_uint64), ("shuffle", c.c_int32),
                ("drop_last", c.c_int32), ("rank", c.c_int32), ("world_size", c.c_int32),
                ("batch_size", c.c_int64), ("global_batch_size", c.c_int64),
                ("n_epochs", c.c_int64)]


def time_order(library, n_items, n_rows=1 << 20):
    """CPU nanoseconds of a first id alone (and its call from Python), and of each
    id of a batch of n_rows."""
    lib = c.CDLL(library)
    opt = Options(c.sizeof(Options), 42, 1, 0, 0, 1, n_rows, 0, 0)
    i64 = c.c_int64
    lib.stoker_plan_id.restype = i64
    lib.stoker_plan_id.argtypes = [c.c_void_p, i64, i64, i64, c.c_int32]
    at = c.addressof(opt)
    firsts = []
    for epoch in range(2000):
        began = time.process_time_ns()
        lib.stoker_plan_id(at, n_items, epoch, 0, 0)
        firsts.append(time.process_time_ns() - began)
    ids, got = (i64 * n_rows)(), c.c_size_t()
    each = []
    for epoch in range(5):
        began = time.process_time_ns()
        rc = lib.stoker_plan_ids(c.byref(opt), i64(n_items), i64(epoch), i64(0), i64(0), ids,
                                 c.c_size_t(n_rows), c.byref(got), None)
        assert rc == 0, rc
        each.append((time.process_time_ns() - began) / got.value)
    return statistics.mean(firsts), min(each)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--library", default="build/libstoker.so")
    parser.add_argument("--keep", action="store_true", help="leave the tree there")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child, args.folder, args.library)))
        return
    library = os.path.abspath(args.library)
    root = tempfile.mkdtemp(prefix="stoker-scan-", dir=args.folder)
    try:
        make_tree(root, args.files, args.classes)
        runs = {"python": [], "stoker": []}
        for _ in range(args.rounds + 1):  # the first round only warms up
            for how, results in runs.items():
                out = subprocess.run([sys.executable, __file__, root, "--child", how,
                                      "--library", library], check=True, capture_output=True)
                results.append(json.loads(out.stdout))
    finally:
        if not args.keep:
            shutil.rmtree(root)
    assert all(r["n"] == args.files for results in runs.values() for r in results)
    seconds = {how: statistics.median(r["s"] for r in rs[1:]) for how, rs in runs.items()}
    names = sum(len(f"n{k:08d}_{i * 7919 % 1000003}.JPEG")
                for k in range(args.classes) for i in range(k, args.files, args.classes))
    stays = statistics.median(r["bytes"] for r in runs["stoker"][1:])
    print(f"files {args.files}, classes {args.classes}, median of {args.rounds} rounds")
    print(f"os.scandir in Python: {seconds['python']:.3f} s; stoker: {seconds['stoker']:.3f} s "
          f"({seconds['python'] / seconds['stoker']:.2f} times as fast)")
    print(f"memory an item: {stays / args.files:.1f} bytes, of which "
          f"{names / args.files:.1f} are its name")
    for n in (1000, 1_281_167, 1_000_000_000_000):
        first, each = time_order(library, n, min(n, 1 << 20))
        print(f"order of {n} items: first id {first:.0f} ns with the call, then {each:.1f} ns an id")


if __name__ == "__main__":
    main()
