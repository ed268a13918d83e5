"""A saved state goes on exactly where it was taken, or says why it cannot."""
import json
import math

import numpy as np
import pytest

import stoker
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import ids_of, make_photos


def open_loader(photos, small, **more):
    arguments = dict(batch_size=8, seed=5, transforms=small, workers=2)
    arguments.update(more)
    return stoker.ImageLoader(photos, **arguments)


def taken(batch):
    """Everything of a batch, as bytes that can be compared."""
    import numpy as np
    return tuple(np.asarray(getattr(batch, name)).tobytes()
                 for name in ("images", "labels", "ids", "valid", "windows", "flips"))


def test_resume_at_every_batch_equals_the_unbroken_run(photos, small):
    states, batches = [], []
    with open_loader(photos, small) as loader:
        states.append(loader.state_dict())
        for _ in range(2):
            for batch in loader:
                batches.append(taken(batch))
                states.append(loader.state_dict())
    assert len(batches) == 16
    with open_loader(photos, small) as loader:
        for i, state in enumerate(states[:-1]):
            loader.load_state_dict(state)
            rest = [taken(b) for b in loader]
            while len(rest) < min(3, len(batches) - i):
                rest += [taken(b) for b in loader]
            n = min(len(rest), len(batches) - i)
            assert rest[:n] == batches[i:i + n], "resumed behind batch %d" % i


@pytest.mark.parametrize("batch_size, world", [(1, 1), (5, 1), (60, 1), (4, 2), (7, 3)])
def test_another_batch_and_world_size_deliver_the_rest_once(photos, small, batch_size, world):
    with open_loader(photos, small) as loader:
        batches = iter(loader)
        first = ids_of([next(batches), next(batches), next(batches)])
        state = loader.state_dict()
    with open_loader(photos, small, batch_size=60) as loader:
        order = ids_of(loader)
    rest, steps = [], set()
    for rank in range(world):
        with open_loader(photos, small, batch_size=batch_size, rank=rank,
                         world_size=world) as loader:
            loader.load_state_dict(state)
            mine = [[i for i in b.ids.tolist() if i >= 0] for b in loader]
            steps.add(len(mine))
            rest.append(mine)
    assert len(steps) == 1
    merged = [i for step in zip(*rest) for part in step for i in part]
    assert first + merged == order


def test_the_dict_is_flat_json_and_the_same_on_every_rank(photos, small):
    dicts = []
    for rank in range(2):
        with open_loader(photos, small, rank=rank, world_size=2) as loader:
            next(iter(loader))
            dicts.append(loader.state_dict())
    assert dicts[0] == dicts[1]
    assert json.loads(json.dumps(dicts[0])) == dicts[0]
    assert all(isinstance(v, (int, str, bool)) for v in dicts[0].values())


def test_bytes_and_dict_say_the_same(photos, small):
    with open_loader(photos, small) as loader:
        batches = iter(loader)
        next(batches)
        packed, state = loader.state_bytes(), loader.state_dict()
        assert len(packed) < 256
        rest = ids_of(batches)
        loader.load_state_dict(packed)
        assert loader.state_dict() == state
        assert ids_of(loader) == rest


def refused(loader, state, match):
    with pytest.raises(stoker.StateError, match=match or None):
        loader.load_state_dict(state)


