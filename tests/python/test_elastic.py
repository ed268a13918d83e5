"""A run with bad samples that dies in the middle of an epoch and goes on in a
world of another size: the same ids, the same declared duplicates, the same
sums, and no ledger is needed for it."""
import itertools
import json

import numpy as np
import pytest

import stoker
from photos import make_photos

SEED, PHOTOS = 9, 60
WORLDS = range(1, 8)


@pytest.fixture(scope="module")
def with_bad(tmp_path_factory):
    """60 photos of which 9 are cut or empty, four of them neighbours."""
    root = make_photos(tmp_path_factory.mktemp("with_bad"), PHOTOS)
    for i in (0, 7, 20, 21, 22, 23, 40, 58, 59):
        path = next(root.glob("*/photo%03d.jpg" % i))
        path.write_bytes(path.read_bytes()[:(i % 3) * 90])
    return root


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("sound"), PHOTOS)


class Run:
    """What a run of all ranks of a world received, rank after rank, step by
    step, and what each of them says of it."""

    def __init__(self):
        self.rows, self.digests, self.bad, self.steps = [], [], [], []

    def play(self, root, small, world, state=None, n_steps=None, **more):
        loaders = [stoker.ImageLoader(root, rank=r, world_size=world, seed=SEED, workers=2,
                                      transforms=small, digest_pixels=True,
                                      **dict(dict(batch_size=8, max_bad=None), **more))
                   for r in range(world)]
        try:
            iterators = []
            for loader in loaders:
                if state:
                    loader.load_state_dict(state)
                iterators.append(itertools.islice(iter(loader), n_steps))
            received = [[_rows(batch) for batch in batches] for batches in iterators]
            # No rank may make a step more, or get a row more, than another.
            shapes = [[len(batch) for batch in batches] for batches in received]
            assert shapes.count(shapes[0]) == world
            self.steps.append(len(shapes[0]))
            for step in zip(*received):
                self.rows += [row for batch in step for row in batch if row[0] >= 0]
            self.digests += [loader.digest() for loader in loaders]
            self.bad += [(b["epoch"], b["position"], b["attempt"], b["id"], b["code"])
                         for loader in loaders for b in loader.bad()]
            states = [loader.state_dict() for loader in loaders]
            assert states.count(states[0]) == world
            self.checked = loaders[0].check_digests
            return json.loads(json.dumps(states[0]))
        finally:
            for loader in loaders:
                loader.close()


def _rows(batch):
    images = np.asarray(batch.images)
    return [(i, v, label, tuple(window), flip, images[k].tobytes())
            for k, (i, v, label, window, flip) in enumerate(zip(
                batch.ids.tolist(), batch.valid.tolist(), batch.labels.tolist(),
                batch.windows.tolist(), batch.flips.tolist()))]


def same(run, whole, name):
    total, want = (stoker.digest_sum(r.digests) for r in (run, whole))
    assert [row[:5] for row in run.rows] == [row[:5] for row in whole.rows], name
    assert run.rows == whole.rows, name + ": pixels"
    assert sorted(run.bad) == sorted(whole.bad), name + ": declared"
    assert total == want, name


POLICIES = ("raise", "mask", "refill")


def root_for(policy, with_bad, sound):
    return sound if policy == "raise" else with_bad


