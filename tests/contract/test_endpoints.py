"""Endpoints: what can be deployed on them, where traffic goes, and that containers really run and really end."""

import os
import time
from collections.abc import Mapping

import pytest
import requests
from google.cloud import aiplatform_v1 as v1
from google.protobuf import field_mask_pb2, json_format

from emulator.project import project_number
from tests.contract import vertex as vx
from tests.contract.conftest import PROJECT, Emulator
from tests.contract.vertex import (
    CONFLICT,
    EXISTS,
    INVALID,
    MISSING,
    PARENT,
    UNIMPLEMENTED,
    Vertex,
    available,
    deploy,
    deployed_model,
    done,
    endpoint,
    fresh,
    pids,
    refused,
    upload,
)
from tests.waiting import soon

CPU = "aiplatform.googleapis.com/prediction/online/cpu/utilization"
_SOON_S = 10.0


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


@pytest.fixture(scope="module")
def model(vertex: Vertex) -> str:
    """A model that can be deployed."""
    return upload(vertex)


def serving(vertex: Vertex, **spec: object) -> str:
    """A model whose container has a spec of its own."""
    usual: Mapping[str, object] = {"image_uri": vx.IMAGE, "command": vx.SERVING}
    return upload(vertex, container_spec=v1.ModelContainerSpec(**{**usual, **spec}))


def prediction(vertex: Vertex, of: str, instance: object = 1, **parameters: object) -> Mapping[str, object]:
    """The one prediction for an instance."""
    answer = vertex.predictions.predict(endpoint=of, instances=[instance], parameters=parameters or None)
    return dict(json_format.MessageToDict(v1.PredictResponse.pb(answer).predictions[0]))


def share(vertex: Vertex, name: str) -> dict[str, int]:
    """The traffic split."""
    return dict(vertex.endpoints.get_endpoint(name=name).traffic_split)


def runs(pid: int) -> bool:
    """Whether a process is there within no time; waits a little for it to go."""
    deadline = time.monotonic() + _SOON_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True


def test_a_container_gets_what_the_contract_says(vertex: Vertex) -> None:
    """Each AIP variable, its own variables, and `$(NAME)` replaced in arguments and variables."""
    env = [v1.EnvVar(name="OWN", value="x"), v1.EnvVar(name="OWN_TWO", value="$(OWN)-$(AIP_MODE)-$$(OWN)-$(NONE)")]
    uri = vx.artifact(vertex, "contract")
    spec = v1.ModelContainerSpec(image_uri=vx.IMAGE, command=vx.SERVING, args=["--mode=$(AIP_MODE)"], env=env)
    name, to = upload(vertex, container_spec=spec, artifact_uri=uri), endpoint(vertex)
    deployed = deploy(vertex, to, name)
    endpoint_id = to.rpartition("/")[2]
    own = f"/v1/endpoints/{endpoint_id}/deployedModels/{deployed.id}"
    said = prediction(vertex, to)
    variables = said["env"]
    assert isinstance(variables, dict)
    assert variables.pop("AIP_HTTP_PORT").isdecimal()
    assert variables == {
        "AIP_ACCELERATOR_TYPE": "",
        "AIP_DEPLOYED_MODEL_ID": deployed.id,
        "AIP_ENDPOINT_ID": endpoint_id,
        "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
        "AIP_HEALTH_ROUTE": own,
        "AIP_MACHINE_TYPE": "n1-standard-2",
        "AIP_MODE": "PREDICTION",
        "AIP_PREDICT_ROUTE": f"{own}:predict",
        "AIP_PROJECT_NUMBER": project_number(PROJECT),
        "AIP_STORAGE_URI": uri,
        "OWN": "x",
        "OWN_TWO": "x-PREDICTION-$(OWN)-$(NONE)",
    }
    assert said["arguments"] == ["--mode=PREDICTION"]


