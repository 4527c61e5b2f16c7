"""The list of permissions against the calls that the code makes."""

import ast
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
from google.cloud import aiplatform_v1, bigquery_storage_v1, iam_credentials_v1
from google.cloud.artifactregistry_v1 import ArtifactRegistryClient
from google.cloud.cloudquotas_v1 import CloudQuotasClient
from google.cloud.devtools.cloudbuild_v1 import CloudBuildClient
from google.cloud.resourcemanager_v3 import ProjectsClient
from google.cloud.service_usage_v1 import ServiceUsageClient

from plumbline.calls import DONE_BY_GOOGLE, RUN, On
from plumbline.permissions import NEEDS, Need, Who, needs, permissions, roles, table
from plumbline.runs import OBSERVING, STEPS

ROOT = Path(__file__).parents[3]
CODE = sorted(path for folder in ("plumbline/adapters", "pipelines") for path in (ROOT / folder).glob("*.py"))
COMMANDS = {
    *("submit", "images", "doctor", "plan", "cancel", "clean-cloud", "schedule", "janitor", "publish"),
    *("evaluate", "retrain", "monitor", "rollback"),
}

CLIENTS: tuple[type, ...] = (
    aiplatform_v1.DatasetServiceClient,
    aiplatform_v1.EndpointServiceClient,
    aiplatform_v1.JobServiceClient,
    aiplatform_v1.ModelServiceClient,
    aiplatform_v1.PipelineServiceClient,
    aiplatform_v1.PredictionServiceClient,
    aiplatform_v1.ScheduleServiceClient,
    bigquery_storage_v1.BigQueryReadClient,
    iam_credentials_v1.IAMCredentialsClient,
    ArtifactRegistryClient,
    CloudBuildClient,
    CloudQuotasClient,
    ProjectsClient,
    ServiceUsageClient,
)
NOT_OF_ONE_SERVICE = {"test_iam_permissions", "get_iam_policy", "set_iam_policy", "get_operation", "cancel_operation"}
"""Methods that many clients have. Asking for permissions needs none, and an operation needs what started it."""
REST: Mapping[str, str] = {
    "get_table": "tables.get",
    "list_tables": "tables.list",
    "get_dataset": "datasets.get",
    "query": "jobs.insert",
    "get_bucket": "buckets.get",
    "list_blobs": "objects.list",
    "download_to_filename": "objects.get",
    "download_as_bytes": "objects.get",
    "delete": "objects.delete",
    "upload_from_filename": "objects.insert",
    "upload_from_string": "objects.insert",
    "upload_from_file": "objects.insert",
    "upload_pipeline": "RegistryClient.upload_pipeline",
    "iam": "IAM.GetServiceAccount",
}
"""Methods of the clients that are written by hand, and what they call."""
BY_THE_OWNER = {"create_bucket", "create_dataset", "create_table", "delete_table", "load_table_from_file", "exists"}
"""What `run-local`, `sample-data` and `load` call: who owns the data does that, not who submits runs."""


def calls_of_services() -> Mapping[str, str]:
    """The calls of Google's generated clients by the name of the method in Python."""
    found = {}
    for client in CLIENTS:
        service = client.__name__.removesuffix("Client")
        for name, _ in inspect.getmembers(client, inspect.isfunction):
            if re.fullmatch(r"[a-z]+(_[a-z]+)+|predict", name) and not name.startswith(("parse_", "common_")):
                found[name] = f"{service}.{''.join(part.capitalize() for part in name.split('_'))}"
    return found


