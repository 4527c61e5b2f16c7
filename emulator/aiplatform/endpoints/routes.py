"""EndpointService and PredictionService: endpoints, what is deployed on them, and predictions."""

import json
import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence

from google.api import httpbody_pb2
from google.protobuf import empty_pb2, json_format

from emulator.aiplatform import wire
from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.deployed import ENDPOINT, being_deployed
from emulator.aiplatform.encryption import check_key, check_same_key
from emulator.aiplatform.endpoints import resource
from emulator.aiplatform.endpoints.replica import Answer
from emulator.aiplatform.endpoints.replicas import Replicas
from emulator.aiplatform.endpoints.request_log import RequestLog
from emulator.aiplatform.errors import ApiError, exists, invalid, precondition
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.models.resource import Models
from emulator.aiplatform.names import check_named
from emulator.aiplatform.operations import Work, at_once, cancelled_error

log = logging.getLogger(__name__)
_SERVICE = f"{TYPES}.endpoint_service"
_CHANGEABLE = ("display_name", "description", "labels", "traffic_split")
_JSON = "application/json"
_CLIENT_ERRORS = range(400, 500)


class EndpointRoutes:
    """The methods of EndpointService and PredictionService that the emulator has."""

    def __init__(self, context: Context) -> None:
        """Starts the containers of what was deployed before a restart again, in the background."""
        self._context = context
        self._endpoints = Collection(context, ENDPOINT)
        self._models = Models(context)
        self._replicas = Replicas(context)
        self._log = RequestLog(context)
        self._random = random.Random()  # noqa: S311 - shares traffic, keeps no secret
        for endpoint in self._endpoints.all():
            for deployed in endpoint.deployed_models:
                threading.Thread(target=self._restart, args=(endpoint.name, deployed), daemon=True).start()

    def routes(self) -> Mapping[str, Callable[[Message], Message | Work]]:
        """Handlers by method."""
        return {
            "CreateEndpoint": at_once(self.create),
            "GetEndpoint": self.get,
            "ListEndpoints": self.list,
            "UpdateEndpoint": self.update,
            "DeleteEndpoint": at_once(self.delete),
            "DeployModel": self.deploy,
            "UndeployModel": self.undeploy,
            "MutateDeployedModel": self.mutate,
            "Predict": self.predict,
            "RawPredict": self.raw_predict,
        }

    def stop(self) -> None:
        """Ends the containers; what is deployed stays so, and comes back with the next start."""
        self._replicas.stop_all()

    def stop_logging(self) -> None:
        """Carries the rows of the request log to BigQuery, while it is there."""
        self._log.stop()

    def create(self, request: Message) -> Message:
        """A new endpoint with nothing on it."""
        wire.only(request, ("parent", "endpoint", "endpoint_id"), "CreateEndpointRequest")
        resource.check_endpoint(request.endpoint)
        check_key(request.endpoint, request.parent, "endpoint")
        endpoint_id = request.endpoint_id or self._context.store.next_number()
        if request.endpoint_id:
            resource.check_id(endpoint_id)
        name = f"{request.parent}/endpoints/{endpoint_id}"
        with self._context.lock:
            if self._endpoints.find(name) is not None:
                raise exists(name)
            endpoint = type(request.endpoint)()
            endpoint.CopyFrom(request.endpoint)
            endpoint.name = name
            resource.name_dedicated(endpoint, self._context.location)
            stamp(endpoint, self._context, "create_time", "update_time")
            self._endpoints.put(name, endpoint)
        return endpoint

    def get(self, request: Message) -> Message:
        """The resource of a name, with how many replicas each deployed model has by now."""
        return self._counted(self._endpoints.get(request.name))

    def list(self, request: Message) -> Message:
        """The endpoints of a location."""
        response = message_class(f"{_SERVICE}:ListEndpointsResponse")()
        found = [self._counted(endpoint) for endpoint in self._endpoints.all(f"{request.parent}/endpoints/")]
        return listed(request, response, found)

    def update(self, request: Message) -> Message:
        """An endpoint with other names, labels or traffic."""
        with self._context.lock:
            endpoint = self._endpoints.get(request.endpoint.name)
            paths = list(request.update_mask.paths)
            if not paths or (set(paths) - set(_CHANGEABLE)):
                raise invalid(f"update_mask names {paths}; it can name {list(_CHANGEABLE)}")
            if "traffic_split" in paths:
                resource.check_split(request.endpoint.traffic_split, endpoint)
            for path in paths:
                endpoint.ClearField(path)
            wanted = type(endpoint)()
            request.update_mask.MergeMessage(request.endpoint, wanted)
            endpoint.MergeFrom(wanted)
            check_named(endpoint, "endpoint")
            return self._keep(endpoint)

    def delete(self, request: Message) -> Message:
        """Takes away an endpoint with nothing on it."""
        with self._context.lock:
            deployed = [model.id for model in self._endpoints.get(request.name).deployed_models]
            if ids := [*deployed, *being_deployed(self._context, request.name)]:
                told = f"has deployed or being-deployed DeployedModel(s): {', '.join(ids)}"
                raise precondition(f"{request.name} {told}; undeploy them first")
            self._endpoints.delete(request.name)
        return empty_pb2.Empty()

    def deploy(self, request: Message) -> Work:
        """A model's containers, started; then the model on the endpoint with the traffic that is asked for."""
        wire.only(request, ("endpoint", "deployed_model", "traffic_split"), "DeployModelRequest")
        deployed = resource.with_defaults(request.deployed_model)
        resource.check_deployment(deployed)
        with self._context.lock:
            endpoint, model = self._endpoints.get(request.endpoint), self._models.get(deployed.model)
            resource.check_new(deployed, request.traffic_split, endpoint)
            resource.check_servable(model)
            check_same_key(model, endpoint)
            if deployed.id in being_deployed(self._context, endpoint.name):
                raise invalid(f"deployed_model.id {deployed.id} is being deployed on {endpoint.name}")
            deployed.id = deployed.id or self._context.store.next_number()
            deployed.model, deployed.model_version_id = f"{model.name}@{model.version_id}", model.version_id
            stamp(deployed, self._context, "create_time")
            key = (endpoint.name, deployed.id)
            self._context.deploying[key] = deployed
        split = dict(request.traffic_split)

        def work(cancelled: threading.Event) -> Message:
            self._replicas.start(endpoint.name, deployed, model, cancelled)
            try:
                self._add(endpoint.name, deployed, split, cancelled)
            except BaseException:
                self._replicas.stop(endpoint.name, deployed.id)
                raise
            response = message_class(f"{_SERVICE}:DeployModelResponse")()
            response.deployed_model.CopyFrom(deployed)
            return response

        def ended() -> None:
            del self._context.deploying[key]

        return Work(work, ended=ended)

    def undeploy(self, request: Message) -> Work:
        """A model off an endpoint, and its containers ended."""

        def remaining() -> Message:
            endpoint = self._endpoints.get(request.endpoint)
            resource.without(endpoint, request.deployed_model_id, request.traffic_split)
            return endpoint

        if request.deployed_model_id in being_deployed(self._context, request.endpoint):
            raise precondition(f"{request.deployed_model_id} is being deployed; cancel its operation first")
        remaining()

        def work(_: threading.Event) -> Message:
            with self._context.lock:
                self._keep(remaining())
            self._replicas.stop(request.endpoint, request.deployed_model_id)
            return message_class(f"{_SERVICE}:UndeployModelResponse")()

        return Work(work)

    def mutate(self, request: Message) -> Work:
        """A deployed model with other replica counts or targets, and at least as many containers as its new minimum."""
        deployed = resource.deployed_on(self._endpoints.get(request.endpoint), request.deployed_model.id)
        changed = resource.rescaled(deployed, request.deployed_model, request.update_mask)
        model = self._models.get(changed.model)

        def work(cancelled: threading.Event) -> Message:
            self._replicas.scale(request.endpoint, changed, model, cancelled)
            with self._context.lock:
                endpoint = self._endpoints.get(request.endpoint)
                resource.deployed_on(endpoint, changed.id).CopyFrom(changed)
                self._keep(endpoint)
            response = message_class(f"{_SERVICE}:MutateDeployedModelResponse")()
            response.deployed_model.CopyFrom(changed)
            return response

        return Work(work)

    def predict(self, request: Message) -> Message:
        """The predictions of the model that the traffic split chooses."""
        wire.only(request, ("endpoint", "instances", "parameters"), "PredictRequest")
        if not request.instances:
            raise invalid("instances must not be empty")
        endpoint, deployed = self._chosen(request.endpoint)
        body = json_format.MessageToDict(request)
        content = {"instances": body.get("instances", [])}
        if "parameters" in body:
            content["parameters"] = body["parameters"]
        answer = self._answer(endpoint, deployed, json.dumps(content).encode(), _JSON)
        predictions = _predictions(answer)
        self._log.add(endpoint, deployed.id, _texts(content["instances"]), _texts(predictions))
        model = self._models.get(deployed.model)
        known = {
            "deployedModelId": deployed.id,
            "model": model.name,
            "modelVersionId": model.version_id,
            "modelDisplayName": model.display_name,
        }
        response = message_class(f"{TYPES}.prediction_service:PredictResponse")()
        return json_format.ParseDict({"predictions": predictions, **known}, response)

    def raw_predict(self, request: Message) -> Message:
        """What the container answers to a body, untouched."""
        endpoint, deployed = self._chosen(request.endpoint)
        kind, body = request.http_body.content_type or _JSON, request.http_body.data
        answer = self._answer(endpoint, deployed, body, kind)
        self._log.add(endpoint, deployed.id, [_text(body)], [_text(answer.body)])
        return httpbody_pb2.HttpBody(content_type=answer.content_type, data=answer.body)

    def _answer(self, endpoint: Message, deployed: Message, body: bytes, content_type: str) -> Answer:
        limits = resource.limits(endpoint)
        if len(body) > limits.largest_request:
            told = f"an endpoint of this type takes at most {limits.largest_request}"
            raise invalid(f"the request has {len(body)} bytes; {told}")
        return _checked(self._replicas.predict(endpoint.name, deployed.id, body, content_type, limits.timeout_s))

    def _add(self, name: str, deployed: Message, split: Mapping[str, int], cancelled: threading.Event) -> None:
        """Writes down what runs by now. The endpoint may have changed while it started."""
        with self._context.lock:
            if cancelled.is_set():
                raise cancelled_error()
            endpoint = self._endpoints.get(name)
            resource.check_new(deployed, split, endpoint)
            self._models.get(deployed.model)
            endpoint.deployed_models.append(deployed)
            resource.with_split(endpoint, split, deployed.id)
            self._keep(endpoint)

    def _chosen(self, name: str) -> tuple[Message, Message]:
        """The endpoint, and the deployed model that the traffic split gives a request to."""
        endpoint = self._endpoints.get(name)
        shares = dict(endpoint.traffic_split)
        if not shares:
            raise precondition(f"{name} has no deployed model with traffic")
        deployed_id = self._random.choices(list(shares), list(shares.values()))[0]
        return endpoint, next(model for model in endpoint.deployed_models if model.id == deployed_id)

    def _counted(self, endpoint: Message) -> Message:
        for deployed in endpoint.deployed_models:
            deployed.status.available_replica_count = self._replicas.available(endpoint.name, deployed.id)
        return endpoint

    def _keep(self, endpoint: Message) -> Message:
        stamp(endpoint, self._context, "update_time")
        self._endpoints.put(endpoint.name, endpoint)
        return endpoint

    def _restart(self, endpoint: str, deployed: Message) -> None:
        try:
            self._replicas.start(endpoint, deployed, self._models.get(deployed.model), threading.Event())
        except Exception:
            log.exception("%s does not come up again", deployed.id)
        now = self._endpoints.find(endpoint)
        if now is None or deployed.id not in {model.id for model in now.deployed_models}:
            # It was undeployed while it started.
            self._replicas.stop(endpoint, deployed.id)


def _checked(answer: Answer) -> Answer:
    if answer.status in _CLIENT_ERRORS:
        raise invalid(answer.body.decode(errors="replace"))
    if answer.status != 200:
        raise ApiError("INTERNAL", f"the container answers {answer.status}: {answer.body.decode(errors='replace')}")
    return answer


def _predictions(answer: Answer) -> list[object]:
    try:
        found = json.loads(answer.body)["predictions"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, list):
        raise ApiError("INTERNAL", 'the container does not answer with {"predictions": [...]}')
    return found


def _texts(values: Sequence[object]) -> Sequence[str]:
    """The JSON of each value, as the request log has it."""
    return [json.dumps(value) for value in values]


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")