@pytest.mark.parametrize("change, match", [
    ({"fingerprint": "00" * 16}, "data"), ({"seed": 6}, "seed"), ({"n_items": 61}, ""),
    ({"planner_version": 99}, "planner"), ({"shuffle": False}, "shuffle|order"),
    ({"consumed": -1}, ""), ({"consumed": 61}, ""), ({"epoch": -1}, ""),
    ({"epoch": 2**70}, "epoch"), ({"consumed": "8"}, "consumed"), ({"epoch": 1.0}, "epoch"),
    ({"stoker_state": 2}, "version"), ({"pixels": "pillow99"}, "pillow99"),
    ({"pixels": "pillow12"}, "pixels|Pillow|pillow"), ({"fingerprint": "zz"}, "hex"),
    ({"fingerprint": "00"}, "fingerprint|16|small|data"), ({"fingerprint": None}, ""), ({"decoder": 3}, ""),
    ({"fingerprint": "00" * 17}, ""), ({"seed": True}, "seed"), ({"seed": -1}, "seed"),
    ({"epoch": 2**63}, "epoch"), ({"shuffle": "yes"}, "shuffle"),
    # What a field of the binary twin would cut to a value that fits.
    ({"planner_version": 2**32 + 1}, "planner_version"), ({"on_error": 2**32}, "on_error"),
    ({"n_items": 60 - 2**64}, "n_items"), ({"n_items": 2**64 + 60}, "n_items"),
    ({"consumed": 2**64 + 8}, "consumed"), ({"seed": 5 + 2**64}, "seed"),
    ({"seed": 5 - 2**64}, "seed"), ({"transforms_hash": -1}, "transforms_hash"),
    ({"seed": 10**5000}, "seed is outside"), ({"shuffle": 1}, "shuffle is not a bool"),
    ({"stoker_state": True}, "version True"), ({"stoker_state": None}, "version None"),
    ({"stoker_state": 1.0}, "version 1.0"), ({"stoker_state": 10**5000}, "version a huge int"), ({"stoker_state": 0}, "version 0"),
    ({"pixels": ["pillow13"]}, "pixels is not a text"), ({"pixels": None}, "pixels is not"),
    ({"fingerprint": " " * 32}, "32 hex digits"), ({"fingerprint": b"0" * 32}, "not a text"),
    ({"decoder": "x" * 40}, "decoder"), ({"decoder": "d\0"}, "decoder"),
    ({"decoder": "\u00e9"}, "decoder"), ({"decoder": "two\nlines"}, "decoder"),
    ({"decoder": "\ud800"}, "decoder"),
    ({"consumed": math.nan}, "whole number"), ({"consumed": [8]}, "whole number"),
    ({"consumed": None}, "whole number"), ({"on_error": 3}, "on_error"),
    ({"planner_version": 0}, "planner_version"), ({"planner_version": -2**31}, "planner_version"),
])
def test_a_state_that_does_not_fit_is_refused_with_the_reason(photos, small, change, match):
    with open_loader(photos, small) as loader:
        batches = iter(loader)
        next(batches)
        state = loader.state_dict()
        refused(loader, dict(state, **change), match)
        # and the loader is none the worse
        loader.load_state_dict(state)
        assert len(ids_of(loader)) == 52


def test_each_key_is_needed(photos, small):
    with open_loader(photos, small) as loader:
        state = loader.state_dict()
        for key in state:
            refused(loader, {k: v for k, v in state.items() if k != key}, key)


@pytest.mark.parametrize("state", [None, 3, [], "text", {}, b"", b"x" * 192, bytes(192)])
def test_what_is_no_state_at_all_is_refused(photos, small, state):
    with open_loader(photos, small) as loader:
        refused(loader, state, "")


def test_every_changed_byte_is_noticed(photos, small):
    with open_loader(photos, small) as loader:
        packed = loader.state_bytes()
        for i in range(len(packed)):
            hurt = bytearray(packed)
            hurt[i] ^= 0x41
            refused(loader, bytes(hurt), "")
        for length in (0, 1, 8, 191):
            refused(loader, packed[:length], "")
        refused(loader, packed + b"\0", "")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_hostile_bytes_are_refused(data):
    from stoker.state import from_bytes
    with pytest.raises(stoker.StateError):
        from_bytes(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50)
    | st.sampled_from([2**31, 2**32, 2**63, 2**64, -1, 2**48, 2**40, "pillow13", "0" * 32, 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4)
KEYS = ("stoker_state", "fingerprint", "n_items", "seed", "epoch", "consumed", "transforms_hash",
        "shuffle", "planner_version", "pixels", "on_error", "decoder")
TRUE_STATE = dict(zip(KEYS, (1, "5e" * 16, 60, 5, 0, 8, 7, True, 1, "pillow13", 0, "stoker-1")))


@settings(max_examples=2000, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), st.sets(st.sampled_from(KEYS)))
def test_a_hostile_dict_is_a_sentence_or_what_the_bytes_say_too(changed, missing):
    from stoker.state import from_bytes, from_dict, to_bytes, to_dict
    state = dict(TRUE_STATE, **changed)
    if len(missing) < 3:
        state = {k: v for k, v in state.items() if k not in missing}
    try:
        cursor = from_dict(state)
    except stoker.StateError as e:
        assert str(e).startswith("state: ") and any(key in str(e) for key in KEYS + ("version",))
        assert len(str(e)) < 300
        return
    # What is taken is taken whole, and the binary twin takes it, too.
    again = to_dict(from_bytes(to_bytes(cursor)))
    assert again == dict(state, fingerprint=state["fingerprint"].lower())
    assert set(again) == set(KEYS)


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 191), st.integers(1, 255), st.booleans())
def test_bytes_that_are_whole_but_wrong_have_a_reason(at, change, mend):
    """A changed byte below a checksum that fits it: the fields' own checks."""
    from reference_siphash import siphash128
    from stoker.state import from_bytes, from_dict, to_bytes, to_dict
    packed = bytearray(to_bytes(from_dict(TRUE_STATE)))
    packed[at] ^= change
    if mend:
        packed[176:] = siphash128(bytes(packed[:176]))
    try:
        state = to_dict(from_bytes(bytes(packed)))
    except stoker.StateError as e:
        assert "not a usable state: " in str(e)
    else:
        assert mend and (at >= 176 or to_bytes(from_dict(state)) == bytes(packed))


