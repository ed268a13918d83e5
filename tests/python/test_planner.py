"""The C planner against the reference in plain Python, on random configurations."""

import ctypes as c
from pathlib import Path

import golden
import libstoker
import pytest
from reference_planner import draw, epoch_batches, order
from reference_siphash import digest, siphash128

pytest.importorskip("hypothesis", reason="no hypothesis: nothing draws configurations")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

LIBRARY = libstoker.find()
pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="no libstoker.so: build it, or name it in STOKER_LIBRARY")
if LIBRARY:
    lib = libstoker.load(LIBRARY)

SEEDS = st.integers(0, 2**64 - 1)
EPOCHS = st.one_of(st.integers(0, 200), st.integers(0, 2**40 - 1))
ITEMS = st.one_of(st.integers(1, 20), st.integers(1, 400))


def options(seed=0, shuffle=True, drop_last=False, rank=0, world=1, batch=1, whole=0):
    opt = libstoker.Options(0, seed, shuffle, drop_last, rank, world, batch, whole, 0)
    opt.size = c.sizeof(opt)
    return opt


def planned_ids(opt, n, epoch, consumed, step):
    """One rank's batch, None for padding; None at the end."""
    ids, n_rows, err = (c.c_int64 * 4096)(), c.c_size_t(), libstoker.Error()
    rc = lib.stoker_plan_ids(opt, n, epoch, consumed, step, ids, 4096, n_rows, err)
    assert rc in (0, 1), err.text
    return None if rc else [None if i < 0 else i for i in ids[: n_rows.value]]


def dropped_ids(opt, n, epoch):
    ids, n_rows, err = (c.c_int64 * 4096)(), c.c_size_t(), libstoker.Error()
    assert lib.stoker_plan_dropped(opt, n, epoch, ids, 4096, n_rows, err) == 0, err.text
    return ids[: n_rows.value]


@settings(max_examples=3000, deadline=None)
@given(SEEDS, EPOCHS, ITEMS, st.booleans(), st.booleans(), st.integers(1, 12),
       st.integers(1, 40), st.integers(0, 100), st.data())
def test_every_rank_gets_what_the_reference_says(
        seed, epoch, n, shuffle, drop_last, world, batch, whole, data):
    total = whole or batch * world
    if drop_last and n < total:
        total = whole = n  # else there is no batch at all
    consumed = data.draw(st.integers(0, n), label="consumed")
    want = list(epoch_batches(order(seed, epoch, n, shuffle), consumed, world, total, drop_last))
    opts = [options(seed, shuffle, drop_last, r, world, batch, whole) for r in range(world)]
    assert [lib.stoker_plan_steps(o, n, consumed, None) for o in opts] == [len(want)] * world
    for step, rows in enumerate(want):
        assert [planned_ids(o, n, epoch, consumed, step) for o in opts] == rows
    assert [planned_ids(o, n, epoch, consumed, len(want)) for o in opts] == [None] * world


@settings(max_examples=1000, deadline=None)
@given(SEEDS, EPOCHS, st.integers(1, 2**48), st.data())
def test_ids_of_huge_data_sets_agree(seed, epoch, n, data):
    position = data.draw(st.integers(0, n - 1))
    got = lib.stoker_plan_id(options(seed), n, epoch, position, 0)
    # Cycle walking in the reference is quick for any n.
    assert [got] == order(seed, epoch, n, True, [position])


@settings(max_examples=1000, deadline=None)
@given(SEEDS, EPOCHS, st.integers(1, 2**48), st.integers(1, 255), st.data())
def test_substitutes_agree(seed, epoch, n, attempt, data):
    position = data.draw(st.integers(0, n - 1))
    want = draw(seed, epoch, position, 2, attempt)[0] * n >> 64
    assert lib.stoker_plan_id(options(seed), n, epoch, position, attempt) == want


