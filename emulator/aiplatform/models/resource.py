"""The rules of the Model Registry: versions, aliases, and which of them is the default."""

import re
from collections.abc import Sequence, Set

from emulator.aiplatform import wire
from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.errors import ApiError, invalid, not_found
from emulator.aiplatform.methods import Message
from emulator.aiplatform.names import check_named

KIND = f"{TYPES}.model:Model"
DEFAULT = "default"
_LAST_VERSION = "last version of a model"
FIELDS = (
    "display_name",
    "description",
    "version_description",
    "artifact_uri",
    "container_spec",
    "labels",
    "version_aliases",
    "metadata",
    "encryption_spec",
)
CONTAINER_FIELDS = (
    "image_uri",
    "command",
    "args",
    "env",
    "ports",
    "predict_route",
    "health_route",
    "deployment_timeout",
)
_ID = re.compile(r"^[a-z_][a-z0-9_-]{0,62}$")
_ALIAS = re.compile(r"^[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]$")
_DEDICATED = 1
"""DeploymentResourcesType.DEDICATED_RESOURCES: without it the SDK drops the autoscaling arguments."""


class Models:
    """All models, each version kept as the model that the API shows for it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._versions = Collection(context, KIND)

    def versions(self, name: str) -> list[Message]:
        """The versions of a model, in the order in which they were made; empty where there is no such model."""
        return sorted(self._versions.all(f"{name}@"), key=lambda model: int(model.version_id))

    def get(self, name: str) -> Message:
        """The version that `model`, `model@version` or `model@alias` names.

        Raises:
            ApiError: There is none.
        """
        base, _, wanted = name.partition("@")
        for model in self.versions(base):
            if (wanted or DEFAULT) in {model.version_id, *model.version_aliases}:
                return model
        raise not_found(name)

    def latest(self, prefix: str) -> list[Message]:
        """The default version of every model of a location."""
        return [model for model in self._versions.all(prefix) if DEFAULT in model.version_aliases]

    def put(self, model: Message) -> None:
        """Keeps a version."""
        stamp(model, self._context, "update_time", "version_update_time")
        self._versions.put(f"{model.name}@{model.version_id}", model)

    def delete(self, model: Message) -> None:
        """Takes a version away."""
        self._versions.delete(f"{model.name}@{model.version_id}")

    def add(self, name: str, wanted: Message) -> Message:
        """The wanted model as the next version under a name. The first version is the default, whatever it asks."""
        check(wanted, self._context)
        check_aliases(wanted.version_aliases)
        earlier = self.versions(name)
        model = type(wanted)()
        model.CopyFrom(wanted)
        model.name = name
        model.version_id = self._next_version(name)
        stamp(model, self._context, "create_time", "version_create_time")
        if earlier:
            model.create_time.CopyFrom(earlier[0].create_time)
        model.supported_deployment_resources_types.append(_DEDICATED)
        aliases = [*wanted.version_aliases, *([] if earlier else [DEFAULT])]
        del model.version_aliases[:]
        self.put(model)
        return self.merge_aliases(model, aliases)

    def _next_version(self, name: str) -> str:
        """A number that no version of the model ever had, also none that was deleted."""
        number = str(int(self._context.store.get(_LAST_VERSION, name) or 0) + 1)
        self._context.store.put(_LAST_VERSION, name, number)
        return number

    def delete_all(self, name: str) -> None:
        """Takes a model away with all its versions; another one of that name starts at version 1."""
        for model in self.versions(name):
            self.delete(model)
        self._context.store.delete(_LAST_VERSION, name)

    def merge_aliases(self, model: Message, aliases: Sequence[str]) -> Message:
        """The version with aliases added, each taken from the version that had it; `-alias` takes its own away.

        Raises:
            ApiError: An alias is not one, or the default would be nowhere.
        """
        check_aliases(aliases)
        added = {alias for alias in aliases if not alias.startswith("-")}
        removed = {alias.removeprefix("-") for alias in aliases if alias.startswith("-")}
        for other in self.versions(model.name):
            if other.version_id != model.version_id and added & set(other.version_aliases):
                _set_aliases(other, set(other.version_aliases) - added)
                self.put(other)
        _set_aliases(model, (set(model.version_aliases) | added) - removed)
        self.put(model)
        return model


def check_aliases(aliases: Sequence[str]) -> None:
    """Nothing, when all are aliases; `-alias` stands for one to be taken away, which cannot be given too.

    Raises:
        ApiError: Not so.
    """
    for alias in aliases:
        if not _ALIAS.match(alias.removeprefix("-")):
            raise invalid(f"version alias {alias!r} must match {_ALIAS.pattern}, after a - to take it away")
    if f"-{DEFAULT}" in aliases:
        raise invalid("the default alias is moved by giving it to another version, not taken away")
    if both := sorted(alias for alias in aliases if f"-{alias}" in aliases):
        raise invalid(f"version aliases {both} are both given and taken away")


def check(model: Message, context: Context) -> None:
    """Nothing, when Vertex AI would take the model.

    Raises:
        ApiError: It would not, or the emulator cannot serve it.
    """
    wire.only(model, FIELDS, "model")
    wire.only(model.container_spec, CONTAINER_FIELDS, "model.container_spec")
    check_named(model, "model")
    if not model.container_spec.image_uri:
        raise invalid("model.container_spec.image_uri is required")
    if model.artifact_uri:
        if not model.artifact_uri.startswith("gs://"):
            raise invalid(f"model.artifact_uri must be a gs:// URI, got {model.artifact_uri!r}")
        if not context.object_path(model.artifact_uri).exists():
            raise ApiError("FAILED_PRECONDITION", f"there is nothing at {model.artifact_uri}")
    for variable in model.container_spec.env:
        if variable.name.startswith("AIP_"):
            raise invalid(f"the variable {variable.name} is Vertex AI's own")


def _set_aliases(model: Message, aliases: Set[str]) -> None:
    del model.version_aliases[:]
    model.version_aliases.extend(sorted(aliases))


def check_id(model_id: str) -> None:
    """Nothing, when a model id is one.

    Raises:
        ApiError: It is not.
    """
    if not _ID.match(model_id):
        raise invalid(f"model_id {model_id!r} must match {_ID.pattern}")
