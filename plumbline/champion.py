"""The model that serves now, as the evaluation of its challenger must know it."""

from plumbline.section import section

CANDIDATE = "candidate"
CHAMPION = "champion"
"""Aliases of model versions: the one that was registered last, and the one that serves."""


@section
class Champion:
    """Empty strings: there is none yet."""

    version: str = ""
    """Resource name with version, projects/*/locations/*/models/*@*."""
    artifact_uri: str = ""
    """gs:// URI of its model directory."""
    threshold: float | None = None
    """The decision threshold that it serves with."""

    @property
    def number(self) -> str:
        """The version alone; empty where there is none."""
        return self.version.rpartition("@")[2]
