"""The state folder."""

import os
import subprocess
from pathlib import Path

import pytest

from emulator.endpoints import Endpoints, read_endpoints, write_endpoints
from emulator.errors import StartError
from emulator.guardian import MARK
from emulator.state import check_room, held


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    """The second is told who has it; after the first, it is free."""
    with (
        held(tmp_path),
        pytest.raises(StartError, match=f"already runs on .*{tmp_path}.* {os.getpid()}"),
        held(tmp_path),
    ):
        pass
    with held(tmp_path):
        pass


def test_what_a_killed_emulator_left_is_cleared(tmp_path: Path) -> None:
    """Its endpoints, and its children if they carry the folder's mark; others stay."""
    write_endpoints(tmp_path, Endpoints("a", "b", "c", "d"))
    left = subprocess.Popen(["/bin/sleep", "60"], env={MARK: str(tmp_path), "PATH": os.environ["PATH"]})
    other = subprocess.Popen(["/bin/sleep", "60"], env={MARK: f"{tmp_path}-2", "PATH": os.environ["PATH"]})
    with held(tmp_path), pytest.raises(FileNotFoundError):
        read_endpoints(tmp_path)
    assert left.wait(5) == -9
    assert other.poll() is None
    other.kill()
    other.wait()


def test_endpoints_are_removed_at_the_end(tmp_path: Path) -> None:
    """Nobody is to find an emulator that is not there."""
    with held(tmp_path):
        write_endpoints(tmp_path, Endpoints("a", "b", "c", "d"))
        assert read_endpoints(tmp_path) == Endpoints("a", "b", "c", "d")
    assert not (tmp_path / "endpoints.json").exists()


def test_a_full_disk_is_an_error() -> None:
    """Before anything is started, with the room there is and the room that is wanted."""
    with pytest.raises(StartError, match="disk full: 3 MB are free under /s, wanted at least 64 MB"):
        check_room(Path("/s"), 3 << 20)
    check_room(Path("/s"), 64 << 20)


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot write the state folder"), held(tmp_path / "file"):
        pass
