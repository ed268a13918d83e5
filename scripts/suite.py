"""The test suite behind scripts/test: checks, builds, tests, sanitizers, fuzz
and Python, cheapest first.  Standard library only.  Every part adds to one
sum; a part that this machine cannot run is a loud skip, not a pass."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
import xml.etree.ElementTree as xml

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(TOP, ".venv")
LOGS = os.path.join(TOP, "build-test", "logs")


class Sum:
    """What came of everything so far."""

    def __init__(self):
        self.passed = 0
        self.failures, self.skips = [], []

    def add(self, passed, failures, skips):
        self.passed += passed
        self.failures += failures
        self.skips += skips


def say(text):
    print(text, flush=True)


def call(command, log, timeout=1500, **more):
    """Runs a command with its output in a log; returns its exit status."""
    path = os.path.join(LOGS, log + ".log")
    with open(path, "w", encoding="utf-8") as file:
        try:
            return subprocess.run(command, stdout=file, cwd=TOP,
                                  stderr=subprocess.STDOUT, timeout=timeout,
                                  check=False, **more).returncode
        except subprocess.TimeoutExpired:
            file.write(f"\ntook longer than {timeout} s\n")
            return 124
        except OSError as error:
            file.write(f"{error}\n")
            return 127


def show_end(log, lines=40):
    path = os.path.join(LOGS, log + ".log")
    with open(path, encoding="utf-8", errors="replace") as file:
        say("".join("    " + line for line in file.readlines()[-lines:]))


def one(total, name, command, **more):
    """A command that is one check: 0 passes, 77 skips, all else fails."""
    began = time.monotonic()
    status = call(command, name, **more)
    took = time.monotonic() - began
    if status == 77:
        total.add(0, [], [f"{name}: {last_line(name)}"])
        say(f"SKIP  {name}: {last_line(name)}")
    elif status == 0:
        total.add(1, [], [])
        say(f"pass  {name} ({took:.1f} s)")
    else:
        total.add(0, [name], [])
        say(f"FAIL  {name} (status {status})")
        show_end(name)
    return status == 0


def last_line(log):
    path = os.path.join(LOGS, log + ".log")
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1] if lines else ""


def build(total, name, folder, options):
    """Configures and builds; returns whether tests may run."""
    setup = ["cmake", "-S", TOP, "-B", folder, "-G", "Ninja",
             "-DSTOKER_TESTS=ON", "-DSTOKER_WERROR=ON"] + options
    script = " && ".join([shell(setup), shell(
        ["cmake", "--build", folder, "-j", str(os.cpu_count())])])
    return one(total, f"build-{name}", ["sh", "-c", script])


def shell(words):
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def read_junit(path, name):
    """Counts a JUnit file; a libcheck program counts as its many tests."""
    passed, failures, skips = 0, [], []
    for case in xml.parse(path).getroot().iter("testcase"):
        title = f"{name}: {case.get('classname', '')} {case.get('name')}"
        output = " ".join(case.itertext())
        skipped = case.find("skipped")
        if skipped is not None or case.get("status") == "notrun":
            reason = (skipped.get("message") if skipped is not None else "")
            skips.append(f"{title}: {skip_reason(output) or reason}")
        elif (case.find("failure") is not None
              or case.find("error") is not None):
            failures.append(title)
        else:
            checks = re.search(r"Checks: (\d+), Failures: 0, Errors: 0",
                               output)
            passed += max(1, int(checks.group(1))) if checks else 1
            skips += [f"{title}: {line.strip()}" for line
                      in output.splitlines() if re.match(r"\s*SKIP", line)]
    return passed, failures, skips


def skip_reason(output):
    lines = [line.strip() for line in output.splitlines()
             if re.search(r"skip", line, re.I)]
    return lines[-1] if lines else ""


def new_junit(name):
    path = os.path.join(LOGS, f"{name}.xml")
    if os.path.exists(path):
        os.remove(path)
    return path


def add_junit(total, name, junit, status, began):
    """Adds what a runner wrote, and its own failure."""
    if not os.path.exists(junit):
        total.add(0, [name], [])
        say(f"FAIL  {name} (status {status})")
        show_end(name)
        return
    passed, failures, skips = read_junit(junit, name)
    if status != 0 and not failures:
        failures.append(name)
    total.add(passed, failures, skips)
    say(f"{'FAIL' if failures else 'pass'}  {name}: {passed} passed, "
        f"{len(failures)} failed, {len(skips)} skipped "
        f"({time.monotonic() - began:.1f} s)")
    if failures:
        show_end(name, 80)


def ctest(total, name, folder, env=None):
    began, junit = time.monotonic(), new_junit(f"ctest-{name}")
    status = call(["ctest", "--test-dir", folder, "-j", str(os.cpu_count()),
                   "--output-on-failure", "--output-junit", junit,
                   "--test-output-size-passed", "200000"],
                  f"ctest-{name}", env=env)
    add_junit(total, f"ctest-{name}", junit, status, began)


def checks(total):
    for name in ("format", "floors", "headers"):
        one(total, f"check-{name}", [os.path.join(TOP, "scripts",
                                                  f"check_{name}")])
    one(total, "check-mutants", [os.path.join(TOP, "scripts", "mutants"),
                                 "--list"])


def plain(total):
    folder = os.path.join(TOP, "build-test")
    if build(total, "plain", folder,
             ["-DSTOKER_EXAMPLES=ON", "-DSTOKER_BENCHMARKS=ON"]):
        one(total, "check-symbols",
            [os.path.join(TOP, "scripts", "check_symbols"),
             os.path.join(folder, "libstoker.so")])
        ctest(total, "plain", folder)


def sanitizers(total):
    """ASan and UBSan by gcc, TSan by clang where there is one."""
    second = shutil.which("clang") or "cc"
    for name, kinds, compiler in (("asan", "address,undefined", "cc"),
                                  ("tsan", "thread", second)):
        folder = os.path.join(TOP, f"build-{name}")
        options = [f"-DSTOKER_SANITIZE={kinds}", "-DCMAKE_BUILD_TYPE=Debug",
                   "-DCMAKE_C_FLAGS_DEBUG=-O1 -g",
                   f"-DCMAKE_C_COMPILER={compiler}"]
        env = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1",
                   TSAN_OPTIONS="second_deadlock_stack=1")
        if build(total, name, folder, options):
            ctest(total, name, folder, env)


def fuzz(total, seconds):
    script = os.path.join(TOP, "scripts", "fuzz")
    if not one(total, "fuzz-build", [script, "--list"]):
        return
    with open(os.path.join(LOGS, "fuzz-build.log"), encoding="utf-8") as log:
        targets = log.read().split()
    # A target is one thread, so as many run at once as there are CPUs.
    def run(target):
        one(total, f"fuzz-{target.replace('fuzz_', '')}",
            [script, "--no-build", "--seconds", str(seconds), target])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, targets))


def campaigns(total):
    """What takes a quarter of an hour: not part of a plain run."""
    for name in ("stress", "valgrind"):
        one(total, name, [os.path.join(TOP, "scripts", name)], timeout=3600)


def have(run, module):
    return subprocess.run([run, "-c", f"import {module}"], check=False,
                          capture_output=True).returncode == 0


def install(total, run, torch):
    """What the tests need; without torch its tests are loud skips."""
    pip = [run, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    needs = os.path.join(TOP, "tests", "python", "requirements.txt")
    if not one(total, "pip-tests", pip + ["-r", needs]):
        return False
    if torch and not have(run, "torch"):
        call(pip + [torch], "pip-torch", timeout=900)
    if torch and have(run, "torch") and not have(run, "torchvision"):
        # Its own wish for a torch would bring another build of it; 0.N+15
        # belongs to torch 2.N.
        minor = torch.split("2.")[1].split(".")[0] if "==2." in torch else ""
        version = f"==0.{int(minor) + 15}.*" if minor.isdigit() else ""
        call(pip + ["--no-deps", "torchvision" + version], "pip-torchvision")
    return one(total, "pip-install", pip + [os.path.join(TOP, "python")])


def python(total, torch):
    run = os.path.join(VENV, "bin", "python")
    if not os.path.exists(run):
        if not one(total, "venv", [sys.executable, "-m", "venv", VENV]):
            return
    if not install(total, run, torch):
        return
    began, junit = time.monotonic(), new_junit("pytest")
    folder = os.path.join(TOP, "build-test")
    env = dict(os.environ, STOKER_BUILD=folder,
               STOKER_LIBRARY=os.path.join(folder, "libstoker.so"))
    status = call([run, "-m", "pytest", "-q", "--junitxml", junit,
                   "tests/python"], "pytest", env=env)
    add_junit(total, "pytest", junit, status, began)


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__)
    parser.add_argument("--only", action="append", metavar="PART",
                        choices=["checks", "plain", "sanitizers", "fuzz",
                                 "python", "campaigns"],
                        help="run this part (repeatable); campaigns: "
                        "scripts/stress and scripts/valgrind, run only so")
    parser.add_argument("--fuzz-seconds", type=int, default=20,
                        help="a fuzz target's time (20)")
    parser.add_argument("--torch", default="torch==2.13.0",
                        help="what pip installs for the torch tests where "
                        "torch is missing; empty: they are skipped")
    args = parser.parse_args()
    parts = args.only or ["checks", "plain", "sanitizers", "fuzz", "python"]
    os.makedirs(LOGS, exist_ok=True)
    total, began = Sum(), time.monotonic()
    if "checks" in parts:
        checks(total)
    if "plain" in parts:
        plain(total)
    if "sanitizers" in parts:
        sanitizers(total)
    if "fuzz" in parts:
        fuzz(total, args.fuzz_seconds)
    if "campaigns" in parts:
        campaigns(total)
    if "python" in parts:
        python(total, args.torch)
    for text in total.skips:
        say(f"SKIPPED  {text}")
    for text in total.failures:
        say(f"FAILED   {text}")
    say(f"took {(time.monotonic() - began) / 60:.1f} minutes; logs lie in "
        f"{os.path.relpath(LOGS, os.getcwd())}")
    say(f"{total.passed} passed, {len(total.failures)} failed, "
        f"{len(total.skips)} skipped")
    return 1 if total.failures else 0


sys.exit(main())
