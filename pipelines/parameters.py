"""What a run is started with: every pipeline parameter, made from the config and from what is there already."""

import hashlib
from collections.abc import Mapping

from plumbline.champion import Champion
from plumbline.config import Loaded
from plumbline.environment import Environment, place
from plumbline.section import to_json

Parameters = Mapping[str, str]


def images(environment: Environment, digest: str) -> Mapping[str, str]:
    """The images with the digest of the code in them, by their plain name.

    On this machine an image is the checkout itself, so the digest of the code is the digest of the image.
    """
    plain = {
        "plumbline/components": environment.images.components,
        "plumbline/trainer": environment.images.trainer,
        "plumbline/serving": environment.images.serving,
    }
    return {name: f"{repository}@sha256:{digest}" for name, repository in plain.items()}


def lineage(loaded: Loaded, *, code: str, source_version: str) -> str:
    """A digest of all that a model is made from: the same lineage gives the same model. 40 hexadecimal digits."""
    config = loaded.config
    parts = [loaded.sql, source_version, code, *map(to_json, (config.data, config.validation, config.training))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def parameters(
    loaded: Loaded, environment: Environment, *, code: str, source_version: str, champion: Champion
) -> Parameters:
    """The parameters of a training run.

    Args:
        loaded: The problem config and its query.
        environment: Where things are.
        code: Digest of the code, hexadecimal.
        source_version: Digest of the state of the source tables: it keys the cache of the ingest step.
        champion: The model to be beaten: it keys the cache of the evaluation.
    """
    config, linked = loaded.config, images(environment, code)
    return {
        "name": config.name,
        "title": config.statement.title,
        "place": to_json(place(environment)),
        "statement": to_json(config.statement),
        "data": to_json(config.data),
        "sql": loaded.sql,
        "source_version": source_version,
        "validation": to_json(config.validation),
        "today": to_json(config.baseline),
        "training": to_json(config.training),
        "evaluation": to_json(config.evaluation),
        "champion": to_json(champion),
        "serving": to_json(config.serving),
        "monitoring": to_json(config.monitoring),
        "lineage": lineage(loaded, code=code, source_version=source_version),
        "code": code,
        "trainer_image": linked["plumbline/trainer"],
        "serving_image": linked["plumbline/serving"],
    }