def called() -> set[str]:
    """The names of the methods that are called in the code."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in CODE]
    return {
        node.func.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_every_call_is_listed() -> None:
    """Each call of a Google client in the code has the permission that it needs in the list."""
    known = {**calls_of_services(), **REST}
    made = {known[name] for name in called() & set(known) - NOT_OF_ONE_SERVICE - BY_THE_OWNER}
    assert made - {need.call for need in NEEDS} == set()


def test_every_listed_call_is_made() -> None:
    """No permission is asked for in vain: each one's call is in the code, or is one that Google makes for us."""
    known = {**calls_of_services(), **REST}
    made = {known[name] for name in called() & set(known)}
    assert {need.call for need in NEEDS} - made == set(DONE_BY_GOOGLE)


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: f"{need.who}-{need.step}-{need.permission}")
def test_a_need_is_of_a_step_and_names_a_permission(need: Need) -> None:
    """The pipeline's needs are those of steps, the submitter's those of commands; a permission has its three parts."""
    assert need.step in ({*STEPS, *OBSERVING, RUN} if need.who == "pipeline" else COMMANDS)
    assert re.fullmatch(r"[a-z]+\.[a-z][A-Za-z]+\.[a-z][A-Za-z]+", need.permission)


def test_nothing_is_listed_twice() -> None:
    """A line of the list is there once."""
    assert len(set(NEEDS)) == len(NEEDS)


def test_a_permission_is_where_it_can_be_tested() -> None:
    """What belongs to a bucket, a table or an account is never asked of the whole project."""
    starts = {"storage": {"bucket"}, "artifactregistry": {"repository"}, "iam": {"service_account"}}
    for need in NEEDS:
        start = need.permission.partition(".")[0]
        tables = need.permission.startswith(("bigquery.tables", "bigquery.datasets", "bigquery.models"))
        assert need.on in ({"dataset", "table"} if tables else starts.get(start, {"project"})), need


def test_needs_are_those_of_one_account_in_one_place() -> None:
    """Asking for each account and place gives each need once."""
    found = [need for who in get_args(Who) for on in get_args(On) for need in needs(who, on)]
    assert sorted(found, key=str) == sorted(NEEDS, key=str)
    assert {need.call for need in needs("pipeline", "service_account")} == {
        "JobService.CreateCustomJob",
        "JobService.CreateHyperparameterTuningJob",
        "PipelineService.CreatePipelineJob",
    }


def test_permissions_are_unique_and_sorted() -> None:
    """A permission that several calls need is there once."""
    get, create = "aiplatform.endpoints.get", "aiplatform.endpoints.create"
    found = [Need("pipeline", "project", name, "deploy", "x") for name in (get, create, get)]
    assert permissions(found) == (create, get)


def test_a_role_holds_what_its_account_needs_in_its_place() -> None:
    """A table's permissions go with the dataset, the two repositories are apart, and no role holds more."""
    found = roles()
    assert found["pipeline_images"] == ("artifactregistry.repositories.downloadArtifacts",)
    assert found["pipeline_dataset"] == (
        "bigquery.models.create",
        "bigquery.models.getData",
        "bigquery.models.updateData",
        "bigquery.models.updateMetadata",
        "bigquery.tables.create",
        "bigquery.tables.delete",
        "bigquery.tables.get",
        "bigquery.tables.getData",
        "bigquery.tables.update",
        "bigquery.tables.updateData",
    )
    assert "pipeline_pipelines" not in found
    for who in get_args(Who):
        granted = {permission for name, held in found.items() if name.startswith(who) for permission in held}
        assert granted == {need.permission for need in NEEDS if need.who == who}


def test_no_account_can_change_who_may_do_what() -> None:
    """No account gets a permission to change accounts, policies or keys."""
    assert not re.search(r"setIamPolicy|signBlob|Keys|\.admin", json.dumps(roles()))


def test_the_page_prints_the_list() -> None:
    """docs/infrastructure.md holds the table of the list, as `make generate` writes it."""
    page = (ROOT / "docs/infrastructure.md").read_text(encoding="utf-8")
    assert f"<!-- permissions -->\n\n{table()}\n<!-- /permissions -->" in page


def test_the_table_has_a_line_for_each_permission_in_a_place() -> None:
    """Two calls that need the same stand in one line."""
    (line,) = [line for line in table().splitlines() if "| pipeline | project | `aiplatform.endpoints.update`" in line]
    assert line.endswith("| deploy: EndpointService.MutateDeployedModel; deploy: EndpointService.UpdateEndpoint |")
