"""The command that grants a permission: one for each, that a shell takes."""

import subprocess

import pytest

from plumbline.grants import grant, role
from plumbline.permissions import NEEDS

MEMBER = "serviceAccount:a@p.iam.gserviceaccount.com"


@pytest.mark.parametrize("permission", sorted({need.permission for need in NEEDS}))
def test_every_permission_that_is_needed_has_a_predefined_role(permission: str) -> None:
    """A new need without a role would leave doctor without a command."""
    assert role(permission).startswith("roles/")


@pytest.mark.parametrize(
    ("permission", "on", "resource", "command"),
    [
        (
            "aiplatform.models.upload",
            "project",
            "p",
            f'gcloud projects add-iam-policy-binding p --member="{MEMBER}" '
            "--role=roles/aiplatform.user --condition=None",
        ),
        (
            "storage.objects.get",
            "bucket",
            "b",
            f'gcloud storage buckets add-iam-policy-binding gs://b --member="{MEMBER}" --role=roles/storage.objectUser',
        ),
        (
            "iam.serviceAccounts.getAccessToken",
            "service_account",
            "a@p.iam.gserviceaccount.com",
            "gcloud iam service-accounts add-iam-policy-binding a@p.iam.gserviceaccount.com "
            f'--member="{MEMBER}" --role=roles/iam.serviceAccountTokenCreator --project=p',
        ),
        (
            "artifactregistry.tags.get",
            "repository",
            "projects/q/locations/us-central1/repositories/r",
            f'gcloud artifacts repositories add-iam-policy-binding r --member="{MEMBER}" '
            "--role=roles/artifactregistry.reader --location=us-central1 --project=q",
        ),
        (
            "bigquery.tables.getData",
            "table",
            "p.d.t",
            r'bq query --project_id=p --use_legacy_sql=false "GRANT \`roles/bigquery.dataViewer\` ON SCHEMA \`p\`.d '
            f"TO '{MEMBER}'\"",
        ),
    ],
)
def test_each_kind_of_place_has_its_command(permission: str, on: str, resource: str, command: str) -> None:
    """As Google's command line takes it; what a table has comes from its dataset."""
    assert grant(permission, MEMBER, on=on, resource=resource, project="p") == command  # type: ignore[arg-type] # the parameters are texts


def test_the_sql_of_a_grant_reaches_bq_as_one_argument() -> None:
    """Within double quotes, whose backticks a shell would otherwise run."""
    command = grant("bigquery.tables.create", MEMBER, on="dataset", resource="p.d", project="p")
    script = f'bq() {{ printf %s "${{@: -1}}"; }}; {command}'
    said = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == f"GRANT `roles/bigquery.dataEditor` ON SCHEMA `p`.d TO '{MEMBER}'"


def test_a_permission_without_a_role_is_refused() -> None:
    """Rather than granted by a guess."""
    with pytest.raises(KeyError):
        role("compute.instances.create")
