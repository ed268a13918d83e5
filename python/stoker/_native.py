"""The C library's structs and signatures, and nothing else.

Each class mirrors the struct of include/stoker/stoker.h that has its name; a
test compares every size and offset with what a C compiler says.
"""

from __future__ import annotations

import ctypes as c
import os
import sys
from pathlib import Path

i32, i64, u64, f32, f64 = c.c_int32, c.c_int64, c.c_uint64, c.c_float, c.c_double
u8, size_t, char_p, void_p = c.c_uint8, c.c_size_t, c.c_char_p, c.c_void_p

OK, END, TIMEOUT = 0, 1, 2


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("stage", c.c_int), ("id", i64), ("text", c.c_char * 496)]


class Item(c.Structure):
    _fields_ = [
        ("name", char_p), ("source", i32), ("reserved0", i32), ("path", char_p),
        ("data", void_p), ("offset", i64), ("length", i64), ("label", i64),
    ]


class FolderOptions(c.Structure):
    _fields_ = [("size", size_t), ("hash_sizes", i32), ("allow_empty", i32),
                ("stall_timeout_ms", i32), ("reserved0", i32)]


class _RandomResizedCrop(c.Structure):
    _fields_ = [
        ("height", i32), ("width", i32), ("scale", f64 * 2), ("ratio", f64 * 2),
        ("interpolation", i32), ("antialias", i32),
    ]


class _Resize(c.Structure):
    _fields_ = [
        ("height", i32), ("width", i32), ("interpolation", i32), ("max_size", i32),
        ("antialias", i32),
    ]


class _Crop(c.Structure):
    _fields_ = [("height", i32), ("width", i32), ("padding", i32)]


class _Flip(c.Structure):
    _fields_ = [("p", f64)]


class _Normalize(c.Structure):
    _fields_ = [("mean", f32 * 3), ("std", f32 * 3)]


class _TransformAs(c.Union):
    _fields_ = [
        ("random_resized_crop", _RandomResizedCrop), ("resize", _Resize), ("crop", _Crop),
        ("flip", _Flip), ("normalize", _Normalize), ("reserve", u8 * 120),
    ]


class Transform(c.Structure):
    _fields_ = [("kind", i32), ("reserved0", i32), ("as_", _TransformAs)]


class Options(c.Structure):
    _fields_ = [
        ("size", size_t),
        ("seed", u64), ("shuffle", i32), ("drop_last", i32), ("rank", i32), ("world_size", i32),
        ("batch_size", i64), ("global_batch_size", i64), ("n_epochs", i64),
        ("io", i32), ("n_workers", i32), ("reads_ahead", i32), ("stall_timeout_ms", i32),
        ("retry_ms", i32), ("reserved0", i32),
        ("decoder", i32), ("damaged", i32), ("max_pixels", i64), ("max_side", i64),
        ("max_file_bytes", i64), ("max_decoder_bytes", i64), ("max_scans", i32),
        ("max_decode_ms", i32),
        ("transforms", c.POINTER(Transform)), ("n_transforms", size_t),
        ("transform_bytes", size_t), ("pixels", i32), ("cpu", i32),
        ("dtype", i32), ("layout", i32), ("on_error", i32), ("unlimited_bad", i32),
        ("max_bad", i64), ("max_bad_run", i64), ("max_bad_fraction", f64),
        ("ledger_path", char_p),
        ("n_slots", i32), ("pin", i32), ("arena", void_p), ("arena_bytes", size_t),
        ("huge_pages", i32), ("numa_node", i32),
        ("device", i32), ("n_device_buffers", i32), ("device_normalize", i32),
        ("pin_device", i32), ("guard", i32), ("digest_pixels", i32),
    ]


STATE_BYTES = 192


class Cursor(c.Structure):
    _fields_ = [
        ("size", size_t), ("fingerprint", u8 * 16), ("n_items", i64), ("seed", u64),
        ("epoch", i64), ("consumed", i64), ("transforms_hash", u64), ("shuffle", i32),
        ("planner_version", i32), ("pixels", i32), ("on_error", i32), ("decoder", c.c_char * 40),
    ]


class Digest(c.Structure):
    _fields_ = [
        ("good", u64 * 2), ("bad", u64 * 2), ("refill", u64 * 2), ("pixels", u64 * 2),
        ("n_good", i64), ("n_bad", i64), ("n_refill", i64),
    ]


class Tensor(c.Structure):
    _fields_ = [
        ("size", size_t), ("name", char_p), ("data", void_p), ("dtype", i32), ("n_dims", i32),
        ("shape", i64 * 8), ("strides", i64 * 8), ("device", i32), ("pinned", i32),
    ]


class BatchInfo(c.Structure):
    _fields_ = [
        ("size", size_t), ("epoch", i64), ("step", i64), ("n_rows", i64), ("n_valid", i64),
        ("n_bad", i64), ("n_refilled", i64), ("first_position", i64), ("n_positions", i64),
    ]


