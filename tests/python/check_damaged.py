"""Damages copies of real images in seeded ways (cut, bits flipped, bytes
inserted, zeroed or removed, markers written), asks decode_rgb and Pillow for
their verdict and for the pixels of a random window, and counts where they
differ.

usage: check_damaged.py DECODE_RGB [--seed N] [--copies N] [--lenient]
           [--whole] [--list FILE] IMAGE...
Prints each difference; the exit status is 1 when there is any.  A Pillow
built with the same libjpeg-turbo as stoker's differs nowhere."""
import argparse
import hashlib
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

from PIL import Image, ImageFile


def damage(data, rng, way):
    d = bytearray(data)
    n = len(d)
    if way == "none":
        return bytes(d)
    if way == "cut":
        return bytes(d[:rng.randrange(n)])
    if way == "cut_end":
        return bytes(d[:n - rng.randrange(1, min(n, 64))])
    if way == "flip":
        for _ in range(rng.choice([1, 1, 1, 3, 20])):
            d[rng.randrange(n)] ^= 1 << rng.randrange(8)
    elif way == "flip_head":
        for _ in range(rng.choice([1, 1, 2])):
            d[rng.randrange(min(n, 700))] ^= 1 << rng.randrange(8)
    elif way == "byte_head":
        d[rng.randrange(min(n, 700))] = rng.randrange(256)
    elif way == "insert":
        at = rng.randrange(n)
        d[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
    elif way == "remove":
        at = rng.randrange(n)
        del d[at:at + rng.randrange(1, 40)]
    elif way == "zero":
        at = rng.randrange(n)
        d[at:at + 300] = bytes(len(d[at:at + 300]))
    elif way == "marker":
        at = rng.randrange(n - 1)
        d[at:at + 2] = bytes([0xFF, rng.choice([0xD0, 0xD3, 0xD8, 0xD9, 0xDA,
                                                0xC4, 0xFE, 0xFF, 0x01])])
    elif way == "tail":
        d += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 500)))
    elif way == "no_eoi":
        return bytes(d[:-2])
    return bytes(d)


WAYS = ["none", "cut", "cut_end", "flip", "flip", "flip_head", "flip_head",
        "byte_head", "insert", "remove", "zero", "marker", "tail", "no_eoi"]


def by_pillow(path, window):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rgb = Image.open(path).convert("RGB")
    except Exception as e:
        return "error", f"{type(e).__name__}: {e}"[:90]
    if window:
        top, left, height, width = window
        rgb = rgb.crop((left, top, left + width, top + height))
    return "ok", hashlib.sha256(rgb.tobytes()).hexdigest()


def random_window(path, rng):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = Image.open(path).size
    except Exception:
        return None
    top, left = rng.randrange(height), rng.randrange(width)
    return (top, left, rng.randrange(1, height - top + 1),
            rng.randrange(1, width - left + 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("decode_rgb")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--copies", type=int, default=14)
    parser.add_argument("--lenient", action="store_true")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--keep", help="a folder for copies that differ")
    parser.add_argument("--option", default=[], action="append")
    args = parser.parse_args()
    ImageFile.LOAD_TRUNCATED_IMAGES = args.lenient
    rng = random.Random(args.seed)
    command = [args.decode_rgb] + args.option + \
        (["lenient"] if args.lenient else [])
    tool = subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                            stdout=subprocess.PIPE)
    counts = {}
    differences = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "copy.jpg"
        for image in args.images:
            data = pathlib.Path(image).read_bytes()
            if len(data) < 16:
                continue
            for i in range(args.copies):
                way = WAYS[i % len(WAYS)]
                copy = damage(data, rng, way)
                path.write_bytes(copy)
                window = None if args.whole else random_window(path, rng)
                want = by_pillow(path, window)
                line = "\t".join(map(str, (path, *window) if window
                                     else (path,)))
                tool.stdin.write(line + "\n")
                tool.stdin.flush()
                got = tool.stdout.readline().rstrip("\n").split("\t")
                got = (got[0], got[8] if got[0] == "ok" else got[-1])
                key = (way, want[0], got[0])
                same = want[0] == got[0] and (want[0] == "error"
                                              or want[1] == got[1])
                n = counts.setdefault(key, [0, 0])
                n[0] += 1
                n[1] += not same
                if not same:
                    differences += 1
                    print("differs", way, window, want, got, image, sep="\t")
                    if args.keep:
                        keep = pathlib.Path(args.keep)
                        keep.mkdir(exist_ok=True)
                        (keep / f"{differences}.jpg").write_bytes(copy)
    tool.stdin.close()
    assert tool.wait() == 0, "decode_rgb failed"
    for key, (n, bad) in sorted(counts.items()):
        print(*key, n, bad, sep="\t")
    print(f"{sum(n for n, _ in counts.values())} copies, "
          f"{differences} differ")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
