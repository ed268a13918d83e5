#!/usr/bin/env python3
"""Faults that need root: root_faults.py FAULT_PLAY STOKER [--print].
A loop-mounted ext4 image that shrinks, that is cut off and that is detached
under the loader; a full /dev/shm and a full ext4 disk; a memory cgroup;
kernel.io_uring_disabled.  What this machine does not let us do is a loud
skip; exits 77 when nothing could be done.  Whatever is changed is given back,
also when this program is killed: mounts lie in a name space of its own."""
import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

MIB = 1 << 20
N_PHOTOS = 120
PHOTO_BYTES = 150_000  # padded behind the image: blocks to lose
NOBODY = 65534
SYSCTL = "/proc/sys/kernel/io_uring_disabled"
complaints, done, skipped = [], [], []
PLAYER = STOKER = None


class Skip(Exception):
    """Why a fault cannot be made here."""


def complain(name, text):
    complaints.append(name)
    print(f"root_faults: {name}: {text}", file=sys.stderr)


def want(name, truth, text):
    if not truth:
        complain(name, text)


def seen(name, code, text):
    words = text
    for part in text.split():
        if "/" in part and part.startswith("/"):
            words = words.replace(part, part.rsplit("/", 1)[1])
    print(f"seen\t{name}\t{code}\t{words}")


def call(*words):
    """Runs a system command; a refusal is a skip."""
    try:
        run = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Skip(f"{words[0]}: {error.strerror}") from error
    if run.returncode != 0:
        raise Skip(f"{' '.join(words[:2])}: {run.stderr.strip()}")


class Play:
    """A running fault_play; end() gives what it said."""

    def __init__(self, folder, before=None, **keys):
        words = [PLAYER, folder] + [f"{k}={v}" for k, v in keys.items()]
        self.run = subprocess.Popen(words, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True,
                                    preexec_fn=before)

    def wait_for(self, word):
        for line in self.run.stdout:
            if line.strip() == word:
                return True
        return False

    def end(self):
        """(code, rows, valid, peak KiB, io, own bytes, workers, text), or
        (None, the negated signal that killed it)."""
        text, _ = self.run.communicate("go\n", timeout=120)
        if self.run.returncode != 0:
            return (None, self.run.returncode)
        fields = text.splitlines()[-1].split("\t")
        return tuple(int(x) for x in fields[1:8]) + (fields[8],)


