"""Run as a process of its own: imports modules as if only some of the installed packages were there."""

import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Set
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import PurePosixPath


class Absent(MetaPathFinder):
    """Says of some modules that they are not there."""

    def __init__(self, modules: Set[str]) -> None:
        self._modules = modules

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 - the interface's
        """Raises for a module that is absent, and leaves any other to the finders that follow."""
        if fullname in self._modules:
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)
        return None


def provided(distribution: importlib.metadata.Distribution) -> Set[str]:
    """The modules and packages of a distribution, as far down as a package of their own."""
    files = [PurePosixPath(str(path)) for path in distribution.files or ()]
    packages = {".".join(path.parent.parts) for path in files if path.name == "__init__.py"}
    return packages | {path.stem for path in files if len(path.parts) == 1 and path.suffix in {".py", ".so"}}


def main() -> None:
    """Imports what the argument names."""
    given = json.loads(sys.argv[1])
    sys.path = [path for path in sys.path if path not in {given["checkout"], str(PurePosixPath(__file__).parent)}]
    present: set[str] = set()
    absent: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        (present if name in given["packages"] else absent).update(provided(distribution))
    sys.meta_path.insert(0, Absent(absent - present))
    for module in given["modules"]:
        importlib.import_module(module)


if __name__ == "__main__":
    main()
