#!/usr/bin/env python3
"""From the start of a process to its first batch, and the memory of an epoch.

    start.py PHOTOS [--bench-start PROGRAM] [--files 1000] [--batch-size 64]
             [--workers 2] [--rounds 7] [--json]

Links PHOTOS over and over into a folder of 1,000 files in 10 classes, warm in
the page cache, and starts by turns bench_start (C) and Python with `import
stoker`. The clock runs from before the process is made until its word of the
first batch arrives. Memory is the process's peak after a whole epoch, less the
arena. Python must find stoker: installed, or PYTHONPATH and STOKER_LIBRARY."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILT = Path(__file__).resolve().parents[2] / "build/benchmarks/bench_start"

IN_PYTHON = """
import os, sys, stoker
loader = stoker.ImageLoader(sys.argv[1], batch_size=int(sys.argv[2]), workers=int(sys.argv[3]))
batches = iter(loader)
batch = next(batches)
os.write(1, b"first\\n")
for batch in batches:
    pass
import resource
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak, loader.stats()["arena_bytes"])
"""


def link_photos(photos, folder, n_files):
    """n_files names in 10 classes over the photos that there are."""
    found = sorted(p for p in Path(photos).rglob("*")
                   if p.suffix.lower() in (".jpg", ".jpeg") and p.is_file())
    if not found:
        sys.exit(f"start.py: no photo in {photos}")
    for k in range(10):
        os.mkdir(f"{folder}/class{k}")
    for i in range(n_files):
        photo = found[i % len(found)].resolve()
        photo.read_bytes()  # into the page cache
        os.symlink(photo, f"{folder}/class{i % 10}/{i:06d}.jpg")


def start(command):
    """(seconds to the first batch, peak bytes, arena bytes) of one process."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        word = child.stdout.readline()
        took = time.monotonic() - began
        rest = child.stdout.read().split()
    if word != b"first\n" or child.returncode != 0:
        sys.exit(f"start.py: {command[0]} failed")
    return took, int(rest[0]), int(rest[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("photos")
    parser.add_argument("--bench-start", default=str(BUILT), help="the built program")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not os.access(args.bench_start, os.X_OK):
        parser.error(f"{args.bench_start} is not built: cmake -S . -B build "
                     "-DSTOKER_BENCHMARKS=ON && cmake --build build")

    with tempfile.TemporaryDirectory() as folder:
        link_photos(args.photos, folder, args.files)
        tail = [folder, str(args.batch_size), str(args.workers)]
        commands = {"C": [args.bench_start] + tail,
                    "Python": [sys.executable, "-c", IN_PYTHON] + tail}
        rounds = {name: [] for name in commands}
        for _ in range(args.rounds):
            for name, command in commands.items():
                rounds[name].append(start(command))
    out = {}
    for name, found in rounds.items():
        out[name] = {"first_batch_s": statistics.median(r[0] for r in found),
                     "best_s": min(r[0] for r in found),
                     "peak_mb": statistics.median(r[1] for r in found) / 1e6,
                     "arena_mb": found[0][2] / 1e6}
        out[name]["beyond_arena_mb"] = out[name]["peak_mb"] - out[name]["arena_mb"]
    if args.json:
        print(json.dumps(out))
        return
    for name, o in out.items():
        print(f"{name:7} first batch of {args.batch_size} after {o['first_batch_s']:.3f} s "
              f"(best {o['best_s']:.3f}), peak {o['peak_mb']:.1f} MB = arena "
              f"{o['arena_mb']:.1f} + {o['beyond_arena_mb']:.1f} MB")


if __name__ == "__main__":
    main()
