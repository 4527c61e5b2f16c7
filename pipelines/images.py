"""The images of a run: found by the digest of the code, built where they are not there, linked by their digests."""

import gzip
import io
import secrets
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.code import ROOT, image_tag
from pipelines.follow import Say
from plumbline.adapters import images
from plumbline.adapters.clients import Clients
from plumbline.adapters.images import Image, Order
from plumbline.environment import Environment
from plumbline.errors import PlumblineError

SOURCE = (".dockerignore", "components", "containers", "plumbline", "pyproject.toml", "serving", "trainer", "uv.lock")
"""All that a build reads. What .dockerignore lets through, and the Dockerfile itself."""


CPU, GPU = "trainer", "trainer-gpu"
"""The trainer's packages, without and with NVIDIA's libraries: extras of pyproject.toml."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which images."""

    environment: Environment
    """Says where they belong."""
    code: str
    """Digest of the code, hexadecimal."""
    trainer: str = CPU
    """CPU, or GPU for a training on NVIDIA's."""

    def images(self) -> Mapping[str, Image]:
        """By their plain names, tagged with the code. The tag of a trainer for accelerators ends in -gpu."""
        repositories, tag = self.environment.images, image_tag(self.code)
        suffix = self.trainer.removeprefix(CPU)
        return {
            "plumbline/components": Image("components", repositories.components, tag),
            "plumbline/trainer": Image("trainer", repositories.trainer, f"{tag}{suffix}"),
            "plumbline/serving": Image("serving", repositories.serving, tag),
        }


def obtain(wanted: Wanted, clients: Clients, *, build: bool, say: Say) -> Mapping[str, str]:
    """The images as repository@sha256:..., by their plain names.

    Args:
        wanted: Which ones.
        clients: Of the place that they belong to.
        build: Whether images that are not there are built; it takes minutes.
        say: Told what happens.

    Raises:
        PlumblineError: An image is not there, or cannot be built.
    """
    named, registry = wanted.images(), clients.artifact_registry()
    found = images.digests(registry, named)
    if build and (absent := [image for name, image in named.items() if name not in found]):
        source = images.upload(clients.storage(), clients.place, archive())
        order = Order(
            absent, source, _script(), wanted.trainer, wanted.environment.build_service_account, secrets.token_hex(8)
        )
        images.build(clients.builds(), clients.place, order, say=say)
        found = images.digests(registry, named)
    if missing := [image.name for name, image in named.items() if name not in found]:
        raise PlumblineError(f"no image {', '.join(missing)}: `make images` builds what is not there")
    return found


def read_images(folder: Path, environment: Environment) -> Mapping[str, str]:
    """What containers/build.sh has printed, a file an image, as repository@sha256:... by plain name.

    Raises:
        PlumblineError: A file is not there, or its image is not one of the environment.
    """
    found = {}
    for name, image in Wanted(environment, code="").images().items():
        path = folder / image.target
        text = path.read_text(encoding="utf-8").strip() if path.is_file() else "nothing"
        if not text.startswith(f"{image.repository}@sha256:"):
            raise PlumblineError(f"wanted {image.repository}@sha256:... in {path}, got {text}")
        found[name] = text
    return found


def archive(root: Path = ROOT) -> bytes:
    """A tar.gz of all that a build reads. The same files give the same bytes: no times, owners or rights in it."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        for path in _files(root):
            entry = tarfile.TarInfo(path.relative_to(root).as_posix())
            content = path.read_bytes()
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _files(root: Path) -> Iterator[Path]:
    for name in SOURCE:
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _script() -> str:
    return (ROOT / "containers" / "build.sh").read_text(encoding="utf-8")
