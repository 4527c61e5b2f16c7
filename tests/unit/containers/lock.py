"""The lock, asked through uv as the Dockerfile asks it."""

import re
import shutil
import subprocess
from collections.abc import Set

from tests.unit.containers.dockerfile import ROOT

UV = shutil.which("uv") or str(ROOT / ".plumbline" / "uv" / "bin" / "uv")


def packages(extra: str) -> Set[str]:
    """The names of the packages that an extra brings with it, in canonical form."""
    asked = [UV, "export", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes", "--extra", extra]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return frozenset(re.findall(r"^([a-z0-9-]+)==", told, re.MULTILINE))