def test_a_prediction_says_which_model_made_it(vertex: Vertex, model: str) -> None:
    """Id, name, version and display name; instances and parameters reach the container as they are."""
    to = endpoint(vertex)
    deployed = deploy(vertex, to, model)
    answer = vertex.predictions.predict(endpoint=to, instances=[{"a": 1.5, "b": "x"}, {"a": None}], parameters={"p": 2})
    assert (answer.deployed_model_id, answer.model, answer.model_version_id, answer.model_display_name) == (
        deployed.id,
        model,
        "1",
        "trips",
    )
    predictions = json_format.MessageToDict(v1.PredictResponse.pb(answer))["predictions"]
    assert [one["instance"] for one in predictions] == [{"a": 1.5, "b": "x"}, {"a": None}]
    assert predictions[0]["parameters"] == {"p": 2}


def test_a_raw_prediction_is_not_touched(vertex: Vertex, model: str) -> None:
    """Body and content type reach the container, and its answer the caller."""
    to = endpoint(vertex)
    deploy(vertex, to, model)
    url = f"{vertex.url}/v1/{to}:rawPredict"
    answer = requests.post(url, data=b"a,b\n1,2", headers={"Content-Type": "text/csv"}, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"raw": "a,b\n1,2", "type": "text/csv"})


@pytest.mark.parametrize(
    ("instances", "status", "text"),
    [
        ([], INVALID, "instances must not be empty"),
        (["bad"], INVALID, "a bad instance"),
        (["odd"], "INTERNAL", '{"predictions": [...]}'),
        (["broken"], "INTERNAL", "answers 500"),
        (["x" * 1_500_001], INVALID, "at most 1500000"),
    ],
)
def test_a_prediction_that_fails_says_why(
    vertex: Vertex, model: str, instances: list[object], status: str, text: str
) -> None:
    """The caller's fault is a 400, the container's a 500."""
    to = endpoint(vertex)
    deploy(vertex, to, model)
    refused(status, text, lambda: vertex.predictions.predict(endpoint=to, instances=instances))


def test_nothing_is_predicted_without_traffic(vertex: Vertex, model: str) -> None:
    """A deployment without a split gets none, also the first one."""
    to = endpoint(vertex)
    deploy(vertex, to, model, {})
    assert share(vertex, to) == {}
    refused(CONFLICT, "no deployed model with traffic", lambda: prediction(vertex, to))


def test_traffic_is_split_as_asked(vertex: Vertex, model: str) -> None:
    """With 50 to 50 both answer (all of 40 from one has a chance of 2e-12); after a move only one does."""
    to = endpoint(vertex)
    one = deploy(vertex, to, model).id
    two = deploy(vertex, to, model, {one: 50, "0": 50}).id
    assert share(vertex, to) == {one: 50, two: 50}
    answers = [vertex.predictions.predict(endpoint=to, instances=[1]).deployed_model_id for _ in range(40)]
    assert set(answers) == {one, two}
    moved = v1.Endpoint(name=to, traffic_split={two: 100})
    vertex.endpoints.update_endpoint(endpoint=moved, update_mask=field_mask_pb2.FieldMask(paths=["traffic_split"]))
    answers = [vertex.predictions.predict(endpoint=to, instances=[1]).deployed_model_id for _ in range(10)]
    assert set(answers) == {two}


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ({"0": 99}, "add up to 100, got 99"),
        ({"0": 100, "77": 0}, "['77']"),
        ({"0": 150, "77": -50}, "['77']"),
    ],
)
def test_a_wrong_split_is_refused(vertex: Vertex, model: str, split: dict[str, int], text: str) -> None:
    """Before anything is started."""
    to = endpoint(vertex)
    refused(INVALID, text, lambda: deploy(vertex, to, model, split))
    assert not vertex.endpoints.get_endpoint(name=to).deployed_models


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"min_replica_count": 0}, "min_replica_count must be at least 1"),
        ({"min_replica_count": 3, "max_replica_count": 2}, "max_replica_count must not be below"),
        ({"machine_spec": v1.MachineSpec(machine_type="n1-standrd-2")}, "there is no machine 'n1-standrd-2'"),
        (
            {"machine_spec": v1.MachineSpec(machine_type="n1-standard-4", accelerator_count=1)},
            "accelerator_type and accelerator_count belong together",
        ),
        (
            {
                "machine_spec": v1.MachineSpec(
                    machine_type="g2-standard-24", accelerator_type="NVIDIA_L4", accelerator_count=1
                )
            },
            "comes with 2 NVIDIA_L4",
        ),
        ({"autoscaling_metric_specs": [{"metric_name": "cpu", "target": 60}]}, "unknown autoscaling metric 'cpu'"),
        ({"autoscaling_metric_specs": [{"metric_name": CPU, "target": 101}]}, "must be 1 to 100, got 101"),
    ],
)
def test_wrong_resources_are_refused(vertex: Vertex, model: str, resources: dict[str, object], text: str) -> None:
    """Before anything is started, with the field that is wrong."""
    refused(INVALID, text, lambda: deploy(vertex, endpoint(vertex), model, None, **resources))


