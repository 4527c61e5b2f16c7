"""The code that reads a request, under atheris: `python -m tests.fuzz.reading -runs=N`. Only DataError is no error."""

import sys

import atheris

with atheris.instrument_imports(include=["plumbline", "serving", "json"]):
    from plumbline.errors import DataError
    from plumbline.features import from_instances
    from plumbline.problem import Column
    from serving.app import parse

FEATURES = {
    "size": Column(type="numeric"),
    "colour": Column(type="categorical"),
    "gift": Column(type="boolean"),
    "hour": Column(type="timestamp", column="at", part="hour"),
}
_SHELL = b'{"instances": [{"%s": %s}]}'
_NAMES = (b"size", b"colour", b"gift", b"at")


def read(data: bytes) -> None:
    """Reads noise as a whole request, and as the value of one of the columns in one."""
    name = _NAMES[data[0] % len(_NAMES)] if data else _NAMES[0]
    for body in (data, _SHELL % (name, data[1:])):
        try:
            from_instances(parse(body).instances, FEATURES)
        except DataError:
            continue


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
