"""What a run is started with: every pipeline parameter, made from the config."""

from collections.abc import Mapping

from plumbline.config import Loaded
from plumbline.environment import Environment, place
from plumbline.errors import ConfigError, Problem
from plumbline.section import to_json

Parameters = Mapping[str, str]


def repositories(environment: Environment) -> Mapping[str, str]:
    """The repositories of the images, by the plain names that the compiled pipeline has for them."""
    return {
        "plumbline/components": environment.images.components,
        "plumbline/trainer": environment.images.trainer,
        "plumbline/serving": environment.images.serving,
    }


def local_images(environment: Environment, code: str) -> Mapping[str, str]:
    """The images of a run on this machine, where an image is the checkout: the digest of the code is its digest."""
    return {name: f"{repository}@sha256:{code}" for name, repository in repositories(environment).items()}


def parameters(loaded: Loaded, environment: Environment, *, code: str, images: Mapping[str, str]) -> Parameters:
    """The parameters of a training run; the same for every run of a config, so that a schedule can submit them.

    Args:
        loaded: The problem config and its query.
        environment: Where things are.
        code: Digest of the code, hexadecimal.
        images: With their digests, by their plain names.
    """
    config = loaded.config
    return {
        "name": config.name,
        "title": config.statement.title,
        "place": to_json(place(environment)),
        "statement": to_json(config.statement),
        "data": to_json(config.data),
        "sql": loaded.sql,
        "validation": to_json(config.validation),
        "today": to_json(config.baseline),
        "signal": to_json(config.signal),
        "prototype": to_json(config.prototype),
        "training": to_json(config.training),
        "evaluation": to_json(config.evaluation),
        "explanation": to_json(config.explanation),
        "serving": to_json(config.serving),
        "monitoring": to_json(config.monitoring),
        "code": code,
        "trainer_image": images["plumbline/trainer"],
        "serving_image": images["plumbline/serving"],
        # By hand, or on the environment's schedule: the evidence is put in by a retraining.
        "why": "",
    }


def evaluation_parameters(loaded: Loaded, environment: Environment, *, order: str, at: str) -> Parameters:
    """The parameters of an evaluation of the model that serves.

    Args:
        loaded: The problem config and its queries.
        environment: Where things are.
        order: The gs:// URI of the order of a training.
        at: The time to look from, ISO 8601; empty for the time at which a step runs.

    Raises:
        ConfigError: The config does not say how a model that serves is observed.
    """
    config = loaded.config
    if config.observation is None:
        told = "there is no section `observation`: it says how labels that come late find their predictions"
        raise ConfigError([Problem(config.name, 1, told)])
    return {
        "name": config.name,
        "place": to_json(place(environment)),
        "data": to_json(config.data),
        "sql": loaded.labels,
        "observation": to_json(config.observation),
        "evaluation": to_json(config.evaluation),
        "monitoring": to_json(config.monitoring),
        "retraining": to_json(config.retraining) if config.retraining else "",
        "endpoint": config.serving.endpoint,
        "order": order,
        "at": at,
    }
