"""What each image holds, without Docker: the folders it copies, and of the packages only those of its extra."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.containers.dockerfile import FILE, ROOT, TARGETS, code, read_stages
from tests.unit.containers.lock import packages

STAGES = read_stages(FILE.read_text(encoding="utf-8"))
TRAINING = {"tensorboard", "tf-keras"}
EVALUATION = {"apache-beam", "matplotlib", "model-card-toolkit", "tensorflow-model-analysis"}
PIPELINE = {"google-cloud-aiplatform", "google-cloud-bigquery", "google-cloud-bigquery-storage", "kfp"}
SERVING = {"httptools", "prometheus-client", "uvicorn", "uvloop"}
INSIDE = Path(__file__).with_name("inside.py")


def test_the_serving_image_has_no_packages_of_training_and_evaluation() -> None:
    """The endpoint carries what it takes to answer, and none of what made the model."""
    found = packages("serving")
    assert found & (TRAINING | EVALUATION | PIPELINE) == set()
    assert found >= SERVING | {"tensorflow", "google-cloud-storage"}


def test_the_trainer_has_no_packages_of_the_pipeline() -> None:
    """The training job carries neither the pipeline nor the evaluation nor the server."""
    found = packages("trainer")
    assert found & (EVALUATION | PIPELINE | SERVING) == set()
    assert found >= TRAINING | {"tensorflow"}


def test_the_trainer_for_accelerators_is_the_trainer_with_nvidia_s_libraries() -> None:
    """The same packages in the same versions, and CUDA beside them."""
    cpu, gpu = packages("trainer"), packages("trainer-gpu")
    assert cpu < gpu
    assert {name.partition("-")[0] for name in gpu - cpu} == {"nvidia"}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_can_import_what_it_runs(target: str, tmp_path: Path) -> None:
    """All that a target is started for is imported from its own folders and its own packages."""
    wanted = {
        "components": ["kfp.dsl.executor_main", *_imported_by_components()],
        "trainer": ["trainer.task", "tensorboard"],
        "serving": ["serving.__main__", "plumbline.adapters.savedmodel", "tensorflow"],
    }
    found = _inside(target, tmp_path, wanted[target])
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("module", ["kfp", "tf_keras", "google.cloud.bigquery", "trainer", "pipelines"])
def test_an_image_cannot_import_what_is_not_in_it(module: str, tmp_path: Path) -> None:
    """The stand-in for the image is as narrow as the image: other folders and other packages are not there."""
    found = _inside("serving", tmp_path, [module])
    assert found.returncode == 1
    assert f"No module named '{module}'" in found.stderr


def _inside(target: str, folder: Path, modules: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A process that sees what a target holds, and imports modules."""
    for name in code(STAGES, target):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    given = json.dumps({"checkout": str(ROOT), "packages": sorted(packages(target)), "modules": list(modules)})
    environ = {"PATH": os.defpath, "PYTHONPATH": str(folder), "HOME": str(folder)}
    argv = [sys.executable, str(INSIDE), given]
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def _imported_by_components() -> Sequence[str]:
    """The modules that the bodies of the components import: kfp takes only the function's own text with it."""
    found: dict[str, None] = {}
    for path in sorted((ROOT / "components").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found[node.module] = None
            elif isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name for alias in node.names))
    return list(found)
