"""What stands in for `python`: which warm interpreter it chooses, and what travels there."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from emulator.runtime import stand_in

IMPORTED_IN = {"HOST": "h:1", "LANG": "C", "PATH": "/bin", "PWD": "/", "TF_USE_LEGACY_KERAS": "1"}


@pytest.mark.parametrize(
    ("environ", "agrees"),
    [
        ({}, True),
        ({"PATH": "/other", "PWD": "/x", "TMPDIR": "/x/y", "SHLVL": "2"}, True),
        ({"AIP_MODEL_DIR": "gs://b/m/", "THRESHOLD": "0.3", "_KFP_RUNTIME": "true"}, True),
        ({"LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_CTYPE": "C"}, False),
        ({"TF_USE_LEGACY_KERAS": "0"}, False),
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"HOST": "h:2"}, False),
        ({"TF_CPP_MIN_LOG_LEVEL": "3"}, False),
        ({"GRPC_VERBOSITY": "debug"}, False),
        ({"PYTHONHASHSEED": "1"}, False),
        ({"OMP_NUM_THREADS": "1"}, False),
    ],
)
def test_an_environment_agrees_unless_imports_would_see_a_difference(environ: Mapping[str, str], agrees: bool) -> None:
    """Not when a value is another one, nor when there is a new variable of those that packages read at import."""
    assert stand_in.agrees({**IMPORTED_IN, **environ}, IMPORTED_IN) is agrees


def test_a_variable_that_is_missing_is_a_difference() -> None:
    """A process without TF_USE_LEGACY_KERAS has Keras 3."""
    environ = {name: value for name, value in IMPORTED_IN.items() if name != "TF_USE_LEGACY_KERAS"}
    assert not stand_in.agrees(environ, IMPORTED_IN)


def test_the_first_server_that_agrees_is_chosen() -> None:
    """None where none does."""
    servers = [("particular", {"A": "1", "B": "1"}), ("general", {"A": "1"})]
    assert stand_in.chosen(servers, {"A": "1", "B": "1"}) == "particular"
    assert stand_in.chosen(servers, {"A": "1"}) == "general"
    assert stand_in.chosen(servers, {"A": "2", "B": "1"}) is None


def test_a_folder_without_a_list_has_no_servers(tmp_path: Path) -> None:
    """And one that is not there neither."""
    assert stand_in.read_servers(str(tmp_path)) == ()
    assert stand_in.read_servers(str(tmp_path / "none")) == ()


def test_an_order_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """With bytes that are no text, and files that are the same ones."""
    ours, theirs = socket.socketpair()
    order = (["-m", "x", os.fsdecode(b"\xff")], {"A": os.fsdecode(b"\xfe=\n")}, "/x", 0o22, 17)
    with ours, theirs, (tmp_path / "file").open("wb") as file:
        stand_in.send_order(ours, order, (file.fileno(),) * 3)
        received, files = stand_in.receive_order(theirs)
        assert received == (list(order[0]), order[1], "/x", 0o22, 17)
        assert {os.fstat(number).st_ino for number in files} == {os.fstat(file.fileno()).st_ino}
        for number in files:
            os.close(number)


@pytest.mark.parametrize("sent", [b"", b"\x05\0\0\0\0\0\0\0abc"])
def test_an_order_that_breaks_off_is_none(sent: bytes) -> None:
    """Whoever only knocks, or dies while it sends."""
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(sent)
        with pytest.raises(EOFError):
            stand_in.receive_order(theirs)
