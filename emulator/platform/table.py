"""Writes the table of these APIs' methods: `python -m emulator.platform.table emulator/platform/methods.json`."""

import sys
from collections.abc import Iterator, Mapping

from emulator.aiplatform import table

SERVICES = (
    "google.cloud.resourcemanager_v3.services.projects",
    "google.cloud.service_usage_v1.services.service_usage",
    "google.cloud.iam_credentials_v1.services.iam_credentials",
    "google.cloud.artifactregistry_v1.services.artifact_registry",
    "google.cloud.cloudquotas_v1.services.cloud_quotas",
    "google.cloud.devtools.cloudbuild_v1.services.cloud_build",
)
_IAM = (
    {
        "service": "iam",
        "name": "GetServiceAccount",
        "verb": "GET",
        "uri": "/v1/{name=projects/*/serviceAccounts/*}",
        "body": "",
        "request": "google.cloud.iam_admin_v1.types.iam:GetServiceAccountRequest",
        "response": "google.cloud.iam_admin_v1.types.iam:ServiceAccount",
        "metadata": "",
    },
    {
        "service": "iam",
        "name": "TestIamPermissions",
        "verb": "POST",
        "uri": "/v1/{resource=projects/*/serviceAccounts/*}:testIamPermissions",
        "body": "*",
        "request": "google.iam.v1.iam_policy_pb2:TestIamPermissionsRequest",
        "response": "google.iam.v1.iam_policy_pb2:TestIamPermissionsResponse",
        "metadata": "",
    },
)
"""IAM's client speaks gRPC only, so it knows no routes. Source: google/iam/admin/v1/iam.proto."""


def read() -> Iterator[Mapping[str, str]]:
    """One entry for each method and route."""
    yield from table.read(SERVICES, shared=("google.iam.v1",))
    yield from _IAM


if __name__ == "__main__":
    table.write(read(), sys.argv[1])
