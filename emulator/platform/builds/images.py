"""The images that a build pushes, read off its steps, which do not run here."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest

from emulator.aiplatform.methods import Message

_WORD = re.compile(r"[^\s'\";|&()]+")
_VARIABLE = re.compile(r"\$\$|\$\{(?P<braced>\w+)\}|\$(?P<plain>\w+)")
_IMAGE = re.compile(
    r"^(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<repository>[^/]+)/"
    r"(?P<package>[^:@]+)(?::(?P<tag>[\w.-]+))?$"
)
_NAMING = frozenset(("-t", "--tag"))
_DESTINATION = "--destination"
"""Of kaniko, which pushes what it builds."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in Artifact Registry.

    Args:
        package: Full name of its package.
        tag: Its tag.
        digest: `sha256:` and 64 hexadecimal digits: always the same ones for the same name.
    """

    package: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        """Full name of its repository."""
        return self.package.partition("/packages/")[0]


def pushed(build: Message, values: Mapping[str, str]) -> Sequence[str]:
    """Names of the images that a build pushes, each once.

    These are its `images`, those that a step gives to `docker push`, and those that a step with `--push` tags.

    Args:
        build: The build.
        values: What its substitutions are, by name without `$`.
    """
    found = [substituted(image, values) for image in build.images]
    for step in build.steps:
        own = dict(entry.partition("=")[::2] for entry in step.env)
        of_step = {**values, **{name: substituted(value, values) for name, value in own.items()}}
        words = [word for argument in (*step.args, step.script) for word in _WORD.findall(argument)]
        found += _in_words([substituted(word, of_step) for word in words])
    return list(dict.fromkeys(name for name in found if name))


def substituted(text: str, values: Mapping[str, str]) -> str:
    """A text with the values of `$NAME` and `${NAME}` in it; other names stay, and `$$` is a `$`.

    Source: Cloud Build, "Substituting variable values".
    """

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        return "$" if name is None else values.get(name, match[0])

    return _VARIABLE.sub(value, text)


def image_of(name: str) -> Image | None:
    """The image of a name, `latest` without a tag; None where it is of another registry."""
    match = _IMAGE.match(name)
    if match is None:
        return None
    repository = f"projects/{match['project']}/locations/{match['location']}/repositories/{match['repository']}"
    package = match["package"].replace("/", "%2F")
    digest = sha256(name.encode()).hexdigest()
    return Image(f"{repository}/packages/{package}", match["tag"] or "latest", f"sha256:{digest}")


def _in_words(words: Sequence[str]) -> Iterator[str]:
    """Images that a step's command line pushes."""
    pushes, always = "--push" in words, {"push", _DESTINATION}
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        option, _, value = word.partition("=")
        if word in always or (pushes and word in _NAMING):
            yield following
        elif value and (option in always or (pushes and option in _NAMING)):
            yield value
