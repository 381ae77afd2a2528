"""What a measurement reads from the output of LAMMPS."""

from mlpot.benchmark.worker import read_loop


def test_loop_of_a_run_of_mlpot_is_read():
    output = (
        "LAMMPS (22 Jul 2025 - Update 4)\n"
        "Pair style mlpot runs /a b/x.pt with engine native (avx512), precision mixed, device cpu; 2 layers\n"
        "Loop time of 9.5 on 2 procs for 1 steps with 512 atoms\nNeighbor list builds = 7\n"
        "Loop time of 0.25 on 2 procs for 50 steps with 512 atoms\nNeighbor list builds = 3\n"
    )
    assert read_loop(output) == {
        "seconds_per_step": 0.005,
        "engine": "native (avx512)",
        "precision": "mixed",
        "version": "22 Jul 2025 - Update 4",
        "list_builds": 3,
    }