def make_photos(top, n=N_PHOTOS, n_bytes=PHOTO_BYTES):
    """n images of two classes, each padded behind its end."""
    folder = os.path.join(top, "photos")
    run = subprocess.run([STOKER, "synth", folder, "--count", str(n), "--classes", "2",
                          "--megapixels", "0.01"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "ab") as f:
                f.write(bytes(max(0, n_bytes - f.tell())))
    return folder


@contextlib.contextmanager
def mounted(top, name, mib, photos):
    """An ext4 image of so many MiB, loop-mounted: (image, where)."""
    image, at = f"{top}/{name}.img", f"{top}/{name}"
    with open(image, "wb") as f:
        f.truncate(mib * MIB)
    call("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image)
    os.mkdir(at)
    call("mount", "-o", "loop", image, at)
    try:
        if photos:
            shutil.copytree(photos, f"{at}/photos")
            # A fresh mount: nothing of the files is in memory any more.
            call("umount", at)
            call("mount", "-o", "loop,ro", image, at)
        yield image, at
    finally:
        subprocess.run(["umount", "-l", at], check=False, capture_output=True)


# ---- a device that shrinks or goes -------------------------------------------

def loop_shrinks(top, photos):
    """Half of the image's blocks are gone in the middle of an epoch."""
    for io in (0, 2):
        with mounted(top, f"shrinks{io}", 40, photos) as (image, at):
            play = Play(f"{at}/photos", io=io, policy=1, unlimited=1, pause=1)
            play.wait_for("paused")
            os.truncate(image, 14 * MIB)
            code, rows, valid, *_, text = play.end()
            want("loop shrinks", code == 0 and rows == N_PHOTOS and 0 < valid < rows,
                 f"engine {io}: code {code}, {valid} of {rows}: {text}")
            if io == 0:
                seen("loop shrinks, mask", 0, f"{valid} rows of {rows} good, the others are listed")
            code, rows, _, *_, text = Play(f"{at}/photos", io=io, policy=0).end()
            want("loop shrinks", code == -5 and "the storage failed" in text and ".jp" in text,
                 f"engine {io}: code {code}: {text}")
            if io == 0:
                seen("loop shrinks, raise", code, text)


def loop_vanishes(top, photos):
    """All blocks are gone: the run stops and says what it looks like."""
    for io in (0, 2):
        with mounted(top, f"vanishes{io}", 40, photos) as (image, at):
            play = Play(f"{at}/photos", io=io, policy=1, pause=0)
            play.wait_for("paused")
            os.truncate(image, 0)
            code, rows, _, *_, text = play.end()
            want("loop vanishes", code == -5 and "mount" in text and rows < 40,
                 f"engine {io}: code {code}, {rows} rows: {text}")
            if io == 0:
                seen("loop vanishes", code, text)


def loop_detached(top, photos):
    """umount -l in the middle of an epoch: each path is gone."""
    for io in (0, 2):
        with mounted(top, f"detached{io}", 40, photos) as (_, at):
            play = Play(f"{at}/photos", io=io, policy=1, pause=0)
            play.wait_for("paused")
            call("umount", "-l", at)
            code, rows, _, *_, text = play.end()
            want("mount detached", code == -5 and "mount" in text and "vanished" in text,
                 f"engine {io}: code {code}, {rows} rows: {text}")
            if io == 0:
                seen("mount detached", code, text)


# ---- full places --------------------------------------------------------------

def broken_copy(top, photos):
    """The same photos, every second one cut: a long ledger."""
    folder = f"{top}/broken"
    if not os.path.isdir(folder):
        shutil.copytree(photos, folder)
        for path, _, names in os.walk(folder):
            for name in sorted(names)[::2]:
                os.truncate(os.path.join(path, name), 200)
    return folder


def check_full_ledger(name, ledger, result):
    code, _, _, *_, text = result
    want(name, code == -28 and "ledger" in text and "No space left" in text, f"{code}: {text}")
    with open(ledger, encoding="utf8") as f:
        lines = [json.loads(line) for line in f]
    want(name, lines, "no whole line in the file")
    seen(name, code, text)


def full_shm(top, photos):
    """Ours alone: this program has a mount name space of its own."""
    broken, ledger = broken_copy(top, photos), "/dev/shm/ledger"
    call("mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=8", "none", "/dev/shm")
    try:
        with open("/dev/shm/filler", "wb") as f:
            f.write(bytes(8192))
        result = Play(photos).end()
        want("full /dev/shm", result[0] == 0 and result[2] == N_PHOTOS, str(result))
        seen("full /dev/shm", 0, "whole epoch: batches are private memory")
        result = Play(broken, policy=1, unlimited=1, ledger=ledger).end()
        check_full_ledger("ledger in a full /dev/shm", ledger, result)
    finally:
        call("umount", "/dev/shm")


def full_disk(top, photos):
    """A real file system without a free block."""
    broken = broken_copy(top, photos)
    with mounted(top, "full", 4, None) as (_, at):
        with open(f"{at}/filler", "wb", buffering=0) as f:
            with contextlib.suppress(OSError):
                while f.write(bytes(4096)):
                    pass
            f.truncate(f.tell() - 8192)
            os.fsync(f.fileno())
        result = Play(broken, policy=1, unlimited=1, ledger=f"{at}/ledger").end()
        check_full_ledger("ledger on a full ext4", f"{at}/ledger", result)


# ---- control groups -------------------------------------------------------------

@contextlib.contextmanager
def control_group(*kinds):
    """A group made for us: (folder, the files of the first kind that is here).
    kinds: (hierarchy, file, ...), version 1 and then 2."""
    for top, *files in kinds:
        folder = f"{top}/stoker_{os.getpid()}"
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            if os.path.exists(f"{folder}/{files[0]}"):
                yield folder, [f"{folder}/{x}" for x in files]
                return
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
    raise Skip("no such control group can be made here")


def play_in_group(folder, limit, text, photos, **keys):
    with open(limit, "w", encoding="ascii") as f:
        f.write(text)

    def enter():
        with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(os.getpid()))
    return Play(photos, before=enter, **keys).end()


def cpu_quota(_, photos):
    """A tenth of a CPU: one worker, slow, and whole."""
    with control_group(("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"),
                       ("/sys/fs/cgroup", "cpu.max")) as (folder, (limit,)):
        text = "10000 100000" if limit.endswith("max") else "10000"
        code, rows, *_, n_workers, said = play_in_group(folder, limit, text, photos, workers=0)
        want("cpu quota", code == 0 and rows == N_PHOTOS and n_workers == 1,
             f"{code}, {rows} rows, {n_workers} workers: {said}")
        seen("cpu quota", 0, f"whole epoch with {n_workers} worker")


def one_cpu(_, photos):
    """Affinity to one CPU."""
    def bind():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    code, rows, *_, n_workers, said = Play(photos, before=bind, workers=0).end()
    want("one CPU", code == 0 and rows == N_PHOTOS and n_workers == 1,
         f"{code}, {rows} rows, {n_workers} workers: {said}")
    code, rows, *_, said = Play(photos, before=bind, workers=32).end()
    want("one CPU", code == 0 and rows == N_PHOTOS, f"32 workers: {code}: {said}")
    seen("one CPU", 0, "whole epoch with 1 worker, and with 32")


def memory_cgroup(_, photos):
    """A limit a little over what the loader says that it takes is enough; one
    far below is the kernel's SIGKILL, after which the run goes on."""
    keys = {"size": 96, "slots": 16, "workers": 2}
    with control_group(("/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                        "memory.max_usage_in_bytes"),
                       ("/sys/fs/cgroup", "memory.max", "memory.peak")) as (folder, files):
        limit, peak = files
        says = Play(photos, **keys).end()[5]
        room = int(says * 1.05) + 8 * MIB  # programs, stacks, page tables
        code, rows, valid, *_, text = play_in_group(folder, limit, str(room), photos, **keys)
        want("memory cgroup", code == 0 and valid == rows == N_PHOTOS, f"{code}: {text}")
        with open(peak, encoding="ascii") as f:
            most = int(f.read())
        want("memory cgroup", most <= room, f"peak {most} over the limit {room}")
        seen("memory cgroup", 0, f"whole epoch: the loader says {says / MIB:.1f} MiB, the "
             f"limit is {room / MIB:.1f}, the peak with page cache {most / MIB:.1f}")
        killed = play_in_group(folder, limit, str(MIB), photos, **keys)
        want("memory cgroup too small", killed == (None, -signal.SIGKILL), str(killed))
    again = Play(photos, resume=48, **keys).end()
    want("memory cgroup too small", again[0] == 0 and again[1] == N_PHOTOS - 48, str(again))
    seen("memory cgroup too small", 0, "SIGKILL by the kernel; nothing is left behind, a new "
         "process resumes")


# ---- the sysctl -------------------------------------------------------------------

@contextlib.contextmanager
def sysctl_set(value):
    """Sets it; a guardian of its own session gives the old value back when
    this process ends, however it ends."""
    try:
        with open(SYSCTL, encoding="ascii") as f:
            old = f.read().strip()
    except OSError as error:
        raise Skip(f"{SYSCTL}: {error.strerror}") from error
    end, ours = os.pipe()
    guardian = os.fork()
    if guardian == 0:
        os.setsid()
        os.close(ours)
        os.read(end, 1)  # comes back when no writer is left
        status = 0
        try:
            with open(SYSCTL, "w", encoding="ascii") as f:
                f.write(old)
        except OSError:
            status = 1
        os._exit(status)
    os.close(end)
    try:
        try:
            with open(SYSCTL, "w", encoding="ascii") as f:
                f.write(value)
        except OSError as error:
            raise Skip(f"{SYSCTL}: {error.strerror}") from error
        yield
    finally:
        os.close(ours)
        os.waitpid(guardian, 0)
        with open(SYSCTL, encoding="ascii") as f:
            want("sysctl", f.read().strip() == old, "was not given back")


def sysctl(top, photos):
    """1 forbids it to who is not root: other programs of root go on."""
    os.chmod(top, 0o755)
    with sysctl_set("1"):
        auto = Play(photos, **{"as": NOBODY}).end()
        named = Play(photos, io=1, **{"as": NOBODY}).end()
    if auto[0] is None:
        raise Skip("nobody may not run the program where it lies")
    want("sysctl", auto[0] == 0 and auto[2] == N_PHOTOS and auto[4] == 2, str(auto))
    want("sysctl", "io_uring_disabled" in auto[7], str(auto))
    want("sysctl", named[0] == -1 and "io_uring_disabled" in named[7], str(named))
    seen("sysctl, engine named", named[0], named[7])


def enter_name_space():
    """Starts this program again where mounts end with it."""
    if "STOKER_ROOT_FAULTS" in os.environ:
        return
    os.environ["STOKER_ROOT_FAULTS"] = "1"
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        print("SKIPPED: no mount name space can be made here: " + probe.stderr.decode().strip())
        sys.exit(77)
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", "-m", sys.executable] + sys.argv)


def run(name, scene, top, photos):
    try:
        scene(top, photos)
        done.append(name)
    except Skip as why:
        skipped.append(name)
        print(f"SKIPPED: {name}: {why}")


def main():
    global PLAYER, STOKER
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("player")
    parser.add_argument("stoker")
    parser.add_argument("--only")
    args = parser.parse_args()
    PLAYER, STOKER = os.path.abspath(args.player), os.path.abspath(args.stoker)
    if os.geteuid() != 0:
        print("SKIPPED: loop device, cgroup, sysctl and full disks: only root may make them")
        return 77
    enter_name_space()
    scenes = (("loop shrinks", loop_shrinks), ("loop vanishes", loop_vanishes),
              ("mount detached", loop_detached), ("full /dev/shm", full_shm),
              ("full disk", full_disk), ("memory cgroup", memory_cgroup), ("cpu quota", cpu_quota),
              ("one CPU", one_cpu), ("sysctl", sysctl))
    with tempfile.TemporaryDirectory(prefix="stoker_root_") as top:
        photos = make_photos(top)
        for name, scene in scenes:
            if not args.only or args.only == name:
                run(name, scene, top, photos)
    print(f"root_faults: {len(done)} done, {len(skipped)} skipped, {len(complaints)} complaints")
    return 1 if complaints else 0 if done else 77


sys.exit(main())
