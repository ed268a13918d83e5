"""libstoker.so by ctypes, for tests of the C library's pure functions.

STOKER_LIBRARY names the file; else the usual build folders are searched."""

import ctypes as c
import os
from pathlib import Path

STATE_BYTES = 192


class Options(c.Structure):
    """The first group of stoker_options: all that planning reads."""

    _fields_ = [("size", c.c_size_t), ("seed", c.c_uint64), ("shuffle", c.c_int32),
                ("drop_last", c.c_int32), ("rank", c.c_int32), ("world_size", c.c_int32),
                ("batch_size", c.c_int64), ("global_batch_size", c.c_int64),
                ("n_epochs", c.c_int64)]


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("stage", c.c_int), ("id", c.c_int64), ("text", c.c_char * 496)]


class Digest(c.Structure):
    _fields_ = [("good", c.c_uint64 * 2), ("bad", c.c_uint64 * 2), ("refill", c.c_uint64 * 2),
                ("pixels", c.c_uint64 * 2),
                ("n_good", c.c_int64), ("n_bad", c.c_int64), ("n_refill", c.c_int64)]


class FolderOptions(c.Structure):
    _fields_ = [("size", c.c_size_t), ("hash_sizes", c.c_int32), ("allow_empty", c.c_int32)]


def find():
    top = Path(__file__).resolve().parents[2]
    named = os.environ.get("STOKER_LIBRARY")
    found = [Path(named)] if named else sorted(top.glob("build*/**/libstoker.so"))
    return found[0] if found and found[0].exists() else None


def load(path):
    lib = c.CDLL(str(path))
    i64, i32, size, ptr = c.c_int64, c.c_int32, c.c_size_t, c.c_void_p
    opt, err = c.POINTER(Options), c.POINTER(Error)
    ids, n_rows = c.POINTER(i64), c.POINTER(size)
    for name, result, *arguments in [
        ("stoker_plan_steps", i64, opt, i64, i64, err),
        ("stoker_plan_ids", c.c_int, opt, i64, i64, i64, i64, ids, size, n_rows, err),
        ("stoker_plan_dropped", c.c_int, opt, i64, i64, ids, size, n_rows, err),
        ("stoker_plan_id", i64, opt, i64, i64, i64, i32),
        ("stoker_plan_digest", c.c_int, opt, i64, i64, i64, i64, c.POINTER(Digest), err),
        ("stoker_dataset_from_folder", c.c_int, c.POINTER(ptr), c.c_char_p,
         c.POINTER(FolderOptions), err),
        ("stoker_dataset_free", None, ptr),
        ("stoker_dataset_count", i64, ptr),
        ("stoker_dataset_n_classes", i64, ptr),
        ("stoker_dataset_class", c.c_char_p, ptr, i64),
        ("stoker_dataset_label", i64, ptr, i64),
        ("stoker_dataset_path", i64, ptr, i64, c.c_char_p, size),
        ("stoker_dataset_fingerprint", None, ptr, c.c_char_p),
    ]:
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib
