"""What is read from the output of LAMMPS."""

from mlpot.lammps import last_lines, read_thermo

OUTPUT = """LAMMPS (22 Jul 2025)
Per MPI rank memory allocation (min/avg/max) = 3.1 | 3.1 | 3.1 Mbytes
   Step          Temp          PotEng
         0   300            -34.5
WARNING: 3 of something
        10   298.25         -34.25
Loop time of 0.01 on 1 procs for 10 steps with 8 atoms
   Step          Temp
        10   nan
Loop time of 0.01 on 1 procs for 0 steps with 8 atoms
"""


def test_one_table_for_each_run():
    first, second = read_thermo(OUTPUT)
    assert first == {"Step": [0, 10], "Temp": [300, 298.25], "PotEng": [-34.5, -34.25]}
    assert list(second) == ["Step", "Temp"]
    assert second["Step"] == [10]


def test_last_lines_begin_with_the_error():
    lines = last_lines(OUTPUT + "ERROR: something\nLast command: run 10\n\n").splitlines()
    assert lines == ["ERROR: something", "Last command: run 10"]


def test_last_lines_without_an_error_are_the_end():
    assert last_lines("\n".join(map(str, range(100)))).splitlines() == [str(n) for n in range(85, 100)]
