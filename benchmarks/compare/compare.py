"""stoker beside torchvision's way on the same files, in one run.

    python benchmarks/compare/compare.py FOLDER [--rounds 3] [--only val]

Rounds alternate between torch's DataLoader over PIL with 2 worker processes and
stoker.torch.ImageLoader with 2 threads, u8 and f32, and medians are printed
with their ratios; then the transform of evaluation on one core; then the first
batch from the start of the process, with the peak of memory.  torchvision
itself is used where it can be imported, else its PIL path written out here
(ImageFolder, RandomResizedCrop.get_params, PIL's resize and transpose,
pil_to_tensor): the output says which."""
import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import stoker
import stoker.torch

try:
    import torchvision
except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
    torchvision, WHY = None, str(error)

MEAN, STD = stoker.IMAGENET_MEAN, stoker.IMAGENET_STD
BILINEAR = Image.Resampling.BILINEAR


def to_tensor(image):
    data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return data.view(image.height, image.width, 3).permute(2, 0, 1).contiguous()


def normalize(tensor):
    mean = torch.tensor(MEAN).view(3, 1, 1)
    return tensor.float().div_(255).sub_(mean).div_(torch.tensor(STD).view(3, 1, 1))


class Train:
    """RandomResizedCrop(224) and RandomHorizontalFlip, as torchvision does."""

    def __call__(self, image):
        width, height = image.size
        for _ in range(10):
            area = width * height * random.uniform(0.08, 1)
            ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                top, left = random.randint(0, height - h), random.randint(0, width - w)
                break
        else:
            w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
            top, left = (height - h) // 2, (width - w) // 2
        image = image.crop((left, top, left + w, top + h)).resize((224, 224), BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image


def evaluate(image):
    """Resize(256) and CenterCrop(224)."""
    width, height = image.size
    short = min(width, height)
    image = image.resize((256 * width // short, 256 * height // short), BILINEAR)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    return image.crop((left, top, left + 224, top + 224))


class Folder(Dataset):
    def __init__(self, loader, transform, dtype):
        self.items = [(loader.path(i), loader.label(i)) for i in range(loader.n_samples)]
        self.transform, self.dtype = transform, dtype

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        with open(path, "rb") as file:
            image = self.transform(Image.open(file).convert("RGB"))
        tensor = to_tensor(image)
        return (normalize(tensor) if self.dtype == "float32" else tensor), label


def peer(folder, dtype, transform, workers):
    """The DataLoader: torchvision's, or the same written out."""
    with stoker.ImageLoader(folder) as names:
        mine = Folder(names, Train() if transform == "train" else evaluate, dtype)
    if torchvision is None:
        data = mine
    else:
        from torchvision import transforms as t
        first = [t.RandomResizedCrop(224), t.RandomHorizontalFlip()] if transform == "train" \
            else [t.Resize(256), t.CenterCrop(224)]
        last = [t.ToTensor(), t.Normalize(MEAN, STD)] if dtype == "float32" \
            else [t.PILToTensor()]
        data = torchvision.datasets.ImageFolder(folder, t.Compose(first + last))
    return DataLoader(data, batch_size=64, shuffle=transform == "train", num_workers=workers,
                      persistent_workers=workers > 0)


def ours(folder, dtype, transform, workers):
    entries = [stoker.RandomResizedCrop(224), stoker.RandomHorizontalFlip()] \
        if transform == "train" else [stoker.Resize(256), stoker.CenterCrop(224)]
    if dtype == "float32":
        entries.append(stoker.Normalize(MEAN, STD))
    return stoker.torch.ImageLoader(folder, batch_size=64, shuffle=transform == "train",
                                    dtype=dtype, transforms=entries, workers=workers)


def rate(loader, epochs=2):
    """Images a second, from nothing ready: stoker runs ahead into the next
    epoch, so each is begun by set_epoch, which forgets what was made."""
    began, count = time.perf_counter(), 0
    for _ in range(epochs):
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(loader.state_dict()["epoch"] + 2)
        for image, _ in loader:
            count += len(image)
    return count / (time.perf_counter() - began)


def compare(title, folder, dtype, transform, theirs, mine, rounds):
    a, b = peer(folder, dtype, transform, theirs), ours(folder, dtype, transform, mine)
    rate(a), rate(b)  # files into the cache, workers started
    slow, fast = [], []
    for _ in range(rounds):
        slow.append(rate(a))
        fast.append(rate(b))
    ratios = [y / x for x, y in zip(slow, fast)]
    print("%-28s torch %6.0f img/s, stoker %6.0f img/s, ratio %.2f (%.2f ... %.2f)"
          % (title, statistics.median(slow), statistics.median(fast),
             statistics.median(ratios), min(ratios), max(ratios)), flush=True)
    b.close()


FIRST = """
import sys, time
import stoker
loader = stoker.ImageLoader(sys.argv[1])
next(iter(loader))
stats = loader.stats()
for _ in loader: pass
text = open("/proc/self/status").read()
peak = int(text.split("VmHWM:")[1].split()[0]) / 1024
print(stats["arena_bytes"] / 2**20, peak, stats["first_batch_ns"] / 1e9)
"""

ONLY_FIRST = """
import sys, os
import stoker
next(iter(stoker.ImageLoader(sys.argv[1])))
os.write(1, b"x")
os._exit(0)
"""


def first_batch(folder, rounds):
    """Seconds from exec to the first batch; and the peak of a whole epoch."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", ONLY_FIRST, folder], check=True,
                       stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    out = subprocess.run([sys.executable, "-c", FIRST, folder], check=True,
                         capture_output=True, text=True).stdout.split()
    arena, peak, inner = map(float, out)
    print("first batch from process start: %.3f s (of which open to batch %.3f s); peak "
          "%.0f MB = arena %.0f MB + %.0f MB, the interpreter included"
          % (statistics.median(took), inner, peak, arena, peak - arena))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("first", "train", "val"))
    args = parser.parse_args()
    if not os.path.isdir(args.folder):
        parser.error("%s is no folder" % args.folder)
    torch.set_num_threads(1)
    print("peer: %s; load %.1f" % (
        "torchvision " + torchvision.__version__ if torchvision else
        "torchvision's PIL path written out (%s)" % WHY, os.getloadavg()[0]), flush=True)
    if args.only in (None, "first"):
        first_batch(args.folder, args.rounds)
    if args.only in (None, "train"):
        compare("train u8, 2 workers", args.folder, "uint8", "train", 2, 2, args.rounds)
        compare("train f32, 2 workers", args.folder, "float32", "train", 2, 2, args.rounds)
    if args.only in (None, "val"):
        compare("val u8, one core", args.folder, "uint8", "val", 0, 1, args.rounds)


if __name__ == "__main__":
    main()
