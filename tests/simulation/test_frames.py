"""Files of frames."""

import subprocess
import sys

import pytest
from ase.build import bulk
from ase.io import read

from mlpot.errors import DataError
from mlpot.simulation.frames import append_frame

# A limit of the size of files is as good as a full disk. It holds for the whole process: without -B, modules that are
# compiled under it are kept, and broken.
FULL_DISK = """
import resource
from pathlib import Path
from ase.build import bulk
from mlpot.errors import DataError
from mlpot.simulation.frames import append_frame

atoms = bulk("Si", cubic=True).repeat(3)
path = Path("frames.xyz")
resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, resource.RLIM_INFINITY))
for n in range(100):
    atoms.info["n"] = n
    try:
        append_frame(path, atoms)
    except DataError as error:
        print(error)
        break
"""


def test_a_full_disk_leaves_whole_frames(tmp_path):
    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL_DISK], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "frames.xyz: the frame cannot be written: [Errno 27]" in done.stdout
    frames = read(tmp_path / "frames.xyz", ":")
    assert [frame.info["n"] for frame in frames] == list(range(len(frames)))
    assert len(frames) > 1
    assert {len(frame) for frame in frames} == {216}


def test_a_folder_is_no_file_of_frames(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        append_frame(tmp_path, bulk("Si"))
