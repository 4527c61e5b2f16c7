"""Linking: a compiled pipeline names images plainly; digests are put in when it is submitted."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from plumbline.errors import PlumblineError

_DIGEST = re.compile(r"^[^\s@]+@sha256:[0-9a-f]{64}$")
Spec = Mapping[str, Any]


def link(spec: Spec, images: Mapping[str, str]) -> Spec:
    """A copy of a compiled pipeline with each plain image name replaced by the image with its digest.

    Args:
        spec: The compiled pipeline.
        images: Repository and digest, name@sha256:..., by plain name.

    Raises:
        PlumblineError: The pipeline names an image that is not given, or one is given without a digest.
    """
    if loose := sorted(image for image in images.values() if not _DIGEST.match(image)):
        raise PlumblineError(f"an image must be given with its digest, name@sha256:..., got {loose}")
    linked = deepcopy(dict(spec))
    for name, executor in linked["deploymentSpec"]["executors"].items():
        container = executor.get("container")
        if container is None:
            continue
        if container["image"] not in images:
            raise PlumblineError(f"{name} runs {container['image']}, which no image is given for: {sorted(images)}")
        container["image"] = images[container["image"]]
    return linked
