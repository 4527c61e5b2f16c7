"""The environment of every process that stands for a task, a replica of a job or a serving container."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from emulator.endpoints import Endpoints
from emulator.project import project_number

# The emulator takes no credentials, so no child has a use for real ones: a client that forgets where it is fails.
# PYTHONDONTWRITEBYTECODE makes importing TensorFlow twice as slow in each process.
_NOT_INHERITED = frozenset({"GOOGLE_APPLICATION_CREDENTIALS", "PYTHONDONTWRITEBYTECODE"})
_DIRECT = "127.0.0.1,localhost"


def child_environment(
    inherited: Mapping[str, str], *, endpoints: Endpoints, mount: Path, project: str
) -> Mapping[str, str]:
    """The environment with which a child finds the emulator's services.

    Args:
        inherited: The emulator's own environment.
        endpoints: Where its services listen.
        mount: The folder that holds the objects of Cloud Storage, which stands for `/gcs`.
        project: The project's id.
    """
    kept = {name: value for name, value in inherited.items() if name not in _NOT_INHERITED}
    return {
        **kept,
        **_past_any_proxy(inherited),
        "AIPLATFORM_EMULATOR_HOST": endpoints.aiplatform,
        "BIGQUERY_EMULATOR_HOST": endpoints.bigquery,
        "BIGQUERY_STORAGE_EMULATOR_HOST": endpoints.bigquery_storage,
        "CLOUD_ML_PROJECT_ID": project_number(project),
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "GCS_MOUNT": str(mount),
        "PATH": _path_with_this_python_first(inherited.get("PATH", os.defpath)),
        # A log that comes line by line, so that its tail says where a task was when it was killed.
        "PYTHONUNBUFFERED": "1",
        "STORAGE_EMULATOR_HOST": endpoints.storage,
    }


def _past_any_proxy(inherited: Mapping[str, str]) -> Mapping[str, str]:
    named = inherited.get("no_proxy") or inherited.get("NO_PROXY")
    value = f"{named},{_DIRECT}" if named else _DIRECT
    return {"no_proxy": value, "NO_PROXY": value}


def _path_with_this_python_first(path: str) -> str:
    # Not resolved: in a virtual environment the link is what makes it one.
    own = str(Path(sys.executable).parent)
    return os.pathsep.join([own, *(part for part in path.split(os.pathsep) if part != own)])
