"""Loaders and addresses for gpu-check: what lies where, without numpy."""
import ctypes as c

import stoker

_pointer = c.PyDLL(None).PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = c.c_void_p, [c.py_object, c.c_char_p]


class View:
    """A field through DLPack, as any library sees it; drop() is the death of
    its last view."""

    def __init__(self, field, stream=None):
        self._capsule = field.__dlpack__(stream=stream)
        # A DLManagedTensor begins with the address of its data.
        managed = _pointer(self._capsule, b"dltensor")
        self.address = c.c_void_p.from_address(managed).value
        self.n_bytes = field.nbytes

    def drop(self):
        self._capsule = None

    def host_bytes(self):
        return c.string_at(self.address, self.n_bytes)


class Setup:
    """What all checks share."""

    def __init__(self, driver, ordinal, stoker_tool, is_small):
        self.driver, self.ordinal = driver, ordinal
        self.folder = None        # of 256 small photos
        self.speed_folder = None  # the user's, else 640 of ImageNet's size
        self.device = f"cuda:{ordinal}"
        self.tool = stoker_tool
        self.is_small = is_small  # a stand-in: fewer rounds, nothing judged

    def loader(self, size=64, batch_size=16, dtype="uint8", epochs=None,
               **more):
        entries = [stoker.RandomResizedCrop(size),
                   stoker.RandomHorizontalFlip()]
        if dtype != "uint8":
            entries.append(stoker.Normalize(stoker.IMAGENET_MEAN,
                                            stoker.IMAGENET_STD))
        return stoker.ImageLoader(self.folder, batch_size=batch_size, seed=7,
                                  transforms=entries, dtype=dtype,
                                  n_epochs=epochs, drop_last=True, rank=0,
                                  world_size=1, **more)


def forever(loader):
    while True:
        yield from loader


def take(loader, n):
    """The first n batches, epoch behind epoch."""
    batches = forever(loader)
    for _ in range(n):
        yield next(batches)


def host_images(setup, n, **options):
    """Bytes of the first n batches' images, by the host path."""
    out = []
    with setup.loader(**options) as loader:
        for batch in take(loader, n):
            out.append(View(batch.images).host_bytes())
    return out