class Stats(c.Structure):
    _fields_ = [
        ("size", size_t),
        ("n_samples", i64), ("n_batches", i64), ("n_bad", i64), ("n_refilled", i64),
        ("n_retries", i64), ("bytes_read", i64),
        ("read_ns", i64), ("probe_ns", i64), ("decode_ns", i64), ("resample_ns", i64),
        ("emit_ns", i64), ("idle_ns", i64), ("input_ns", i64), ("consumer_ns", i64),
        ("first_batch_ns", i64), ("arena_bytes", i64), ("scratch_bytes", i64),
        ("n_workers", i32), ("n_slots", i32), ("io", i32), ("cpu", i32), ("n_own_decoder", i64),
        ("copy_ns", i64), ("copy_wait_ns", i64), ("gpu_wait_ns", i64), ("overlap_ns", i64),
        ("pin_init_ns", i64), ("pin_register_ns", i64), ("bytes_copied", i64),
        ("io_reason", c.c_char * 128), ("pin_reason", c.c_char * 128),
        ("memory_reason", c.c_char * 128), ("pin_context_ns", i64), ("n_copies", i64),
    ]


class System(c.Structure):
    """Its head: the size ends before what would initialise CUDA."""

    _fields_ = [("size", size_t), ("n_cpus", i32), ("n_cpus_online", i32)]


class Bad(c.Structure):
    _fields_ = [
        ("size", size_t), ("id", i64), ("epoch", i64), ("position", i64), ("attempt", i32),
        ("reserved0", i32), ("hash", u8 * 16), ("error", Error),
    ]


def _load() -> c.CDLL:
    path = os.environ.get("STOKER_LIBRARY")
    if not path:
        # An editable install has the sources in one folder, this in another.
        here = [Path(p) / "libstoker.so" for p in sys.modules[__name__.rpartition(".")[0]].__path__]
        path = next((str(p) for p in here if p.exists()), "")
    if not path:
        raise ImportError("stoker's C library is not built: pip install ./python from a checkout, "
                          "or set STOKER_LIBRARY to a libstoker.so")
    try:
        loaded = c.CDLL(path)
        loaded.stoker_version
    except (OSError, AttributeError) as why:
        raise ImportError("stoker's C library cannot be used: %s" % why) from None
    return loaded


lib = _load()
_err = c.POINTER(Error)
_opt = c.POINTER(Options)
_handle = void_p

for _name, _result, _arguments in [
    ("version", char_p, []),
    ("folder_options_init", None, [c.POINTER(FolderOptions), size_t]),
    ("dataset_from_folder", c.c_int, [c.POINTER(_handle), char_p, c.POINTER(FolderOptions), _err]),
    ("dataset_from_items", c.c_int, [c.POINTER(_handle), c.POINTER(Item), size_t, size_t, _err]),
    ("dataset_free", None, [_handle]),
    ("dataset_count", i64, [_handle]),
    ("dataset_n_classes", i64, [_handle]),
    ("dataset_class", char_p, [_handle, i64]),
    ("dataset_label", i64, [_handle, i64]),
    ("dataset_path", i64, [_handle, i64, char_p, size_t]),
    ("dataset_fingerprint", None, [_handle, c.POINTER(u8 * 16)]),
    ("options_init", None, [_opt, size_t]),
    ("system_get", None, [c.POINTER(System)]),
    ("plan_steps", i64, [_opt, i64, i64, _err]),
    ("plan_id", i64, [_opt, i64, i64, i64, i32]),
    ("plan_digest", c.c_int, [_opt, i64, i64, i64, i64, c.POINTER(Digest), _err]),
    ("digest_add", None, [c.POINTER(Digest), c.POINTER(Digest)]),
    ("cursor_pack", None, [c.POINTER(Cursor), c.POINTER(u8 * STATE_BYTES)]),
    ("cursor_unpack", c.c_int, [c.POINTER(Cursor), void_p, size_t, _err]),
    ("loader_open", c.c_int, [c.POINTER(_handle), _handle, _opt, _err]),
    ("loader_seek", c.c_int, [_handle, c.POINTER(Cursor), _err]),
    ("loader_cursor", None, [_handle, c.POINTER(Cursor)]),
    ("loader_next", c.c_int, [_handle, c.POINTER(_handle), c.c_int, _err]),
    ("loader_close", c.c_int, [c.POINTER(_handle)]),
    ("loader_mark", c.c_int, [_handle, void_p, _err]),
    ("loader_stats", None, [_handle, c.POINTER(Stats)]),
    ("loader_report", None, [_handle, char_p, size_t]),
    ("loader_digest", None,
     [_handle, c.POINTER(Digest), c.POINTER(i64), c.POINTER(i64), c.POINTER(i64)]),
    ("loader_bad", i64, [_handle, i64, c.POINTER(Bad), size_t, size_t]),
    ("batch_tensor", c.c_int, [_handle, char_p, c.POINTER(Tensor)]),
    ("batch_info_get", None, [_handle, c.POINTER(BatchInfo)]),
    ("batch_release", None, [_handle]),
    ("batch_dlpack", c.c_int, [_handle, char_p, c.c_int, c.POINTER(void_p), _err]),
    ("batch_acquire", c.c_int, [_handle, void_p, _err]),
    ("batch_record_stream", c.c_int, [_handle, void_p, _err]),
]:
    _function = getattr(lib, "stoker_" + _name)
    _function.restype = _result
    _function.argtypes = _arguments
