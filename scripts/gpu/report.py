"""What came of each check, said at once and summed up at the end."""
import traceback

FAILED, NOTHING = 1, 77


class Skip(Exception):
    """This cannot be checked here; the text says why."""


class Report:
    def __init__(self):
        self.n_passed = 0
        self.failed, self.skipped = [], []

    def run(self, name, check, *arguments):
        """check returns a text with its figures, or raises."""
        try:
            text = check(*arguments)
        except Skip as why:
            self.skip(name, str(why))
        except Exception as error:  # whatever it is, the others go on
            self.failed.append(name)
            say("FAIL", name, f"{type(error).__name__}: {error}")
            if not isinstance(error, AssertionError):
                traceback.print_exc()
        else:
            self.n_passed += 1
            say("pass", name, text)

    def skip(self, name, why):
        self.skipped.append((name, why))
        say("SKIP", name, why)

    def finish(self):
        """Prints the sum; returns the exit code."""
        print(f"\n{self.n_passed} passed, {len(self.failed)} failed, "
              f"{len(self.skipped)} could not be checked")
        for name, why in self.skipped:
            print(f"  NOT CHECKED  {name}: {why}")
        for name in self.failed:
            print(f"  FAILED       {name}")
        if self.failed:
            return FAILED
        return 0 if self.n_passed else NOTHING


def say(mark, name, text):
    print(f"{mark:5} {name}: {text}" if text else f"{mark:5} {name}",
          flush=True)


def want(holds, text):
    """assert that -O does not take away."""
    if not holds:
        raise AssertionError(text)
