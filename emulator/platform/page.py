"""What the emulator's page says of these APIs."""

from collections.abc import Iterator, Mapping

from emulator.platform.quotas import USUAL_LIMIT
from emulator.platform.rpc import APIS, Rpc

_HEAD = """## The APIs around it, on the same port

What the caller needs is checked here, and nowhere else but in BigQuery; a method of these services that is not listed
answers 501. IAM's client speaks gRPC only: its two methods are plain REST.

| method | service | the caller needs | what comes of it |
|---|---|---|---|"""

_TAIL = f"""
- Who calls: a request without credentials is `user:you@example.com`; the token that `GenerateAccessToken` gives makes
  it the service account's, and does not expire. Any other token is refused (401).
- `DIR/access.json`, read anew with each request, takes away from a project in which everything is allowed:

      {{"denied": [{{"member": "serviceAccount:x@y", "permission": "artifactregistry.tags.get"}}],
       "disabled_services": ["aiplatform.googleapis.com"], "missing_service_accounts": ["x@y"],
       "missing_repositories": ["projects/p/locations/l/repositories/r"],
       "quotas": {{"custom_model_training_nvidia_t4_gpus": {{"us-central1": 0}}}}}}

  A permission is denied on every resource. An API that is off refuses every call, Vertex AI's too (403,
  `SERVICE_DISABLED`). Every other account and repository is there, and every quota of custom models is {USUAL_LIMIT}.
- `testIamPermissions` of projects, service accounts, repositories and buckets tells what is denied; Vertex AI's own
  methods and Cloud Storage's do not look at it.
- A build's steps do not run. It succeeds after 0.2 s unless a step's image has `fail` in its name, its source is not in
  the bucket, or its account may not push; an image's digest is the SHA-256 of its name. Artifact Registry then has what
  the build's `images`, a `docker push`, a `docker build --push` or kaniko's `--destination` names.
- Pipeline templates: `kfp.registry.RegistryClient(host="http://127.0.0.1:PORT/kfp/PROJECT/REPOSITORY")`. Packages and
  versions cannot be deleted. For faults, uploads and downloads are called `UploadPipeline` and `DownloadPipeline`.
"""


def section(services: Mapping[str, Mapping[str, Rpc]]) -> Iterator[str]:
    """The section's lines.

    Args:
        services: What there is, by the service's and the method's name.
    """
    yield _HEAD
    for service, rpcs in services.items():
        for name, rpc in sorted(rpcs.items()):
            permission = f"`{rpc.permission}`" if rpc.permission else ""
            summary = (rpc.handler.__doc__ or "The resource of a name.").splitlines()[0]
            yield f"| `{name}` | {APIS[service].title} | {permission} | {summary} |"
    yield _TAIL
