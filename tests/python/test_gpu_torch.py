"""gpu-check's checks by torch over the stand-in driver: no GPU is needed."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("STOKER_BUILD", HERE.parents[1] / "build-test"))
STANDIN = BUILD / "tests" / "gpu" / "standin"


@pytest.mark.skipif(not (STANDIN / "libcuda.so.1").exists(), reason="no stand-in driver is built")
def test_the_checks_by_torch_pass_and_can_fail():
    done = subprocess.run(
        [sys.executable, str(HERE / "check_gpu_torch.py"), str(BUILD / "stoker")],
        env=dict(os.environ, LD_LIBRARY_PATH=str(STANDIN), PYTHONPATH=str(HERE.parents[1] / "python"),
                 STOKER_LIBRARY=str(BUILD / "libstoker.so")),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert done.returncode == 0 and "all as it should be" in done.stdout, done.stdout
