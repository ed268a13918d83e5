"""stoker.torch.ImageLoader as a user of torch meets it."""
import copy
import pickle

import pytest

import stoker
from photos import ids_of

torch = pytest.importorskip("torch", reason="SKIPPED: torch is not installed")

import stoker.torch  # noqa: E402
from torch.utils.data import DataLoader, IterableDataset  # noqa: E402


def open_loader(photos, small, **more):
    arguments = dict(batch_size=8, seed=5, transforms=small, workers=2)
    arguments.update(more)
    return stoker.torch.ImageLoader(photos, **arguments)


def test_it_is_an_iterable_dataset_of_named_tuples(photos, small):
    with open_loader(photos, small) as loader:
        assert isinstance(loader, IterableDataset) and len(loader) == 8
        for batch in loader:
            image, label = batch
            assert image is batch.image and label is batch.label
            assert image.shape[1:] == (3, 16, 16) and image.dtype == torch.uint8
            assert label.dtype == torch.int64 and len(label) == len(image)


def test_fields_choose_what_comes_and_in_which_order(photos, small):
    with open_loader(photos, small, fields=("id", "flip", "image", "window", "valid")) as loader:
        batch = next(iter(loader))
        assert batch._fields == ("id", "flip", "image", "window", "valid")
        assert batch[0].dtype == torch.int64 and batch.window.shape == (8, 4)
    for wrong in ((), ("images",), ("image", "mask")):
        with pytest.raises(ValueError, match="fields"):
            open_loader(photos, small, fields=wrong)


def test_it_gives_what_the_plain_loader_gives(photos, small):
    with open_loader(photos, small, fields=("id", "image", "label")) as ours, \
            stoker.ImageLoader(photos, batch_size=8, seed=5, transforms=small) as plain:
        for a, b in zip(ours, plain, strict=True):
            assert a.id.tolist() == b.ids.tolist() and a.label.tolist() == b.labels.tolist()
            assert torch.equal(a.image, torch.from_dlpack(b.images))


def test_it_works_in_a_data_loader_without_workers(photos, small):
    with open_loader(photos, small, fields=("id", "image")) as dataset:
        data = DataLoader(dataset, batch_size=None, num_workers=0)
        assert len(data) == 8
        for _ in range(2):
            ids = [i for batch in data for i in batch.id.tolist()]
            assert sorted(ids) == list(range(60))


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_worker_processes_are_refused_with_advice(photos, small, context):
    with open_loader(photos, small) as dataset:
        data = DataLoader(dataset, batch_size=None, num_workers=2,
                          multiprocessing_context=context)
        with pytest.raises((stoker.StokerError, TypeError, RuntimeError), match="num_workers=0"):
            next(iter(data))


def test_pickling_and_copying_are_refused_with_advice(photos, small):
    with open_loader(photos, small) as loader, \
            stoker.ImageLoader(photos, transforms=small) as plain:
        for it in (loader, plain):
            for call in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="num_workers=0"):
                    call(it)


def test_a_batch_of_tensors_is_kept_by_a_pickle_and_a_deep_copy(photos, small):
    with open_loader(photos, small, fields=("id", "image")) as loader:
        batch = next(iter(loader))
        for other in (pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch)):
            assert other._fields == ("id", "image") and type(other) is type(batch)
            assert torch.equal(other.image, batch.image)
            assert other.image.data_ptr() != batch.image.data_ptr()
        assert repr(batch).startswith("Batch(id=")


def test_a_data_loaders_arguments_are_answered_by_our_names(photos, small):
    with pytest.raises(TypeError, match="no num_workers; see workers"):
        open_loader(photos, small, num_workers=4)
    with pytest.raises(TypeError, match="no pin_memory; see pin"):
        open_loader(photos, small, pin_memory=True)


def test_fields_that_are_a_text_are_refused(photos, small):
    with pytest.raises(ValueError, match="duplicate"):
        open_loader(photos, small, fields=("id", "id"))
    with pytest.raises(ValueError, match="not 'image'"):
        open_loader(photos, small, fields="image")


def test_views_of_torch_outlive_the_loader(photos, small):
    loader = open_loader(photos, small)
    image = next(iter(loader)).image
    before = image.clone()
    loader.close()
    del loader
    assert torch.equal(image, before)


def test_torchs_names_are_understood(photos, small):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.uint8):
        with open_loader(photos, small, dtype=dtype) as loader:
            assert next(iter(loader)).image.dtype == dtype


def test_torchvisions_interpolation_modes_are_understood():
    try:
        from torchvision.transforms import InterpolationMode as modes
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        pytest.skip("SKIPPED: torchvision cannot be imported: %s" % error)
    assert stoker.Resize(8, interpolation=modes.BICUBIC).interpolation == 3
    assert stoker.RandomResizedCrop(8, interpolation=modes.BILINEAR).interpolation == 2
    with pytest.raises(ValueError, match="interpolation"):
        stoker.Resize(8, interpolation=modes.NEAREST)


def test_state_survives_torch_save(photos, small, tmp_path):
    with open_loader(photos, small) as loader:
        next(iter(loader))
        torch.save(loader.state_dict(), tmp_path / "loader.pt")
        state = torch.load(tmp_path / "loader.pt", weights_only=True)
        assert state == loader.state_dict()
    with stoker.ImageLoader(photos, batch_size=8, seed=5, transforms=small) as loader:
        loader.load_state_dict(state)
        assert len(ids_of(loader)) == 52


def test_torchruns_environment_gives_rank_and_threads(photos, small, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with open_loader(photos, small) as loader:
        assert len(loader) == 4
    with open_loader(photos, small, rank=0, world_size=1) as loader:
        assert len(loader) == 8