def test_a_deployment_shows_what_it_got(vertex: Vertex, model: str) -> None:
    """The maximum defaults to the minimum, the machine to n1-standard-2, the model is named with its version."""
    to = endpoint(vertex)
    specs = [v1.AutoscalingMetricSpec(metric_name=CPU, target=60)]
    deploy(vertex, to, model, None, machine_spec=v1.MachineSpec(), autoscaling_metric_specs=specs)
    shown = vertex.endpoints.get_endpoint(name=to).deployed_models[0]
    resources = shown.dedicated_resources
    assert (shown.model, shown.model_version_id) == (f"{model}@1", "1")
    assert (resources.machine_spec.machine_type, resources.min_replica_count, resources.max_replica_count) == (
        "n1-standard-2",
        1,
        1,
    )
    assert [(spec.metric_name, spec.target) for spec in resources.autoscaling_metric_specs] == [(CPU, 60)]
    assert vertex.models.get_model(name=model).deployed_models


def test_as_many_replicas_run_as_the_minimum_says(vertex: Vertex, model: str) -> None:
    """They take turns, and follow a change of the minimum up and down; the fields that the mask leaves out stay."""
    to = endpoint(vertex)
    deployed = deploy(vertex, to, model, None, min_replica_count=2, max_replica_count=3)
    two = pids(vertex, to)
    assert len(two) == 2

    def rescale(minimum: int) -> v1.DedicatedResources:
        resources = v1.DedicatedResources(min_replica_count=minimum, max_replica_count=9)
        wanted = v1.DeployedModel(id=deployed.id, dedicated_resources=resources)
        mask = field_mask_pb2.FieldMask(paths=["dedicated_resources.min_replica_count"])
        pending = vertex.endpoints.mutate_deployed_model(endpoint=to, deployed_model=wanted, update_mask=mask)
        return done(pending).deployed_model.dedicated_resources

    assert (rescale(3).min_replica_count, rescale(3).max_replica_count) == (3, 3)
    three = pids(vertex, to, 9)
    assert len(three) == 3
    assert set(two) < set(three)
    rescale(1)
    assert soon(lambda: available(vertex, to) == 1, within_s=_SOON_S)
    (last,) = pids(vertex, to)
    assert not any(runs(pid) for pid in three if pid != last)
    refused(INVALID, "must not be below", lambda: rescale(4))
    assert pids(vertex, to) == [last]


