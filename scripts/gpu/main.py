"""gpu-check itself: finds the driver, runs what can be run, sums up.

main.py --tool STOKER [--device N] [FOLDER]; STOKER_LIBRARY and PYTHONPATH say
which build is meant."""
import argparse
import os
import subprocess
import sys
import tempfile

import driver_checks
import torch_checks
from batches import Setup
from driver import Driver, DriverError
from report import NOTHING, Report, want


def arguments():
    parser = argparse.ArgumentParser(prog="gpu-check")
    parser.add_argument("--tool", required=True)
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("folder", nargs="?")
    return parser.parse_args()


def make_photos(tool, folder, *words):
    subprocess.run([tool, "synth", folder, "--seed", "1", *words], check=True,
                   capture_output=True)
    return folder


def no_violations(setup):
    n = setup.driver.violations()
    want(n == 0, f"the stand-in driver has found {n} violations")
    return "the stand-in driver has nothing to complain of"


def main():
    options = arguments()
    try:
        driver = Driver(options.device)
    except (DriverError, AttributeError) as why:
        print(f"NOTHING WAS CHECKED: {why}")
        return NOTHING
    print(f"device: {driver.describe()}")
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        setup = Setup(driver, options.device, options.tool, driver.is_standin)
        setup.folder = make_photos(
            options.tool, os.path.join(scratch, "photos"), "--count", "256",
            "--megapixels", "0.05")
        setup.speed_folder = options.folder or setup.folder
        if not options.folder and not driver.is_standin:
            setup.speed_folder = make_photos(
                options.tool, os.path.join(scratch, "large"), "--count", "640")
        for name, check in driver_checks.CHECKS:
            report.run(name, check, setup)
        torch_checks.run_all(report, setup)
        if driver.is_standin:
            report.run("stand-in", no_violations, setup)
        report.run(*driver_checks.CONTROL, setup)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
