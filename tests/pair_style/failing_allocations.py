"""Program of `test_failing_allocations`: every allocation of the pair style fails in turn, in LAMMPS as a library.

    LD_PRELOAD=inject.so MLPOT_ALLOCATIONS_OF=/mlpotplugin python failing_allocations.py inject.so most

The files `in.setup` and `in.run` are run with their first allocation failing, then the second, and so on, alone or with
all that follow; of more than `most` allocations, a part spread evenly. A failure must be an error that names memory,
otherwise the results must be right; after `clear` the same instance of LAMMPS must give the right results. Prints the
failures of each file.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np
from lammps import LMP_STYLE_GLOBAL, LMP_TYPE_SCALAR, LMP_TYPE_VECTOR

from mlpot.lammps import lammps

FILES = ("in.setup", "in.run")


def main():
    program = lammps(cmdargs=["-log", "none", "-screen", "none"])
    fails = Injection(ctypes.CDLL(sys.argv[1]), program)
    expected = fails.results(None, 0, -1)
    for file in FILES:
        fails.results(file, 0, -1)
        total = fails.total
        most = min(total, int(sys.argv[2]))
        failures = 0
        for first in np.unique(np.linspace(1, total, most).astype(int)):
            for last in (first, sys.maxsize):
                failures += fails.attempt(file, first, last, expected)
                np.testing.assert_array_equal(fails.results(None, 0, -1), expected)
        print(f"{file}: {failures} failures in {total} allocations", flush=True)


class Injection:
    """Runs the files, one of them with allocations that fail."""

    def __init__(self, library, program):
        self.library, self.program, self.total = library, program, 0

    def attempt(self, file, first, last, expected):
        """Whether the run fails."""
        try:
            np.testing.assert_array_equal(self.results(file, first, last), expected)
        except AssertionError:
            raise
        except Exception as error:
            if "not enough memory" not in str(error) and "no memory" not in str(error):
                raise
            return True
        return False

    def results(self, failing, first, last):
        """Energy and uncertainties of the last step."""
        self.program.command("clear")
        for file in FILES:
            if file == failing:
                self.library.count_allocations(ctypes.c_long(first), ctypes.c_long(last))
            try:
                self.program.commands_string(Path(file).read_text())
            finally:
                if file == failing:
                    self.total = self.library.n_allocations()
                    self.library.count_allocations(ctypes.c_long(0), ctypes.c_long(-1))
        uncertainty = self.program.extract_compute("u", LMP_STYLE_GLOBAL, LMP_TYPE_SCALAR)
        parts = self.program.extract_compute("u", LMP_STYLE_GLOBAL, LMP_TYPE_VECTOR)
        return [self.program.get_thermo("pe"), uncertainty, *parts[:3]]


if __name__ == "__main__":
    main()