@pytest.mark.parametrize("policy", POLICIES)
def test_every_world_size_receives_the_same_rows(policy, with_bad, sound, small):
    root = root_for(policy, with_bad, sound)
    whole = Run()
    whole.play(root, small, 1, batch_size=60, on_error=policy)
    assert len(whole.rows) == PHOTOS
    total = whole.checked(whole.digests)
    assert total["n_bad"] == (0 if policy == "raise" else 9)
    assert total["n_refill"] == (9 if policy == "refill" else 0)
    for world in WORLDS:
        for more in (dict(), dict(global_batch_size=world + 3), dict(batch_size=1)):
            run = Run()
            run.play(root, small, world, on_error=policy, **more)
            same(run, whole, "world %d, %r" % (world, more))
            assert run.checked(run.digests)["pixels"] == total["pixels"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_that_changes_its_world_in_mid_epoch_receives_the_same(
        policy, with_bad, sound, small):
    root = root_for(policy, with_bad, sound)
    whole = Run()
    whole.play(root, small, 1, batch_size=60, on_error=policy)
    for world, later in zip(WORLDS, (3, 1, 7, 2, 4, 5, 6)):
        for n_steps in (1, 2):
            run = Run()
            state = run.play(root, small, world, n_steps=n_steps, batch_size=3, on_error=policy)
            assert 0 < state["consumed"] == 3 * world * n_steps < PHOTOS
            middle = run.play(root, small, 2, state=state, n_steps=1, global_batch_size=7,
                              on_error=policy)
            run.play(root, small, later, state=middle, batch_size=5, on_error=policy)
            same(run, whole, "world %d, %d steps, then 2, then %d" % (world, n_steps, later))
            run.checked(run.digests)


def test_the_second_epoch_has_other_substitutes(with_bad, small):
    kept = []
    for epoch in (0, 1):
        run = Run()
        with stoker.ImageLoader(with_bad, seed=SEED, transforms=small, on_error="refill",
                                max_bad=None) as loader:
            loader.set_epoch(epoch)
            run.rows = [row for batch in loader for row in _rows(batch)]
            kept.append({b["position"]: b["id"] for b in loader.bad() if b["attempt"] == 0})
    assert set(kept[0].values()) == set(kept[1].values()) and kept[0] != kept[1]


def by_id(root, small, epoch, **more):
    with stoker.ImageLoader(root, seed=SEED, transforms=small, batch_size=PHOTOS,
                            max_bad=None, **more) as loader:
        loader.set_epoch(epoch)
        return {row[0]: row[1:] for batch in loader for row in _rows(batch)}


def test_a_samples_pixels_follow_its_id_and_the_epoch_not_its_place(sound, with_bad, small):
    shuffled = by_id(sound, small, 0)
    assert by_id(sound, small, 0, shuffle=False) == shuffled
    later = by_id(sound, small, 1)
    assert sum(later[i] == shuffled[i] for i in shuffled) < 3
    # A substitute looks as it does in its own place.
    masked = by_id(with_bad, small, 0, on_error="mask")
    refilled = Run()
    refilled.play(with_bad, small, 2, on_error="refill")
    assert len({row[0] for row in refilled.rows}) == PHOTOS - 9
    assert all(row[1:] == masked[row[0]] for row in refilled.rows)


def test_substitutes_are_those_of_the_reference_planner(with_bad, small):
    from reference_planner import draw, order
    run = Run()
    run.play(with_bad, small, 3, on_error="refill")
    bad, ids = {0, 7, 20, 21, 22, 23, 40, 58, 59}, []
    with stoker.ImageLoader(with_bad, transforms=small) as loader:
        broken = {i for i in range(PHOTOS) if int(loader.path(i)[-7:-4]) in bad}
    for position, planned in enumerate(order(SEED, 0, PHOTOS)):
        attempt, i = 0, planned
        while i in broken:
            attempt += 1
            i = draw(SEED, 0, position, 2, attempt)[0] * PHOTOS >> 64
        ids.append(i)
    assert [row[0] for row in run.rows] == ids


def test_sums_that_are_not_the_plans_are_errors(sound, small):
    run = Run()
    run.play(sound, small, 3)
    with pytest.raises(stoker.DigestError, match="40 samples were delivered or listed, the plan "
                                                 "has 60"):
        run.checked(run.digests[:2])
    with pytest.raises(stoker.DigestError, match="80 samples"):
        run.checked(run.digests + run.digests[:1])
    # As many as there should be: rank 0 twice, rank 2 never.
    with pytest.raises(stoker.DigestError, match="twice"):
        run.checked(run.digests[:2] + run.digests[:1])
    with pytest.raises(ValueError, match="several epochs"):
        run.checked([run.digests[0], dict(run.digests[1], epoch=1)])
    with pytest.raises(ValueError, match="no digest"):
        run.checked([])


@pytest.mark.parametrize("change", [{}, None, 3, "epoch", dict(epoch="0"), dict(start=1.0),
                                    dict(n_good=True), dict(n_bad=-1), dict(stop=None),
                                    dict(good="zz"), dict(bad=7), dict(refill="0"),
                                    dict(pixels="-1")], ids=repr)
def test_what_is_no_digest_is_said_so(sound, small, change):
    with stoker.ImageLoader(sound, transforms=small) as loader:
        digest = loader.digest()
    hurt = dict(digest, **change) if isinstance(change, dict) and change else change
    with pytest.raises(ValueError, match=r"^digests\[1\]: "):
        stoker.digest_sum([digest, hurt])


def test_digests_may_come_from_a_generator(sound, small):
    run = Run()
    run.play(sound, small, 3, drop_last=True)
    total = run.checked(run.digests)
    assert stoker.digest_sum(d for d in run.digests)["total"] == total["total"]
    assert run.checked(d for d in run.digests) == total


@pytest.mark.parametrize("world, batch, then", [(1, 7, (2, 4)), (3, 4, (1, 25)), (7, 1, (3, 3))])
def test_what_drop_last_leaves_out_is_no_loss(sound, small, world, batch, then):
    run = Run()
    state = run.play(sound, small, world, batch_size=batch, n_steps=2, drop_last=True)
    end = run.play(sound, small, then[0], state=state, batch_size=then[1], drop_last=True)
    left = (PHOTOS - state["consumed"]) % (then[0] * then[1])
    assert end["consumed"] == PHOTOS and len(run.rows) == PHOTOS - left
    total = run.checked(run.digests)
    assert total["stop"] == PHOTOS - left == total["n_good"]
    # A life that finds the epoch at its end adds nothing.
    assert run.play(sound, small, then[0], state=end, batch_size=then[1], drop_last=True) == end
    assert run.checked(run.digests) == total


def test_pixels_are_in_the_digest_only_when_asked_for(sound, small):
    with stoker.ImageLoader(sound, seed=SEED, transforms=small) as loader:
        for _ in loader:
            pass
        assert "pixels" not in loader.digest()
        plain = loader.check_digests([loader.digest()])
    seen = set()
    for transforms in (small, [stoker.RandomResizedCrop(16)], [stoker.RandomResizedCrop(17)]):
        for _ in range(2):
            run = Run()
            run.play(sound, transforms, 2)
            total = run.checked(run.digests)
            assert total["good"] == plain["good"]
            seen.add(total["pixels"])
    assert len(seen) == 3


def test_the_pixels_digest_is_siphash_of_id_and_row(sound, small):
    import struct

    from reference_siphash import siphash128
    run = Run()
    run.play(sound, [stoker.RandomResizedCrop(4)], 2)
    want = sum(int.from_bytes(siphash128(struct.pack("<q", row[0]) + row[5]), "little")
               for row in run.rows) % 2**128
    assert run.checked(run.digests)["pixels"] == "%032x" % want
