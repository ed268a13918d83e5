"""Ranks as processes of their own, killed at random moments and resumed in
worlds of other sizes: what they received, put together, must be the unbroken
run.  python kill_ranks.py --kills 200; scripts/kill_test --ranks is this.

As under torchrun, each rank is a process that knows its place from RANK and
WORLD_SIZE.  It appends a line a step to a log of its own: the state and, for
each row, position's id, validity, label and a CRC of its pixels.  Nothing holds
the ranks in step, so a kill leaves them at different places; the launcher
resumes from the last step that all of them have, as a job does from the last
whole checkpoint.  A kill hits the whole job, one rank and then the job, or one
rank alone, which comes back by itself."""
import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED, EPOCHS, SIDE = 11, 3, 16


def open_loader(root, policy, batch, total, use_torch=False, **more):
    """A rank's loader, its place from the environment as torchrun sets it."""
    import stoker
    if use_torch:
        from stoker.torch import ImageLoader
        more["fields"] = ("image", "label", "id", "valid")
    else:
        from stoker import ImageLoader
    if total:
        more["global_batch_size"] = total
    return ImageLoader(root, batch_size=batch, seed=SEED, workers=1, n_epochs=EPOCHS,
                       on_error=policy, max_bad=None,
                       digest_pixels=True, transforms=[stoker.RandomResizedCrop(SIDE)], **more)


def rows_of(batch):
    """(id, valid, label, CRC of the pixels) of each row that is no padding."""
    import numpy as np
    names = ("image", "label", "id", "valid") if hasattr(batch, "image") else \
        ("images", "labels", "ids", "valid")
    images, labels, ids, valid = (np.asarray(getattr(batch, name)) for name in names)
    return [[i, v, label, zlib.crc32(image.tobytes())]
            for i, v, label, image in zip(ids.tolist(), valid.tolist(), labels.tolist(), images)
            if i >= 0]


def live(root, log, policy, batch, total, saved, use_torch):
    """A rank's life: from the last line of its log, else from `saved`, on."""
    loader = open_loader(root, policy, batch, total, use_torch)
    lines = log.read_bytes() if log.exists() else b""
    whole = lines[:lines.rfind(b"\n") + 1]
    if whole:
        saved = json.loads(whole.splitlines()[-1])["state"]
    epoch = saved["epoch"] if saved else 0
    if saved:
        loader.load_state_dict(saved)
    with open(log, "ab") as file:
        file.truncate(len(whole))
        print("lives", flush=True)
        for e in range(epoch, EPOCHS):
            for batch in loader:
                line = {"epoch": e, "rows": rows_of(batch), "state": loader.state_dict(),
                        "digest": loader.digest()}
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                # The training step: a whole run takes about as long in any world.
                time.sleep(0.001 * len(line["rows"]) * loader._options.world_size)
                print("step", flush=True)  # so that the launcher knows when to strike


