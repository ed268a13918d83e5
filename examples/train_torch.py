"""Trains a small CNN on the CPU and saves itself with its place in the data;
what is stopped in the middle goes on with the losses of an unbroken run.

    stoker synth photos --count 500
    python examples/train_torch.py photos --epochs 5 --checkpoint run.pt
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Dict, Optional

import torch
from torch import nn

import stoker
import stoker.torch

SIDE = 32
NORMALIZE = stoker.Normalize(stoker.IMAGENET_MEAN, stoker.IMAGENET_STD)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", help="one sub-folder a class")
    parser.add_argument("--check", help="a folder for the accuracy (the same)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="threads of the loader")
    parser.add_argument("--checkpoint", help="resumed if it exists")
    parser.add_argument("--log", help="gets each step's loss")
    parser.add_argument("--stop-after", type=int, default=0, metavar="STEPS",
                        help="write the checkpoint in the middle and end")
    return parser.parse_args()


def loader_of(args: argparse.Namespace, training: bool) -> stoker.torch.ImageLoader:
    """float32 [rows, 3, 32, 32], int64 labels, and which rows are photos."""
    crop = [stoker.RandomResizedCrop(SIDE, scale=(0.5, 1.0)), stoker.RandomHorizontalFlip()] \
        if training else [stoker.Resize(SIDE + SIDE // 8), stoker.CenterCrop(SIDE)]
    return stoker.torch.ImageLoader(
        args.folder if training else args.check or args.folder,
        batch_size=args.batch_size, shuffle=training, seed=args.seed,
        transforms=crop + [NORMALIZE], dtype="float32", workers=args.workers,
        on_error="mask",  # a bad photo costs its row, not the run
        fields=("image", "label", "valid"))


def network(n_classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * (SIDE // 4) ** 2, 64), nn.ReLU(),
        nn.Linear(64, n_classes))


@torch.no_grad()
def accuracy(net: nn.Module, loader: stoker.torch.ImageLoader) -> float:
    right = rows = 0
    for images, labels, valid in loader:
        real = valid.bool()
        right += int((net(images).argmax(1) == labels)[real].sum())
        rows += int(real.sum())
    return right / max(1, rows)


class Run:
    """The network, its optimiser, and where they stand in the data."""

    def __init__(self, args: argparse.Namespace):
        torch.manual_seed(args.seed)
        self.args = args
        self.train = loader_of(args, True)
        self.check = loader_of(args, False)
        self.net = network(len(self.train.classes))
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.02, momentum=0.9)
        self.step = self.rows = 0
        self.loss = 0.0  # summed over the epoch's rows so far

    def save(self) -> None:
        if not self.args.checkpoint:
            return
        beside = self.args.checkpoint + ".new"
        torch.save({"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "data": self.train.state_dict(), "step": self.step, "rows": self.rows,
                    "loss": self.loss}, beside)
        os.replace(beside, self.args.checkpoint)  # whole or not at all

    def resume(self) -> int:
        """The epoch to go on with."""
        if not self.args.checkpoint or not os.path.exists(self.args.checkpoint):
            return 0
        saved: Dict[str, Any] = torch.load(self.args.checkpoint)
        self.net.load_state_dict(saved["net"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.train.load_state_dict(saved["data"])
        self.step, self.rows, self.loss = saved["step"], saved["rows"], saved["loss"]
        print("resumed epoch %d behind %d photos"
              % (saved["data"]["epoch"], saved["data"]["consumed"]))
        return saved["data"]["epoch"]

    def learn(self, images: torch.Tensor, labels: torch.Tensor, valid: torch.Tensor) -> float:
        real = valid.bool()
        labels = labels.masked_fill(~real, -100)  # what cross_entropy leaves out
        loss = nn.functional.cross_entropy(self.net(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self.rows += int(real.sum())
        self.loss += loss.item() * int(real.sum())
        return loss.item()

    def epoch(self, epoch: int, log: Optional[Any]) -> bool:
        """Plays one; False when it was to stop in the middle."""
        self.train.set_epoch(epoch)  # harmless behind resume()
        for images, labels, valid in self.train:
            loss = self.learn(images, labels, valid)
            if log:
                log.write("%d %s\n" % (self.step, float(loss).hex()))
            self.args.stop_after -= 1
            if self.args.stop_after == 0:
                self.save()
                return False
        if self.rows:  # a run that had ended before is not ended once more
            print("epoch %d: loss %.4f, accuracy %.1f %%"
                  % (epoch, self.loss / self.rows, 100 * accuracy(self.net, self.check)),
                  flush=True)
        self.rows, self.loss = 0, 0.0
        self.save()
        return True


def main() -> None:
    args = arguments()
    run = Run(args)
    log = open(args.log, "a", encoding="ascii") if args.log else None
    for epoch in range(run.resume(), args.epochs):
        if not run.epoch(epoch, log):
            break
    for bad in run.train.bad():
        print("left out:", bad["reason"], file=sys.stderr)
    print(run.train.report())


if __name__ == "__main__":
    main()
