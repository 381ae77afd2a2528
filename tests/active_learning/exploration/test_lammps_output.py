"""Output of a LAMMPS that was killed."""

from mlpot.active_learning.exploration.lammps_output import count_frames, read_sigmas


def test_incomplete_files_are_read_to_the_last_complete_frame(tmp_path):
    check = (
        "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n" + 3 * "0 1\n" + "ITEM: ATOMS c\n"
    )
    check += "1.5\n0.25\n"
    whole = check.format(0) + check.format(5)
    for missing in (0, 1, 5, 30, 100):
        (tmp_path / "sigmas").write_text(whole[: len(whole) - missing])
        sigmas = read_sigmas(tmp_path / "sigmas")
        assert len(sigmas) == (1 if missing else 2)
        assert sigmas[0].tolist() == [1.5, 0.25]
    frames = "1\nLattice\nCu 0 0 0\n" * 2
    for missing, count in ((0, 2), (1, 1), (12, 1), (18, 1)):
        (tmp_path / "frames").write_text(frames[: len(frames) - missing])
        assert count_frames(tmp_path / "frames") == count
