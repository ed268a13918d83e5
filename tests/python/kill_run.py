"""A training run that is killed at random moments and resumed, each life with
another world and batch size; its log of received ids must be the unbroken
run's.  python kill_run.py --kills 200; scripts/kill_test is this.

A life runs all ranks of its world in one process, in step, as a job of that
many GPUs does.  After each step it writes the ids into the log and then the
state, which says how long the log is, by one rename: what a kill leaves is
the last whole checkpoint, and the log is cut to it."""
import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


# Three slots: zip keeps a tuple of batches of its own beside the loop's.
def open_ranks(root, world, batch, stoker):
    return [stoker.ImageLoader(root, batch_size=batch, rank=rank, world_size=world, seed=11,
                               workers=1, prefetch=3, transforms=[stoker.RandomResizedCrop(16)])
            for rank in range(world)]


def live(root, folder, world, batch, epochs):
    """One life: from the checkpoint on until killed or done."""
    import stoker
    checkpoint, log = folder / "checkpoint.json", folder / "ids.log"
    saved = json.loads(checkpoint.read_text()) if checkpoint.exists() else None
    ranks = open_ranks(root, world, batch, stoker)
    with open(log, "ab") as file:
        file.truncate(saved["log_bytes"] if saved else 0)
    if saved:
        for loader in ranks:
            loader.load_state_dict(saved["loader"])
    epoch = saved["loader"]["epoch"] if saved else 0
    with open(log, "ab") as file:
        print("lives", flush=True)
        while epoch < epochs:
            for batches in zip(*ranks, strict=True):
                ids = [i for b in batches for i in b.ids.tolist() if i >= 0]
                file.write("".join("%d %d\n" % (epoch, i) for i in ids).encode())
                file.flush()
                state = ranks[0].state_dict()
                assert all(r.state_dict() == state for r in ranks)
                fresh = checkpoint.with_suffix(".new")
                fresh.write_text(json.dumps({"loader": state, "log_bytes": file.tell()}))
                os.replace(fresh, checkpoint)
            epoch += 1
    (folder / "done").touch()


def unbroken(root, epochs):
    import stoker
    with stoker.ImageLoader(root, batch_size=64, seed=11, n_epochs=epochs,
                            transforms=[stoker.RandomResizedCrop(16)]) as loader:
        return ["%d %d" % (epoch, i) for epoch in range(epochs) for batch in loader
                for i in batch.ids.tolist()]


def run(kills, photos, seed=1, say=print):
    """Returns the kills that hit; raises AssertionError where a log differs."""
    sys.path.insert(0, str(HERE))
    from photos import make_photos
    rng, hit, runs = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="stoker-kill-") as name:
        root = make_photos(Path(name) / "photos", photos, side=24)
        epochs = 3
        expected = unbroken(root, epochs)
        assert sorted(expected) == sorted("%d %d" % (e, i) for e in range(epochs)
                                          for i in range(photos))
        while hit < kills:
            folder = Path(name) / ("run%d" % runs)
            folder.mkdir()
            lives, marks = 0, []
            while not (folder / "done").exists():
                world, batch = rng.choice([1, 1, 2, 3, 4]), rng.choice([1, 2, 3, 5, 8])
                process = subprocess.Popen(
                    [sys.executable, __file__, "--live", str(root), str(folder), str(world),
                     str(batch), str(epochs)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                lives += 1
                if hit < kills:
                    first = process.stdout.readline()
                    assert first == b"lives\n", process.stderr.read().decode()
                    time.sleep(rng.uniform(0, 0.06))
                    process.kill()
                error = process.communicate()[1]
                if process.returncode == -signal.SIGKILL:
                    hit += 1
                    checkpoint = folder / "checkpoint.json"
                    marks.append(checkpoint.read_text() if checkpoint.exists() else "")
                else:
                    assert process.returncode == 0, error.decode()
            got = (folder / "ids.log").read_text().splitlines()
            assert got == expected, "run %d: the log differs from the unbroken run's" % runs
            runs += 1
            say("run %d: %d lives, %d different places, log equal; %d of %d kills"
                % (runs, lives, len(set(marks)), hit, kills))
    return hit


def main():
    parser = argparse.ArgumentParser(prog="scripts/kill_test", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--live", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.live:
        root, folder, *numbers = args.live
        live(root, Path(folder), *map(int, numbers))
        return 0
    hit = run(args.kills, args.photos, args.seed)
    print("kill_test: %d kills, every log equal to the unbroken run's" % hit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
