"""Ctrl-C lands while next waits."""
import signal
import subprocess
import sys
import time

# A job in a shell's background ignores Ctrl-C, and so would its children.
HEARS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

# A loader whose batches are all held waits; it says when it begins to.
WAITS = HEARS + """
import sys, time
import numpy as np
import stoker, stoker.loader
stoker.loader._BUSY_S = 60
loader = stoker.ImageLoader(sys.argv[1], batch_size=4, prefetch=2,
                            transforms=[stoker.RandomResizedCrop(16)])
batches = iter(loader)
kept = [np.asarray(next(batches).images) for _ in range(2)]
print("waiting", flush=True)
try:
    next(batches)
except KeyboardInterrupt:
    print("interrupted %r" % time.monotonic(), flush=True)
    loader.close()
    sys.exit(7)
"""


def test_an_interrupt_lands_while_next_waits(photos):
    process = subprocess.Popen([sys.executable, "-c", WAITS, str(photos)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "waiting\n", process.stderr.read()
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        line = process.stdout.readline()
        assert process.wait(10) == 7, process.stderr.read()
    finally:
        process.kill()
        process.wait()
    # One clock for all processes; a busy machine is given some room.
    assert float(line.split()[1]) - sent < 0.5


def test_an_interrupt_in_the_loop_ends_the_script(photos):
    script = HEARS + """
import sys
import stoker
loader = stoker.ImageLoader(sys.argv[1], batch_size=4,
                            transforms=[stoker.RandomResizedCrop(16)])
print("begun", flush=True)
while True:
    for batch in loader:
        pass
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(photos)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in error
