"""Which epoch an iterator plays, from where, and when it ends."""
import shutil
from pathlib import Path

import pytest

import stoker
from photos import ids_of


def open_loader(photos, small, **more):
    arguments = dict(batch_size=8, seed=5, transforms=small, workers=2)
    arguments.update(more)
    return stoker.ImageLoader(photos, **arguments)


@pytest.fixture(scope="module")
def orders(photos, small):
    """The ids of epochs 0 ... 3, from one unbroken run."""
    with open_loader(photos, small) as loader:
        return [ids_of(loader) for _ in range(4)]


def test_each_iter_plays_the_next_epoch(photos, orders):
    assert all(sorted(order) == list(range(60)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_set_epoch_plays_that_epoch_from_its_start(photos, small, orders):
    with open_loader(photos, small) as loader:
        loader.set_epoch(2)
        assert ids_of(loader) == orders[2]
        assert ids_of(loader) == orders[3]
        loader.set_epoch(1)
        assert ids_of(loader) == orders[1]


def test_set_epoch_to_one_that_was_played_plays_it_again(photos, small, orders):
    with open_loader(photos, small) as loader:
        assert ids_of(loader) == orders[0]
        loader.set_epoch(0)
        assert ids_of(loader) == orders[0]


def test_set_epoch_in_the_middle_keeps_the_place_of_a_resumed_epoch(photos, small, orders):
    with open_loader(photos, small) as loader:
        loader.set_epoch(1)
        batches = iter(loader)
        first = ids_of([next(batches), next(batches)])
        state = loader.state_dict()
    with open_loader(photos, small) as loader:
        loader.load_state_dict(state)
        loader.set_epoch(1)
        assert first + ids_of(loader) == orders[1]


def test_set_epoch_to_another_after_a_resume_starts_that_one(photos, small, orders):
    with open_loader(photos, small) as loader:
        next(iter(loader))
        state = loader.state_dict()
        loader.load_state_dict(state)
        loader.set_epoch(3)
        assert ids_of(loader) == orders[3]


def test_a_newer_iterator_ends_the_older(photos, small, orders):
    with open_loader(photos, small) as loader:
        older = iter(loader)
        next(older)
        newer = iter(loader)
        with pytest.raises(StopIteration):
            next(older)
        assert ids_of(newer) == orders[1]
        with pytest.raises(StopIteration):
            next(newer)


def test_break_and_iter_again_plays_the_next_epoch_whole(photos, small, orders):
    with open_loader(photos, small) as loader:
        for i, _ in enumerate(loader):
            if i == 2:
                break
        assert ids_of(loader) == orders[1]


def test_break_and_set_epoch_to_the_same_keeps_the_place(photos, small, orders):
    with open_loader(photos, small) as loader:
        batches = iter(loader)
        first = ids_of([next(batches), next(batches), next(batches)])
        loader.set_epoch(0)
        assert first + ids_of(loader) == orders[0]


def test_a_state_after_the_last_batch_yields_nothing_then_the_next_epoch(photos, small, orders):
    with open_loader(photos, small) as loader:
        batches = iter(loader)
        for _ in range(len(loader)):
            next(batches)
        state = loader.state_dict()
    with open_loader(photos, small) as loader:
        loader.load_state_dict(state)
        assert ids_of(loader) == []
        assert ids_of(loader) == orders[1]


def test_a_state_after_the_end_of_an_epoch_goes_on_with_the_next(photos, small, orders):
    with open_loader(photos, small) as loader:
        assert ids_of(loader) == orders[0]
        state = loader.state_dict()
    with open_loader(photos, small) as loader:
        loader.load_state_dict(state)
        rest = ids_of(loader) or ids_of(loader)
        assert rest == orders[1]


def test_n_epochs_ends_the_run(photos, small, orders):
    with open_loader(photos, small, n_epochs=2) as loader:
        assert [ids_of(loader) for _ in range(4)] == [orders[0], orders[1], [], []]


def test_an_epoch_has_len_batches_also_with_drop_last(photos, small):
    for drop in (False, True):
        with open_loader(photos, small, drop_last=drop) as loader:
            assert len(loader) == (7 if drop else 8) == sum(1 for _ in loader)


def test_a_negative_epoch_is_refused(photos, small):
    with open_loader(photos, small) as loader:
        with pytest.raises(ValueError, match="epoch"):
            loader.set_epoch(-1)


@pytest.mark.parametrize("epoch, n_steps", [(0, 0), (0, 3), (2, 0), (2, 3)])
def test_a_mended_file_is_read_when_its_epoch_is_set_again(
        tmp_path, photos, small, orders, epoch, n_steps):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    with open_loader(root, small) as loader:
        path = Path(loader.path(orders[epoch][8 * n_steps]))
        whole = path.read_bytes()
        path.write_bytes(b"")
        loader.set_epoch(epoch)
        first, batches = [], iter(loader)
        with pytest.raises(stoker.SampleError, match="empty"):
            for batch in batches:
                first += ids_of([batch])
        assert len(first) == 8 * n_steps
        path.write_bytes(whole)
        loader.set_epoch(epoch)
        assert first + ids_of(loader) == orders[epoch]
        assert ids_of(loader) == orders[epoch + 1]
