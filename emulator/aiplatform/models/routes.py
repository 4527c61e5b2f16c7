"""ModelService: upload, look up, list, label, alias and delete."""

from collections.abc import Callable, Mapping

from google.protobuf import empty_pb2

from emulator.aiplatform import wire
from emulator.aiplatform.context import TYPES, Context
from emulator.aiplatform.deployed import deployments_of, is_in_use
from emulator.aiplatform.encryption import check_key
from emulator.aiplatform.errors import exists, invalid, not_found, precondition
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.models.resource import DEFAULT, Models, check_id
from emulator.aiplatform.names import check_named
from emulator.aiplatform.operations import Work, at_once

_CHANGEABLE = ("display_name", "description", "version_description", "labels")


class ModelRoutes:
    """The methods of ModelService that the emulator has."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._models = Models(context)

    def routes(self) -> Mapping[str, Callable[[Message], Message | Work]]:
        """Handlers by method."""
        return {
            "UploadModel": at_once(self.upload),
            "GetModel": self.get,
            "ListModels": self.list,
            "ListModelVersions": self.list_versions,
            "UpdateModel": self.update,
            "MergeVersionAliases": self.merge_version_aliases,
            "DeleteModelVersion": at_once(self.delete_version),
            "DeleteModel": at_once(self.delete),
        }

    def upload(self, request: Message) -> Message:
        """A new version under a parent model, or of a new one."""
        wire.only(request, ("parent", "parent_model", "model_id", "model"), "UploadModelRequest")
        if request.parent_model and request.model_id:
            raise invalid("model_id is for a new model; a new version of parent_model has the id of that")
        if request.model_id:
            check_id(request.model_id)
        check_key(request.model, request.parent, "model")
        with self._context.lock:
            model = self._models.add(self._name(request), request.model)
        response = message_class(f"{TYPES}.model_service:UploadModelResponse")()
        response.model, response.model_version_id = model.name, model.version_id
        return response

    def get(self, request: Message) -> Message:
        """One version, with where it is deployed."""
        return self._shown(self._models.get(request.name))

    def list(self, request: Message) -> Message:
        """The default version of every model."""
        response = message_class(f"{TYPES}.model_service:ListModelsResponse")()
        return listed(request, response, [*map(self._shown, self._models.latest(f"{request.parent}/models/"))])

    def list_versions(self, request: Message) -> Message:
        """Every version of a model, the oldest first."""
        versions = self._models.versions(request.name.partition("@")[0])
        if not versions:
            raise not_found(request.name)
        response = message_class(f"{TYPES}.model_service:ListModelVersionsResponse")()
        return listed(request, response, [*map(self._shown, versions)])

    def update(self, request: Message) -> Message:
        """A version with other names, descriptions or labels."""
        with self._context.lock:
            model = self._models.get(request.model.name)
            if not request.update_mask.paths:
                raise invalid("update_mask is required")
            for path in request.update_mask.paths:
                if path not in _CHANGEABLE:
                    raise precondition(f"model.{path} cannot be changed")
                model.ClearField(path)
            wanted = type(model)()
            request.update_mask.MergeMessage(request.model, wanted)
            model.MergeFrom(wanted)
            check_named(model, "model")
            self._models.put(model)
        return self._shown(model)

    def merge_version_aliases(self, request: Message) -> Message:
        """A version with aliases added or taken away."""
        with self._context.lock:
            return self._models.merge_aliases(self._models.get(request.name), list(request.version_aliases))

    def delete_version(self, request: Message) -> Message:
        """Takes away a version that is neither deployed nor the default."""
        with self._context.lock:
            model = self._models.get(request.name)
            self._check_unused(model)
            if DEFAULT in model.version_aliases:
                raise precondition(f"{request.name} is the default version")
            self._models.delete(model)
        return empty_pb2.Empty()

    def delete(self, request: Message) -> Message:
        """Takes away a model none of whose versions is deployed."""
        with self._context.lock:
            versions = self._models.versions(request.name)
            if not versions:
                raise not_found(request.name)
            for model in versions:
                self._check_unused(model)
            self._models.delete_all(request.name)
        return empty_pb2.Empty()

    def _name(self, request: Message) -> str:
        """The resource name under which an upload goes."""
        if request.parent_model:
            name = str(request.parent_model.partition("@")[0])
            if not self._models.versions(name):
                raise not_found(name)
            return name
        name = f"{request.parent}/models/{request.model_id or self._context.store.next_number()}"
        if self._models.versions(name):
            raise exists(name)
        return name

    def _check_unused(self, model: Message) -> None:
        if is_in_use(self._context, model):
            raise precondition(f"{model.name}@{model.version_id} is deployed; undeploy it first")

    def _shown(self, model: Message) -> Message:
        for endpoint, deployed_id in deployments_of(self._context, model):
            model.deployed_models.add(endpoint=endpoint, deployed_model_id=deployed_id)
        return model