class Job:
    """One run from its first epoch to its last, over as many lives as it takes."""

    def __init__(self, root, folder, policy, rng, use_torch):
        self.root, self.folder, self.policy = root, folder, policy
        self.rng, self.use_torch = rng, use_torch
        self.saved, self.lives, self.hits = None, 0, 0
        self.places = set()
        self.rows = [[] for _ in range(EPOCHS)]
        self.digests = [[] for _ in range(EPOCHS)]

    def start(self, rank):
        environment = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(self.world),
                           LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=str(self.world))
        return subprocess.Popen(
            [sys.executable, __file__, "--live", str(self.root), str(self.log(rank)), self.policy,
             str(self.batch), str(self.total), json.dumps(self.saved), str(int(self.use_torch))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)

    def log(self, rank):
        return self.folder / ("life%d_rank%d.log" % (self.lives, rank))

    def finish(self, process, must_end):
        error = process.communicate()[1]
        assert process.returncode == 0 or not must_end and process.returncode == -signal.SIGKILL, \
            error.decode()
        return process.returncode != 0

    def strike(self, ranks, kills):
        """Kills; returns the processes that are to end well by themselves."""
        for process in ranks:
            assert process.stdout.readline() == b"lives\n", process.stderr.read().decode()
        while self.hits < kills:
            how, victim = self.rng.choice(["all", "one first", "one alone"]), \
                self.rng.randrange(self.world)
            for _ in range(self.rng.choice([0, self.rng.randrange(1 + 250 // self.step)])):
                ranks[victim].stdout.readline()
            time.sleep(self.rng.uniform(0, 0.01))
            if how != "all":
                ranks[victim].kill()
                hit = self.finish(ranks[victim], must_end=False)
                self.hits += hit
            if how == "one alone":
                ranks[victim] = self.start(victim)
                if not hit:
                    break
                if self.rng.random() < 0.7:  # else it may be hit before it is up
                    ranks[victim].stdout.readline()
                continue
            time.sleep(self.rng.uniform(0, 0.02))
            for process in ranks:
                process.kill()
            hit = max([self.finish(p, must_end=False) for p in ranks])
            self.hits += hit and how == "all"
            return []
        return ranks

    def live_once(self, kills):
        """One life of all ranks; true when the run is over."""
        self.lives += 1
        self.world, self.batch = self.rng.randint(1, 4), self.rng.choice([1, 2, 3, 5, 8])
        self.total = self.rng.choice([0, 0, self.world + 1, 7, 16])
        self.step = self.total or self.world * self.batch
        ranks = [self.start(rank) for rank in range(self.world)]
        if self.hits < kills:
            ranks = self.strike(ranks, kills)
        for process in ranks:
            self.finish(process, must_end=True)
        return self.take_over() and bool(ranks)

    def take_over(self):
        """Books the steps that every rank has; true when these are all."""
        logs = []
        for rank in range(self.world):
            lines = self.log(rank).read_bytes() if self.log(rank).exists() else b""
            logs.append([json.loads(x) for x in lines[:lines.rfind(b"\n") + 1].splitlines()])
        steps = list(zip(*logs))
        for i, step in enumerate(steps):
            states = [line["state"] for line in step]
            assert states.count(states[0]) == self.world, "ranks' states differ"
            self.saved = states[0]
            for rank, line in enumerate(step):
                self.rows[line["epoch"]] += line["rows"]
                digest = line["digest"]
                follower = steps[i + 1][rank]["digest"] if i + 1 < len(steps) else None
                # A rank's sums begin again with an epoch and with each life.
                if not follower or (follower["epoch"], follower["start"]) != \
                        (digest["epoch"], digest["start"]):
                    self.digests[line["epoch"]].append(digest)
        self.places.add((self.saved["epoch"], self.saved["consumed"]) if self.saved else None)
        return all(len(log) == len(steps) for log in logs)


def unbroken(root, policy):
    """Rows and digest of each epoch of the run that nobody kills, in one world
    of one; and what the plan says that the digest must be."""
    with open_loader(root, policy, 64, 0, rank=0, world_size=1) as loader:
        epochs = []
        for epoch in range(EPOCHS):
            rows = [row for batch in loader for row in rows_of(batch)]
            epochs.append((rows, loader.digest(), loader.expected_digest(epoch)))
        return epochs


def check(job, expected, say_run):
    import stoker
    for epoch, (rows, digest, plan) in enumerate(expected):
        assert job.rows[epoch] == rows, "%s, epoch %d: other rows" % (say_run, epoch)
        total = stoker.digest_sum(job.digests[epoch])
        assert total["total"] == plan, "%s, epoch %d: not every id once" % (say_run, epoch)
        for name in ("good", "bad", "refill", "pixels", "n_good", "n_bad", "n_refill"):
            assert total[name] == digest[name], "%s, epoch %d: %s" % (say_run, epoch, name)


def spoil(root, rng):
    """Cuts a tenth of the photos short."""
    for path in sorted(root.glob("*/*.jpg")):
        if rng.random() < 0.1:
            path.write_bytes(path.read_bytes()[:rng.randrange(0, 200)])


def run(kills, photos, seed=1, use_torch=False, say=print):
    """Returns the kills that hit; raises AssertionError where a log differs."""
    sys.path.insert(0, str(HERE))
    from photos import make_photos
    rng, hits, runs = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="stoker-kill-") as name:
        root = make_photos(Path(name) / "photos", photos, side=24)
        spoil(root, rng)
        expected = {policy: unbroken(root, policy) for policy in ("mask", "refill")}
        while hits < kills:
            folder = Path(name) / ("run%d" % runs)
            folder.mkdir()
            policy = ("refill", "mask")[runs % 2]
            job = Job(root, folder, policy, rng, use_torch)
            goal = min(kills - hits, 12)
            while not job.live_once(goal):
                pass
            check(job, expected[policy], "run %d" % runs)
            hits, runs = hits + job.hits, runs + 1
            say("run %d (%s): %d lives, %d places, %d kills: rows, states, digests equal; "
                "%d of %d kills" % (runs, policy, job.lives, len(job.places), job.hits, hits,
                                    kills), flush=True)
    return hits


def main():
    parser = argparse.ArgumentParser(prog="scripts/kill_test --ranks", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--torch", action="store_true", help="through stoker.torch.ImageLoader")
    parser.add_argument("--live", nargs=7, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.live:
        root, log, policy, batch, total, saved, use_torch = args.live
        live(root, Path(log), policy, int(batch), int(total), json.loads(saved),
             bool(int(use_torch)))
        return 0
    hits = run(args.kills, args.photos, args.seed, args.torch)
    print("kill_test: %d kills, every rank's log equal to the unbroken run's" % hits)
    return 0


if __name__ == "__main__":
    sys.exit(main())
