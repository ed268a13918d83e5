"""Where the package finds its library, and what it says where it does not."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import stoker

PACKAGE = Path(stoker.__file__).parent


def tell(code, path, library=None):
    environment = {k: v for k, v in os.environ.items() if k != "STOKER_LIBRARY"}
    environment["PYTHONPATH"] = str(path)
    if library is not None:
        environment["STOKER_LIBRARY"] = str(library)
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, cwd=path,
                          capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout, done.stderr.strip().splitlines()[-1:]


def test_a_package_without_its_library_says_how_to_get_it(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "stoker", ignore=shutil.ignore_patterns("*.so"))
    status, _, last = tell("import stoker", tmp_path)
    assert status == 1 and "ImportError" in last[0] and "pip install" in last[0]


def test_a_library_that_is_none_is_named(tmp_path):
    (tmp_path / "words.so").write_text("no library")
    for library in (tmp_path / "words.so", tmp_path / "none.so"):
        status, _, last = tell("import stoker", PACKAGE.parent, library)
        assert status == 1 and "ImportError" in last[0] and library.name in last[0]


def test_sources_and_library_may_lie_in_two_folders(tmp_path):
    """As in an editable install."""
    shutil.copytree(PACKAGE, tmp_path / "sources", ignore=shutil.ignore_patterns("*.so"))
    (tmp_path / "built").mkdir()
    library = os.environ.get("STOKER_LIBRARY") or str(PACKAGE / "libstoker.so")
    shutil.copy(library, tmp_path / "built" / "libstoker.so")
    code = ("import importlib.util as u, sys\n"
            "spec = u.spec_from_file_location('stoker', 'sources/__init__.py',\n"
            "    submodule_search_locations=['built', 'sources'])\n"
            "stoker = sys.modules['stoker'] = u.module_from_spec(spec)\n"
            "spec.loader.exec_module(stoker)\n"
            "print(stoker.__version__)")
    status, out, last = tell(code, tmp_path)
    assert (status, out.strip()) == (0, stoker.__version__), last