@pytest.mark.parametrize("paths", [[], ["dedicated_resources.machine_spec"], ["service_account"]])
def test_nothing_else_of_a_deployment_changes(vertex: Vertex, model: str, paths: list[str]) -> None:
    """A mask that names anything but replica counts and targets is refused."""
    to = endpoint(vertex)
    deployed = deploy(vertex, to, model)
    mask = field_mask_pb2.FieldMask(paths=paths)
    refused(
        INVALID,
        "update_mask",
        lambda: vertex.endpoints.mutate_deployed_model(endpoint=to, deployed_model=deployed, update_mask=mask),
    )


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"env": [{"name": "FAIL", "value": "no such weights"}]}, "no such weights"),
        ({"env": [{"name": "FAIL", "value": "boom"}]}, "ended with 1 before it was healthy"),
        ({"command": ["no-such-program"]}, "'no-such-program' does not start: No such file or directory"),
    ],
)
def test_a_container_that_ends_fails_the_deployment(vertex: Vertex, spec: dict[str, object], text: str) -> None:
    """With its last words, and nothing is left on the endpoint."""
    to, name = endpoint(vertex), serving(vertex, **spec)
    refused(CONFLICT, text, lambda: deploy(vertex, to, name, None, min_replica_count=2))
    assert not vertex.endpoints.get_endpoint(name=to).deployed_models
    assert share(vertex, to) == {}


def test_a_container_that_is_never_healthy_fails_the_deployment(vertex: Vertex) -> None:
    """After the deployment timeout of its spec."""
    name = serving(vertex, env=[v1.EnvVar(name="SICK", value="1")], deployment_timeout={"seconds": 1})
    started = time.monotonic()
    refused("DEADLINE_EXCEEDED", "not healthy within 1 s", lambda: deploy(vertex, endpoint(vertex), name))
    assert 1.0 <= time.monotonic() - started < 5.0


def test_an_image_needs_its_command(vertex: Vertex) -> None:
    """There are no images here, so an image's own entry point is not known: 501, not a guess."""
    name = serving(vertex, command=[])
    refused(UNIMPLEMENTED, "container_spec.command", lambda: deploy(vertex, endpoint(vertex), name))


def test_a_deployed_id_is_digits_and_free(vertex: Vertex, model: str) -> None:
    """The client may choose it; the same id on another endpoint is another deployed model."""
    one, two = endpoint(vertex), endpoint(vertex)
    chosen = deployed_model(model)
    chosen.id = "7"
    for to in (one, two):
        done(vertex.endpoints.deploy_model(endpoint=to, deployed_model=chosen, traffic_split={"0": 100}))
    refused(INVALID, "7 is taken", lambda: vertex.endpoints.deploy_model(endpoint=one, deployed_model=chosen))
    done(vertex.endpoints.undeploy_model(endpoint=one, deployed_model_id="7"))
    assert prediction(vertex, two)["instance"] == 1
    chosen.id = "seven"
    refused(INVALID, "'seven'", lambda: vertex.endpoints.deploy_model(endpoint=one, deployed_model=chosen))


def test_undeploying_ends_the_containers(vertex: Vertex, model: str) -> None:
    """Not while others would have to take the traffic; the last one takes its traffic along."""
    to = endpoint(vertex)
    one = deploy(vertex, to, model).id
    two = deploy(vertex, to, model, {}).id
    undeploy = vertex.endpoints.undeploy_model
    (first,) = pids(vertex, to)
    refused(CONFLICT, "still has traffic", lambda: undeploy(endpoint=to, deployed_model_id=one))
    done(undeploy(endpoint=to, deployed_model_id=one, traffic_split={two: 100}))
    assert not runs(first)
    (second,) = pids(vertex, to)
    refused(CONFLICT, "undeploy them first", lambda: vertex.endpoints.delete_endpoint(name=to))
    refused(CONFLICT, "is deployed", lambda: vertex.models.delete_model(name=model))
    done(undeploy(endpoint=to, deployed_model_id=two))
    assert share(vertex, to) == {}
    assert not runs(second)
    refused(INVALID, "not deployed", lambda: undeploy(endpoint=to, deployed_model_id=two))
    done(vertex.endpoints.delete_endpoint(name=to))
    refused(MISSING, to, lambda: vertex.endpoints.get_endpoint(name=to))


