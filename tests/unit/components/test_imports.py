"""What each step imports: a budget of the packages that take long, by step.

A step is a new process, which waits for its imports: half a second for Arrow, two for Google's clients, six for TFMA.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_PLACE = "project='plumbline', location='us-central1', bucket='plumbline', dataset='d', bigquery_location='us-central1'"
_HOSTS = ("AIPLATFORM", "BIGQUERY", "STORAGE")
_ENVIRON = {f"{name}_EMULATOR_HOST": "http://127.0.0.1:1" for name in _HOSTS} | {
    "BIGQUERY_STORAGE_EMULATOR_HOST": "127.0.0.1:1"
}
"""Clients are made, and ask nothing."""

HEAVY = frozenset(
    {
        *("apache_beam", "jinja2", "jsonschema", "keras", "kfp", "matplotlib", "model_card_toolkit", "numpy", "pandas"),
        *("pyarrow", "pydantic", "scipy", "sklearn", "tensorflow", "tensorflow_model_analysis", "tf_keras"),
        *("google.cloud.aiplatform", "google.cloud.aiplatform_v1", "google.cloud.artifactregistry_v1"),
        *("google.cloud.bigquery", "google.cloud.bigquery_storage_v1", "google.cloud.devtools.cloudbuild_v1"),
        *("google.cloud.iam_admin_v1", "google.cloud.resourcemanager_v3", "google.cloud.storage"),
    }
)
"""What takes a tenth of a second or more."""
_DATA = frozenset({"numpy", "pyarrow", "pydantic"})
_VERTEX = frozenset({"google.cloud.aiplatform_v1"})
# BigQuery's client imports pandas where there is one.
_BIGQUERY = frozenset({"google.cloud.bigquery", "google.cloud.bigquery_storage_v1", "pandas"})

BUDGETS: Mapping[str, frozenset[str]] = {
    "snapshot": _DATA | _VERTEX | _BIGQUERY,
    "ingest": _DATA | _BIGQUERY,
    "validate": _DATA,
    "baseline": _DATA,
    # And scikit-learn, once it fits a model.
    "signal": _DATA,
    "prototype": _DATA | _BIGQUERY,
    # And Vertex AI's client, where there is a search.
    "tune": _VERTEX | {"pydantic"},
    "train": _VERTEX | {"pydantic"},
    # And TensorFlow, once it loads a model.
    "evaluate": _DATA,
    "explain": _DATA,
    "card": _DATA | {"jinja2", "jsonschema", "model_card_toolkit"},
    "register": _DATA | _VERTEX,
    "deploy": _DATA | _VERTEX | {"google.cloud.storage"},
    "monitor": _DATA | _VERTEX,
    "report": _DATA | _VERTEX | {"jinja2"},
    "observe": _DATA | _BIGQUERY,
    "judge": _DATA | _VERTEX | _BIGQUERY,
    "alert": _DATA | _BIGQUERY,
    "drift": _DATA | _VERTEX | _BIGQUERY,
    "decide": _DATA | _VERTEX | _BIGQUERY | {"google.cloud.storage"},
    "launch": _DATA | _VERTEX | _BIGQUERY | {"google.cloud.storage"},
}
_LATER: Mapping[str, str] = {
    "card": "import plumbline.adapters.model_card_toolkit as adapter; adapter.load()",
}
"""What a step imports by other means than an import statement."""


def program(step: str) -> str:
    """All that a step imports: by its own statements, by those in the functions that it calls, and for its clients."""
    component = (ROOT / "components" / f"{step}.py").read_text(encoding="utf-8")
    own = list(imports(component, step))
    called = [(found, source(found.module)) for found in own if isinstance(found, ast.ImportFrom)]
    inner = [each for found, text in called for name in found.names for each in imports(text, name.name)]
    adapters = [text for found, text in called if str(found.module).startswith("plumbline.adapters.")]
    lines = [ast.unparse(statement) for statement in (*own, *inner)]
    made = sorted(set(re.findall(r"\bclients\.(\w+)\(\)", "\n".join((component, *adapters)))))
    lines += [f"Clients(Place({_PLACE}), {_ENVIRON}).{client}()" for client in made]
    return "\n".join((*lines, _LATER.get(step, "")))


def source(module: str | None) -> str:
    """The text of a module of ours; empty for that of others."""
    path = ROOT / f"{str(module).replace('.', '/')}.py"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def imports(text: str, function: str) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements in a function of a module."""
    for defined in ast.parse(text).body:
        if isinstance(defined, ast.FunctionDef) and defined.name == function:
            yield from (node for node in ast.walk(defined) if isinstance(node, ast.Import | ast.ImportFrom))


def imported(code: str) -> Sequence[str]:
    """The modules that a new interpreter imports for a piece of code.

    `-X importtime` tells how long each takes, but nothing of what `importlib.import_module` imports.
    """
    # Ends without taking apart what it has imported, which takes as long as some imports.
    command = [sys.executable, "-c", f"{code}\nimport os, sys\nprint(*sys.modules, flush=True)\nos._exit(0)"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout.split()


@pytest.fixture(scope="module")
def found() -> Mapping[str, frozenset[str]]:
    """What takes long among what each step imports, by step."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        modules = pool.map(imported, map(program, BUDGETS))
    return {step: HEAVY.intersection(names) for step, names in zip(BUDGETS, modules, strict=True)}


def test_every_step_has_a_budget() -> None:
    """A new component is a new line in the table."""
    shells = {path.stem for path in (ROOT / "components").glob("*.py")} - {"__init__", "artifacts"}
    assert shells == set(BUDGETS)


@pytest.mark.parametrize("step", BUDGETS)
def test_a_step_imports_nothing_beyond_its_budget(found: Mapping[str, frozenset[str]], step: str) -> None:
    """Nothing heavy that it need not wait for."""
    assert found[step] <= BUDGETS[step]


def test_what_is_imported_late_counts(found: Mapping[str, frozenset[str]]) -> None:
    """Clients that are made, imports in the functions that are called, packages that are loaded."""
    assert "google.cloud.aiplatform_v1" in found["train"]
    assert "google.cloud.bigquery_storage_v1" in found["ingest"]
    assert "pyarrow" in found["register"]
    assert "model_card_toolkit" in found["card"]
