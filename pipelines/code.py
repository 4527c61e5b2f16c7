"""The digest of everything that a step's result depends on beside its inputs: the code and the lock."""

import subprocess
from pathlib import Path

from plumbline.digest import tree_digest

ROOT = Path(__file__).parent.parent
_CODE = ("components", "plumbline", "serving", "trainer")
_FILES = ("uv.lock", "containers/Dockerfile", "containers/uv.txt")


def code_digest(root: Path = ROOT) -> str:
    """SHA-256, hexadecimal, of all that the images are made from."""
    files = [path for folder in _CODE for path in (root / folder).rglob("*") if _is_source(path)]
    return tree_digest(root, [*files, *(root / name for name in _FILES)])


def image_tag(code: str) -> str:
    """The tag that images of a code have; `code` is its digest."""
    return code[:40]


def emulator_digest(root: Path = ROOT) -> str:
    """SHA-256, hexadecimal, of the emulator's source and of the lock file."""
    return tree_digest(root, [*filter(_is_source, (root / "emulator").rglob("*")), root / "uv.lock"])


def commit(root: Path = ROOT) -> str:
    """The Git commit that is checked out, empty where there is none."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607 - git is the user's own
    return found.stdout.strip()


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