def test_another_data_set_is_refused_by_name(photos, small, tmp_path):
    make_photos(tmp_path, 60, seed=2, classes=4)
    with open_loader(photos, small) as loader:
        state = loader.state_dict()
    with open_loader(tmp_path, small) as loader:
        refused(loader, state, "data")


def test_files_of_other_sizes_are_refused_where_sizes_count(photos, small, tmp_path):
    root = make_photos(tmp_path, 20)
    with open_loader(root, small, hash_sizes=True) as loader:
        state = loader.state_dict()
    with open_loader(root, small) as loader:
        refused(loader, state, "hash_sizes")
    path = next(root.glob("*/*.jpg"))
    path.write_bytes(path.read_bytes() + b"\0")
    with open_loader(root, small, hash_sizes=True) as loader:
        refused(loader, state, "sizes")


def test_other_transforms_are_warned_of(photos, small):
    with open_loader(photos, small) as loader:
        state = loader.state_dict()
    with open_loader(photos, [stoker.RandomResizedCrop(20)]) as loader:
        with pytest.warns(UserWarning, match="transform"):
            loader.load_state_dict(state)


def test_replay_gives_the_very_batch(photos, small):
    with open_loader(photos, small) as loader:
        loader.set_epoch(1)
        batches = [taken(b) for b in loader]
        for i in (0, 3, 7):
            assert taken(loader.replay(1, i)) == batches[i]
        with pytest.raises(IndexError):
            loader.replay(1, 8)


def test_replay_counts_from_a_resume_and_knows_ranks_and_padding(photos, small):
    place = dict(rank=1, world_size=2, global_batch_size=7)
    with open_loader(photos, small, **place) as loader:
        state = dict(loader.state_dict(), epoch=3, consumed=11)
        loader.load_state_dict(state)
        batches = [taken(b) for b in loader]
        assert len(batches) == 7
        for i in (0, 3, 6):
            assert taken(loader.replay(3, i, consumed=11)) == batches[i]
        assert loader.state_dict()["epoch"] == 3 and loader.state_dict()["consumed"] == 60
        for batch in (7, -1, 2**70):
            with pytest.raises(IndexError, match="in an epoch of 7"):
                loader.replay(3, batch, consumed=11)
        for wrong in (dict(consumed=61), dict(consumed=-1)):
            with pytest.raises(stoker.StokerError, match="consumed"):
                loader.replay(3, 0, **wrong)
        for epoch in (-1, 2**40, 2**70, "3"):
            with pytest.raises((stoker.StateError, stoker.OptionError), match="epoch"):
                loader.replay(epoch, 0)
    with open_loader(photos, small, drop_last=True, batch_size=25) as loader:
        assert loader.replay(np.int64(0), np.int64(1)).n_rows == 25
        with pytest.raises(IndexError, match="of 1"):
            loader.replay(0, 1, consumed=20)


def test_digests_of_ranks_add_up_to_the_plans(photos, small):
    digests = []
    for rank in range(3):
        with open_loader(photos, small, rank=rank, world_size=3, batch_size=7) as loader:
            for _ in loader:
                pass
            digests.append(loader.digest())
            expected = loader.expected_digest(0)
    total = stoker.digest_sum(digests)
    assert total["n_good"] == 60 and total["total"] == expected
    assert stoker.digest_sum(digests[:2])["total"] != expected
