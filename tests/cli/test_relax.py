"""`mlpot relax`: files, status, messages."""

from pathlib import Path

from ase.io import read


def test_relax(mlpot_command, model_file):
    result = mlpot_command("relax", model_file, "start.xyz", "end.cif", "--fmax", 0.02)
    assert result.exit_code == 0, result.output
    first_words = " ".join(result.output.split()[:12])  # lines are broken at the width of the terminal
    assert "native engine (" in first_words
    assert "double precision" in first_words
    assert "yes" in result.output
    assert len(read("end.cif")) == 2
    result = mlpot_command("relax", model_file, "start.xyz", "end.cif", "--steps", 1, "--fmax", 1e-6)
    assert result.exit_code == 1
    assert "NO" in result.output


def test_an_unreadable_structure_is_one_sentence(mlpot_command, model_file):
    result = mlpot_command("relax", model_file, "nowhere.xyz", "end.xyz")
    assert result.exit_code == 1
    assert "error: nowhere.xyz: cannot be read as a structure" in result.output


def test_formats_by_whole_names_and_links(mlpot_command, model_file):
    Path("end.xyz").symlink_to("linked.xyz")
    for target, file_format in (("POSCAR", "vasp"), ("end.json.gz", None), ("end.xyz", None)):
        result = mlpot_command("relax", model_file, "start.xyz", target)
        assert result.exit_code == 0, result.output
        assert len(read(target, format=file_format)) == 2
    assert Path("end.xyz").is_symlink()
    assert Path("linked.xyz").is_file()
