"""The structs of _native.py lie as a C compiler lays out stoker.h's."""
import ctypes as c
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import stoker
from stoker import _native as n

HEADER = Path(__file__).resolve().parents[2] / "include"

STRUCTS = {
    "error": n.Error, "item": n.Item, "folder_options": n.FolderOptions,
    "transform": n.Transform, "options": n.Options, "cursor": n.Cursor, "digest": n.Digest,
    "tensor": n.Tensor, "batch_info": n.BatchInfo, "stats": n.Stats, "bad": n.Bad,
}
HEADS = {"system": n.System}  # only the C struct's first fields
MEMBERS = ("random_resized_crop", "resize", "crop", "flip", "normalize")


def fields():
    """(C struct, C member path, offset, size) of all that _native.py has."""
    for name, kind in {**STRUCTS, **HEADS}.items():
        for field in kind._fields_:
            member = getattr(kind, field[0])
            yield name, field[0].rstrip("_"), member.offset, member.size
    for entry in MEMBERS:
        inner = dict(n._TransformAs._fields_)[entry]
        for field in inner._fields_:
            member = getattr(inner, field[0])
            yield ("transform", "as.%s.%s" % (entry, field[0]),
                   n.Transform.as_.offset + member.offset, member.size)


def test_every_size_and_offset_is_the_c_compilers(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("SKIPPED: no C compiler to ask")
    lines = ["#include <stddef.h>", "#include <stdio.h>", '#include "stoker/stoker.h"',
             "int main(void) {"]
    for name in STRUCTS:
        lines.append('printf("%s %%zu\\n", sizeof(stoker_%s));' % (name, name))
    for name, path, _, _ in fields():
        lines.append('printf("%s.%s %%zu %%zu\\n", offsetof(stoker_%s, %s), '
                     'sizeof(((stoker_%s *)0)->%s));' % (name, path, name, path, name, path))
    lines.append("return 0; }")
    (tmp_path / "probe.c").write_text("\n".join(lines))
    subprocess.run([compiler, "-I", str(HEADER), "-o", str(tmp_path / "probe"),
                    str(tmp_path / "probe.c")], check=True)
    said = dict(line.split(" ", 1) for line in subprocess.run(
        [str(tmp_path / "probe")], capture_output=True, text=True, check=True
    ).stdout.splitlines())
    ours = {name: "%d" % c.sizeof(kind) for name, kind in STRUCTS.items()}
    ours.update({"%s.%s" % (name, path): "%d %d" % (offset, size)
                 for name, path, offset, size in fields()})
    assert ours == said


def test_every_called_function_stands_in_the_header():
    text = (HEADER / "stoker" / "stoker.h").read_text()
    declared = set(re.findall(r"\b(stoker_\w+)\(", text))
    called = {name for name in vars(n.lib) if name.startswith("stoker_")}
    assert called and called <= declared


def test_the_state_is_as_long_as_the_header_says():
    text = (HEADER / "stoker" / "stoker.h").read_text()
    assert int(re.search(r"STOKER_STATE_BYTES\s+(\d+)", text).group(1)) == n.STATE_BYTES


def test_the_version_is_the_headers():
    text = (HEADER / "stoker" / "stoker.h").read_text()
    parts = re.findall(r"STOKER_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
    assert stoker.__version__ == ".".join(parts)
