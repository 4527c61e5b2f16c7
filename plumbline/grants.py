"""The one command that gives an account a permission.

It grants a predefined role, which also works where the custom roles of `terraform/` were never made; a role holds more
than the one permission. Source: Google's "IAM roles and permissions index" and each role's page.
"""

from collections.abc import Mapping

from plumbline.calls import On

ROLES: Mapping[str, str] = {
    "aiplatform": "aiplatform.user",
    "artifactregistry.repositories.downloadArtifacts": "artifactregistry.reader",
    "artifactregistry.repositories.uploadArtifacts": "artifactregistry.writer",
    "artifactregistry.tags.create": "artifactregistry.writer",
    "artifactregistry.tags.get": "artifactregistry.reader",
    "artifactregistry.tags.update": "artifactregistry.writer",
    "bigquery.datasets.get": "bigquery.dataViewer",
    "bigquery.jobs.create": "bigquery.jobUser",
    "bigquery.models": "bigquery.dataEditor",
    "bigquery.readsessions": "bigquery.readSessionUser",
    "bigquery.tables": "bigquery.dataEditor",
    "bigquery.tables.get": "bigquery.dataViewer",
    "bigquery.tables.getData": "bigquery.dataViewer",
    "bigquery.tables.list": "bigquery.dataViewer",
    "cloudbuild.builds": "cloudbuild.builds.editor",
    "cloudquotas.quotas.get": "cloudquotas.viewer",
    "iam.serviceAccounts": "iam.serviceAccountUser",
    "iam.serviceAccounts.getAccessToken": "iam.serviceAccountTokenCreator",
    "logging.logEntries.create": "logging.logWriter",
    "resourcemanager.projects.get": "browser",
    "serviceusage.services": "serviceusage.serviceUsageConsumer",
    "storage.buckets.get": "storage.legacyBucketReader",
    "storage.objects": "storage.objectUser",
}
"""The predefined role that holds a permission, without `roles/`: by the permission or by the start of its name."""


def role(permission: str) -> str:
    """The predefined role that holds a permission.

    Raises:
        KeyError: None is known here.
    """
    start = permission
    while start not in ROLES and "." in start:
        start = start.rpartition(".")[0]
    return f"roles/{ROLES[start]}"


def grant(permission: str, member: str, *, on: On, resource: str, project: str) -> str:
    """The command that gives a member the role with this permission on a resource.

    Args:
        permission: Such as aiplatform.models.upload.
        member: Such as serviceAccount:EMAIL.
        on: The kind of the resource.
        resource: As in `plumbline.project.Question`.
        project: Where BigQuery's statement runs, and where the service account lies.
    """
    who = f'--member="{member}" --role={role(permission)}'
    match on:
        case "project":
            return f"gcloud projects add-iam-policy-binding {resource} {who} --condition=None"
        case "bucket":
            return f"gcloud storage buckets add-iam-policy-binding gs://{resource} {who}"
        case "service_account":
            return f"gcloud iam service-accounts add-iam-policy-binding {resource} {who} --project={project}"
        case "repository":
            _, owner, _, location, _, name = resource.split("/")
            return (
                f"gcloud artifacts repositories add-iam-policy-binding {name} {who} "
                f"--location={location} --project={owner}"
            )
        case "dataset" | "table":
            # gcloud cannot bind a role to a dataset, from which tables inherit it. The member may hold a command, which
            # double quotes let through.
            owner, dataset = resource.split(".")[:2]
            statement = rf"GRANT \`{role(permission)}\` ON SCHEMA \`{owner}\`.{dataset} TO '{member}'"
            return f'bq query --project_id={project} --use_legacy_sql=false "{statement}"'
