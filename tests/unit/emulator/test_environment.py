"""The environment of children."""

import os
import sys
from pathlib import Path

from emulator.endpoints import Endpoints
from emulator.environment import child_environment

ENDPOINTS = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2", "127.0.0.1:3", "http://127.0.0.1:4")


def environment(**inherited: str) -> dict[str, str]:
    """The environment of a child of an emulator with the given one."""
    return dict(child_environment(inherited, endpoints=ENDPOINTS, mount=Path("/s/gcs"), project="p"))


def test_services_are_named() -> None:
    """By Google's own names where it has some."""
    found = environment()
    assert found["STORAGE_EMULATOR_HOST"] == "http://127.0.0.1:4"
    assert found["BIGQUERY_EMULATOR_HOST"] == "http://127.0.0.1:2"
    assert found["BIGQUERY_STORAGE_EMULATOR_HOST"] == "127.0.0.1:3"
    assert found["AIPLATFORM_EMULATOR_HOST"] == "http://127.0.0.1:1"
    assert found["GCS_MOUNT"] == "/s/gcs"
    assert found["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] == "false"
    assert len(found["CLOUD_ML_PROJECT_ID"]) == 12


def test_what_would_mislead_a_child_is_left_out() -> None:
    """Credentials, and the variable that makes every import slow; the rest is inherited."""
    found = environment(GOOGLE_APPLICATION_CREDENTIALS="/key.json", PYTHONDONTWRITEBYTECODE="1", LANG="C.UTF-8")
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in found
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert found["LANG"] == "C.UTF-8"


def test_this_python_comes_first() -> None:
    """Once, whether or not it was in the path."""
    own = str(Path(sys.executable).parent)
    assert environment(PATH="/usr/bin")["PATH"] == f"{own}:/usr/bin"
    assert environment(PATH=f"/usr/bin{os.pathsep}{own}")["PATH"] == f"{own}:/usr/bin"


def test_no_proxy_stands_between() -> None:
    """Hosts that are excepted already stay so."""
    assert environment()["no_proxy"] == "127.0.0.1,localhost"
    assert environment(NO_PROXY="example.com")["no_proxy"] == "example.com,127.0.0.1,localhost"
