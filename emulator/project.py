"""The number that Google Cloud gives a project, for projects that exist only here."""

from zlib import crc32

_SMALLEST = 100_000_000_000


def project_number(project: str) -> str:
    """The project's number: twelve digits, always the same ones for the same project id.

    Services name a project by its number where a client named it by its id (`CLOUD_ML_PROJECT_ID`, the owner of a
    bucket), and the Vertex AI SDK compares the two, so every part of the emulator has to give the same answer.
    """
    return project if project.isdecimal() else str(_SMALLEST + crc32(project.encode()))
