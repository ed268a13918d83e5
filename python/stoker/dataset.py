"""What there is: folders and lists as the library's data sets."""

from __future__ import annotations

import ctypes as c
import operator
import os
from typing import Any, List

from . import _native as n
from .errors import DatasetError, check


def path_bytes(path: Any) -> bytes:
    """A path as the file system has it; C would cut one at a 0."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("a path cannot hold a 0 byte: %r" % (path,))
    return name


def open_dataset(root: Any, items: Any, hash_sizes: bool, allow_empty: bool,
                 options: n.Options) -> c.c_void_p:
    out, error = c.c_void_p(), n.Error()
    if items is None:
        folder = n.FolderOptions()
        n.lib.stoker_folder_options_init(c.byref(folder), c.sizeof(folder))
        folder.hash_sizes, folder.allow_empty = hash_sizes, allow_empty
        folder.stall_timeout_ms = options.stall_timeout_ms
        rc = n.lib.stoker_dataset_from_folder(c.byref(out), path_bytes(root),
                                              c.byref(folder), c.byref(error))
        check(rc, error, DatasetError)
        return out
    array = (n.Item * max(1, len(items)))()
    keep = []
    for i, (item, pair) in enumerate(zip(array, items)):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError("items[%d] must be (path or bytes, label), not %.60r" % (i, pair))
        source, label = pair
        try:
            item.label, item.length = operator.index(label), -1
            fits = item.label == label  # ctypes cuts what is larger
        except TypeError:
            fits = False
        if not fits:
            raise ValueError("items[%d]: the label must be an int of 64 bits, not %.60r"
                             % (i, label))
        if isinstance(source, (bytes, bytearray, memoryview)):
            data = bytes(source)
            keep.append(data)
            item.source, item.length = 1, len(data)
            item.data = c.cast(c.c_char_p(data), c.c_void_p)
            item.name = b"item %d" % i
        else:
            item.path = path_bytes(source)
    check(n.lib.stoker_dataset_from_items(c.byref(out), array, len(items),
                                          c.sizeof(n.Item), c.byref(error)),
          error, DatasetError)
    # Memory parts are borrowed as long as the data set lives: at exit, when
    # nobody frees it, the threads may still be reading them, so the
    # interpreter must not free them either.
    c.pythonapi.Py_IncRef(c.py_object(keep))
    out._keep = keep  # type: ignore[attr-defined]
    return out


def free_dataset(dataset: c.c_void_p) -> None:
    """Behind the close of the last loader over it."""
    n.lib.stoker_dataset_free(dataset)
    if hasattr(dataset, "_keep"):
        c.pythonapi.Py_DecRef(c.py_object(dataset._keep))


def classes_of(dataset: c.c_void_p) -> List[str]:
    count = n.lib.stoker_dataset_n_classes(dataset)
    return [os.fsdecode(n.lib.stoker_dataset_class(dataset, i)) for i in range(count)]


def path_of(dataset: c.c_void_p, id: int) -> str:
    """However long it is."""
    length = n.lib.stoker_dataset_path(dataset, id, None, 0)
    if length < 0:
        raise IndexError("no sample %r in 0 ... %d"
                         % (id, n.lib.stoker_dataset_count(dataset) - 1))
    text = c.create_string_buffer(length + 1)
    n.lib.stoker_dataset_path(dataset, id, text, len(text))
    return os.fsdecode(text.value)