def test_a_deployment_under_way_is_in_the_way_until_it_is_cancelled(vertex: Vertex) -> None:
    """Neither it nor its endpoint nor its model can be taken away; cancelled, it leaves no container and no traffic."""
    to, name = endpoint(vertex), serving(vertex, env=[v1.EnvVar(name="SLOW", value="60")])
    chosen = deployed_model(name)
    chosen.id = "7"
    pending = vertex.endpoints.deploy_model(endpoint=to, deployed_model=chosen, traffic_split={"0": 100})
    undeploy = vertex.endpoints.undeploy_model
    refused(CONFLICT, "7 is being deployed", lambda: undeploy(endpoint=to, deployed_model_id="7"))
    refused(CONFLICT, "being-deployed DeployedModel(s): 7", lambda: vertex.endpoints.delete_endpoint(name=to))
    refused(CONFLICT, "is deployed", lambda: vertex.models.delete_model(name=name))
    refused(INVALID, "7 is being", lambda: vertex.endpoints.deploy_model(endpoint=to, deployed_model=chosen))
    # Not `pending.cancel()`: over REST, api-core 2's fails before it sends anything (KeyError: 'body').
    vertex.endpoints.cancel_operation({"name": pending.operation.name})
    refused("CANCELLED", "was cancelled", lambda: done(pending))
    assert not vx.containers_of(to)
    assert share(vertex, to) == {}
    refused(INVALID, "7 is not deployed", lambda: undeploy(endpoint=to, deployed_model_id="7"))
    done(vertex.endpoints.delete_endpoint(name=to))
    done(vertex.models.delete_model(name=name))


def test_a_dead_container_is_told_and_replaced(vertex: Vertex) -> None:
    """503 until another one is healthy in its place, as on Vertex AI."""
    to, name = endpoint(vertex), serving(vertex, env=[v1.EnvVar(name="SLOW", value="2")])
    deploy(vertex, to, name)
    (pid,) = pids(vertex, to)
    os.kill(pid, 9)
    assert not runs(pid)
    refused("UNAVAILABLE", "no replica", lambda: prediction(vertex, to))
    assert soon(lambda: available(vertex, to) == 1, within_s=_SOON_S)
    assert pids(vertex, to) != [pid]


@pytest.mark.parametrize("endpoint_id", ["0123", "1234567890", "Trips", "-trips", "x" * 64])
def test_an_endpoint_id_has_a_form(vertex: Vertex, endpoint_id: str) -> None:
    """At most 9 digits without a leading zero, or at most 63 of a-z, 0-9 and -."""
    wanted = v1.Endpoint(display_name="x")
    refused(
        INVALID,
        endpoint_id,
        lambda: vertex.endpoints.create_endpoint(parent=PARENT, endpoint=wanted, endpoint_id=endpoint_id),
    )


def test_an_endpoint_id_is_given_once(vertex: Vertex) -> None:
    """While display names are not unique."""
    chosen, shown = fresh("trips"), fresh("shown")
    wanted = v1.Endpoint(display_name=shown)
    name = done(vertex.endpoints.create_endpoint(parent=PARENT, endpoint=wanted, endpoint_id=chosen)).name
    assert name == f"{PARENT}/endpoints/{chosen}"
    refused(
        EXISTS,
        name,
        lambda: vertex.endpoints.create_endpoint(parent=PARENT, endpoint=wanted, endpoint_id=chosen),
    )
    other = endpoint(vertex, display_name=shown)
    request = v1.ListEndpointsRequest(parent=PARENT, filter=f'display_name="{shown}"')
    assert {found.name for found in vertex.endpoints.list_endpoints(request)} == {name, other}


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"display_name": ""}, INVALID, "endpoint.display_name"),
        ({"traffic_split": {"1": 100}}, UNIMPLEMENTED, "endpoint.traffic_split"),
        ({"network": "projects/1/global/networks/n"}, UNIMPLEMENTED, "endpoint.network"),
        ({"predict_request_response_logging_config": {"enabled": True}}, INVALID, "sampling_rate must be in (0, 1]"),
    ],
)
def test_a_wrong_endpoint_is_refused(vertex: Vertex, fields: dict[str, object], status: str, text: str) -> None:
    """With the field that is wrong, or that the emulator does not have."""
    refused(status, text, lambda: endpoint(vertex, **fields))
