import os
import subprocess
import sys

import pytest

from mlpot.running.tuned_process import MALLOC_SETTINGS, restart_tuned, tuned_environment

NEW, OLD = ("glibc", "2.36"), ("glibc", "2.28")


def test_settings_are_added_and_the_users_own_kept():
    environment = tuned_environment({"PATH": "/bin", "MALLOC_TOP_PAD_": "5"}, NEW)
    assert environment["MALLOC_TRIM_THRESHOLD_"] == str(1 << 32)
    assert environment["MALLOC_TOP_PAD_"] == "5"
    assert environment["PATH"] == "/bin"


def test_old_libraries_get_the_largest_threshold_that_they_accept():
    assert tuned_environment({}, OLD)["MALLOC_MMAP_THRESHOLD_"] == str(32 << 20)


@pytest.mark.parametrize("libc", [("", ""), ("musl", "1.2")])
def test_other_libraries_are_left_alone(libc):
    assert tuned_environment({}, libc) is None


def test_there_is_no_second_restart():
    assert tuned_environment(tuned_environment({}, NEW), NEW) is None
    assert tuned_environment(MALLOC_SETTINGS, NEW) is None


def test_a_process_that_is_not_the_command_stays_itself():
    before = dict(os.environ)
    restart_tuned(verbose=True)
    assert dict(os.environ) == before


@pytest.mark.skipif(
    tuned_environment({}, (os.confstr("CS_GNU_LIBC_VERSION") or " ").split()[:2]) is None, reason="no glibc"
)
def test_the_command_restarts_once_with_its_arguments(tmp_path):
    script = tmp_path / "mlpot"
    script.write_text(
        "import os, sys\nfrom mlpot.running.tuned_process import restart_tuned\nrestart_tuned(verbose=True)\n"
        "print(os.getpid(), os.environ['MALLOC_MMAP_THRESHOLD_'], sys.argv[1:], 'torch' in sys.modules)\n"
    )
    clean = {key: value for key, value in os.environ.items() if "MALLOC" not in key}
    command = [sys.executable, str(script), "a b", "-v"]
    process = subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.split(None, 2) == [str(process.pid), out.split()[1], "['a b', '-v'] False\n"]
    assert int(out.split()[1]) >= 32 << 20
    assert err.count("starting again with") == 1