@settings(max_examples=500, deadline=None)
@given(SEEDS, EPOCHS, st.integers(1, 400), st.integers(1, 6), st.integers(1, 30))
def test_dropped_ids_are_the_orders_last(seed, epoch, n, world, batch):
    if n < world * batch:
        return
    opt = options(seed, True, True, 0, world, batch)
    ids = order(seed, epoch, n)
    assert dropped_ids(opt, n, epoch) == ids[n - n % (world * batch):]


@settings(max_examples=1000, deadline=None)
@given(SEEDS, EPOCHS, ITEMS, st.booleans(), st.integers(1, 12), st.integers(1, 60))
def test_ranks_make_equal_steps_and_each_id_comes_once_or_is_dropped(
        seed, epoch, n, drop_last, world, whole):
    """Without the reference: what a training job relies on."""
    if drop_last and n < whole:
        return
    opts = [options(seed, True, drop_last, r, world, 1, whole) for r in range(world)]
    seen = dropped_ids(opts[0], n, epoch) if drop_last else []
    assert len(seen) == (n % whole if drop_last else 0)
    steps = {lib.stoker_plan_steps(o, n, 0, None) for o in opts}
    assert len(steps) == 1
    for step in range(steps.pop()):
        ranks = [planned_ids(o, n, epoch, 0, step) for o in opts]
        assert len({len(rows) for rows in ranks}) == 1
        # Padding: one row at most, the last, and only of ranks behind the rest.
        padded = [rows[-1] is None for rows in ranks]
        assert not any(i is None for rows in ranks for i in rows[:-1])
        assert padded == sorted(padded)
        assert sum(padded) == -min(whole, n - step * whole) % world
        seen += [i for rows in ranks for i in rows if i is not None]
    assert sorted(seen) == list(range(n))


def test_every_id_is_dropped_in_some_epoch():
    opt = options(5, True, True, 0, 3, 7)  # 100 ids, 21 a step: 16 are left
    dropped = [frozenset(dropped_ids(opt, 100, epoch)) for epoch in range(60)]
    assert len(set(dropped)) == 60 and {len(ids) for ids in dropped} == {16}
    assert frozenset().union(*dropped) == frozenset(range(100))


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(0, 9), st.integers(1, 100), st.data())
def test_digests_agree(seed, epoch, n, data):
    low = data.draw(st.integers(0, n))
    high = data.draw(st.integers(low, n))
    got = libstoker.Digest()
    assert lib.stoker_plan_digest(options(seed), n, epoch, low, high, got, None) == 0
    assert got.good[0] | got.good[1] << 64 == digest(order(seed, epoch, n)[low:high])
    assert (got.n_good, got.n_bad, got.n_refill) == (high - low, 0, 0)


def test_reference_hash_gives_the_published_answer():
    assert siphash128(b"", bytes(range(16))).hex() == "a3817f04ba25a8e66df67214c7550293"


def test_golden_rows_are_the_references():
    path = Path(__file__).resolve().parents[1] / "data/plan_golden.txt"
    assert [x for x in path.read_text().splitlines() if not x.startswith("#")] == golden.lines()


@pytest.mark.parametrize("configuration", [c for c in golden.SHARES
                                           if c[5] * c[2] < 10**7 and not c[4]])
def test_golden_shares_of_all_ranks_make_up_the_order(configuration):
    seed, epoch, n, shuffle, drop_last, world, rank, batch, total, consumed = configuration
    ranks = [[planned_ids(options(seed, shuffle, False, r, world, batch, total), n, epoch,
                          consumed, 0) for r in range(world)]]
    got = [i for step in ranks for rows in step for i in rows if i is not None]
    end = min(n, consumed + (total or batch * world))
    assert got == order(seed, epoch, n, shuffle, range(consumed, end))


def test_reference_planner_gives_the_golden_orders():
    golden = Path(__file__).resolve().parents[1] / "data/order_golden.txt"
    lines = [x for x in golden.read_text().splitlines() if not x.startswith("#")]
    assert len(lines) == 20
    for line in lines:
        head, ids = line.split(":")
        seed, epoch, n, shuffle = map(int, head.split())
        want = [int(x) for x in ids.split()]
        assert order(seed, epoch, n, bool(shuffle), range(len(want))) == want
