"""The Vertex AI Model Registry: one parent model a problem, one version a shipped or refused candidate."""

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters.operations import finished, service_errors
from plumbline.adapters.retries import once, patience_of
from plumbline.candidate import Candidate
from plumbline.champion import CANDIDATE, CHAMPION, Champion
from plumbline.environment import Place

_DIGEST = "content"
"""The label that holds the digest of the model's files."""
_LINEAGE, _OPPONENT = "lineage", "opponent"
"""Labels: what a version was made from, and the version that it was judged against."""
NONE = "none"
THRESHOLD = "THRESHOLD"
"""The variable of the serving container that holds the decision threshold."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the registry."""

    model: str
    """Resource name without version."""
    version: str
    artifact_uri: str

    @property
    def name(self) -> str:
        """Resource name with version."""
        return f"{self.model}@{self.version}"


def parent(place: Place) -> str:
    """The resource name that everything of a place hangs under."""
    return f"projects/{place.project}/locations/{place.location}"


def encryption(place: Place) -> vertex.EncryptionSpec | None:
    """The customer-managed key that a resource is made with, None where Google's own does."""
    return vertex.EncryptionSpec(kms_key_name=place.encryption_key) if place.encryption_key else None


def opponent(models: vertex.ModelServiceClient, place: Place, name: str, lineage: str) -> Champion:
    """The version that a candidate of this lineage has to beat; empty when none has shipped yet.

    It is the champion. Only where the champion has the very lineage of the candidate, so that the candidate will be the
    champion again, it is what the champion itself was judged against: a run with nothing changed is judged as before.
    """
    found = _find(models, f"{parent(place)}/models/{name}@{CHAMPION}")
    if found is not None and found.labels.get(_LINEAGE) == lineage:
        before = found.labels.get(_OPPONENT, NONE)
        found = None if before == NONE else _find(models, f"{parent(place)}/models/{name}@{before}")
    if found is None:
        return Champion()
    version = _version(found).name
    return Champion(version=version, artifact_uri=found.artifact_uri, threshold=_threshold(found))


def champion(models: vertex.ModelServiceClient, place: Place, name: str) -> str:
    """Resource name with version of what serves; empty where nothing has shipped yet."""
    found = _find(models, f"{parent(place)}/models/{name}@{CHAMPION}")
    return "" if found is None else _version(found).name


def before(models: vertex.ModelServiceClient, version: str) -> Version | None:
    """The version that served when this one was judged; None where there was none, or it is gone."""
    found = _find(models, version)
    number = found.labels.get(_OPPONENT, NONE) if found is not None else NONE
    other = None if number == NONE else _find(models, f"{version.partition('@')[0]}@{number}")
    return None if other is None else _version(other)


def artifact_uri(models: vertex.ModelServiceClient, version: str) -> str:
    """The gs:// URI of a version's model directory."""
    with service_errors(f"looking at {version}"):
        return str(models.get_model(name=version).artifact_uri)


def register(models: vertex.ModelServiceClient, place: Place, name: str, candidate: Candidate, *, card: str) -> Version:
    """The candidate as a version with alias `candidate`, made unless a version with the same content is there.

    It does not become the default version, but for the very first, which Vertex AI makes the default by itself.

    Raises:
        ServiceError: Vertex AI refuses the model.
    """
    model = f"{parent(place)}/models/{name}"
    with service_errors(f"registering {name}"):
        version = once(
            models,
            lambda: _same_content(models, model, candidate),
            lambda: _upload(
                models, place, _model(place, name, candidate, card), exists=_find(models, model) is not None
            ),
        )
        models.merge_version_aliases(name=version.name, version_aliases=[CANDIDATE])
    return version


def trained_to(models: vertex.ModelServiceClient, version: str) -> dt.date | None:
    """The last day of a version's training rows; None where it does not say, or is gone."""
    found = _find(models, version)
    text = "" if found is None else found.labels.get("trained_to", "")
    return dt.date.fromisoformat(text) if text else None


def threshold(models: vertex.ModelServiceClient, version: str) -> float | None:
    """The decision threshold of a version by its resource name; None where it does not say, or is gone."""
    found = _find(models, version)
    return None if found is None else _threshold(found)


def promote(models: vertex.ModelServiceClient, version: str) -> None:
    """Alias `champion` and the default move to a version, once it takes the traffic."""
    with service_errors(f"promoting {version}"):
        models.merge_version_aliases(name=version, version_aliases=[CHAMPION, "default"])


def _find(models: vertex.ModelServiceClient, name: str) -> vertex.Model | None:
    with service_errors(f"looking at {name}"), suppress(exceptions.NotFound):
        return models.get_model(name=name)
    return None


def _threshold(model: vertex.Model) -> float | None:
    """The decision threshold that a version serves with; None for one that does not say."""
    given = {variable.name: variable.value for variable in model.container_spec.env}
    return float(given[THRESHOLD]) if THRESHOLD in given else None


def _same_content(models: vertex.ModelServiceClient, model: str, candidate: Candidate) -> Version | None:
    """The version that holds the same files and is served by the same image in the same way."""
    try:
        versions = list(models.list_model_versions(name=model))
    except exceptions.NotFound:
        return None
    spec = _container(candidate)
    same = (v for v in versions if v.labels.get(_DIGEST) == candidate.content[:40] and v.container_spec == spec)
    return next((_version(found) for found in same), None)


def _upload(models: vertex.ModelServiceClient, place: Place, model: vertex.Model, *, exists: bool) -> Version:
    name = model.display_name
    placed = {"parent_model": f"{parent(place)}/models/{name}"} if exists else {"model_id": name}
    request = vertex.UploadModelRequest(parent=parent(place), model=model, **placed)
    pending = models.upload_model(request, retry=None)
    response: vertex.UploadModelResponse = finished(models, pending, timeout_s=patience_of(models).upload_s)
    return Version(response.model, response.model_version_id, model.artifact_uri)


def _model(place: Place, name: str, candidate: Candidate, card: str) -> vertex.Model:
    return vertex.Model(
        display_name=name,
        version_description=f"Model card: {card}",
        artifact_uri=candidate.artifact_uri,
        container_spec=_container(candidate),
        labels={**place.labels, **candidate.labels, _DIGEST: candidate.content[:40]},
        version_aliases=[CANDIDATE],
        encryption_spec=encryption(place),
    )


def _container(candidate: Candidate) -> vertex.ModelContainerSpec:
    return vertex.ModelContainerSpec(
        image_uri=candidate.image,
        command=list(candidate.command),
        env=[vertex.EnvVar(name=name, value=value) for name, value in sorted(candidate.environment.items())],
        ports=[vertex.Port(container_port=8080)],
        predict_route="/predict",
        health_route="/health",
    )


def _version(model: vertex.Model) -> Version:
    return Version(model.name.split("@", maxsplit=1)[0], model.version_id, model.artifact_uri)
