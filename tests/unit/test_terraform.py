"""`terraform/`, as far as that can be checked where neither terraform nor a provider is: text, references, names."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import hcl2
import pytest
import yaml

from plumbline.config import load_environment
from plumbline.permissions import roles
from tests.unit.hcl_format import misformatted

ROOT = Path(__file__).parents[2]
TERRAFORM = ROOT / "terraform"
FILES = sorted(TERRAFORM.glob("*.tf"))
VARIABLES = sorted((TERRAFORM / "environments").glob("*.tfvars"))
Blocks = Mapping[tuple[str, str], Mapping[str, object]]

PREDEFINED = {
    "roles/artifactregistry.reader": "Vertex AI's agent, on the repository of the images",
    "roles/cloudbuild.builds.approver": "people who approve a tag",
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": "the agents of Google's services, on our own key",
    "roles/iam.serviceAccountUser": "people who submit, on the account of the build",
    "roles/logging.logWriter": "the account that checks pull requests",
    "roles/pubsub.publisher": "Cloud Monitoring's agent, on our own topic",
}
"""Google's roles that are granted, and to whom; every other role is made of permissions that are traced to a call."""
LABELLED = {
    "google_artifact_registry_repository": "labels",
    "google_bigquery_dataset": "labels",
    "google_kms_crypto_key": "labels",
    "google_monitoring_alert_policy": "user_labels",
    "google_monitoring_notification_channel": "user_labels",
    "google_pubsub_subscription": "labels",
    "google_pubsub_topic": "labels",
    "google_storage_bucket": "labels",
}
"""Where labels go. Source: the provider's documentation of each resource."""
UNLABELLED = {
    "google_artifact_registry_repository_iam_member",
    "google_bigquery_dataset_iam_member",
    "google_billing_budget",
    "google_cloudbuild_trigger",  # has tags
    "google_kms_crypto_key_iam_member",
    "google_kms_key_ring",
    "google_project_iam_custom_role",
    "google_project_iam_member",
    "google_project_service",
    "google_project_service_identity",
    "google_pubsub_topic_iam_member",
    "google_service_account",
    "google_service_account_iam_member",
    "google_storage_bucket_iam_member",
}
SERVICES = {
    "aiplatform": {"aiplatform"},
    "artifactregistry": {"artifactregistry"},
    "bigquery": {"bigquery", "bigquerystorage"},
    "cloudbuild": {"cloudbuild"},
    "cloudquotas": {"cloudquotas"},
    "iam": {"iam", "iamcredentials"},
    "logging": {"logging"},
    "resourcemanager": {"cloudresourcemanager"},
    "serviceusage": {"serviceusage"},
    "storage": {"storage"},
}
"""The services that ask for permissions of this name, without .googleapis.com."""


def text() -> str:
    """All .tf files."""
    return "\n".join(path.read_text(encoding="utf-8") for path in FILES)


def code() -> str:
    """The text without comments."""
    return re.sub(r"^\s*#.*$", "", text(), flags=re.MULTILINE)


def assigned(path: Path) -> Mapping[str, object]:
    """The values of a .tfvars file."""
    return parsed(path)


def parsed(path: Path) -> Mapping[str, list[dict[str, object]]]:
    """The file, quotes taken off."""
    return hcl2.loads(
        path.read_text(encoding="utf-8"),
        serialization_options=hcl2.SerializationOptions(
            strip_string_quotes=True, explicit_blocks=False, with_comments=False
        ),
    )


def declared(kind: str) -> Blocks:
    """The `resource` or `data` blocks by type and name."""
    return {
        (type_, name): body
        for path in FILES
        for block in parsed(path).get(kind, [])
        for type_, named in block.items()
        if isinstance(named, dict)
        for name, body in named.items()
    }


def named(kind: str) -> Mapping[str, Mapping[str, object]]:
    """The `variable` or `output` blocks by name."""
    found = [block for path in FILES for block in parsed(path).get(kind, [])]
    return {name: body for block in found for name, body in block.items() if isinstance(body, dict)}


def locals_() -> Mapping[str, object]:
    """The locals by name."""
    return {name: value for path in FILES for block in parsed(path).get("locals", []) for name, value in block.items()}


@pytest.mark.parametrize("path", [*FILES, *VARIABLES], ids=lambda path: path.name)
def test_a_file_is_formatted(path: Path) -> None:
    """Each file is as `terraform fmt` would write it, and ends in one line feed."""
    source = path.read_text(encoding="utf-8")
    assert list(misformatted(source)) == []
    assert source.endswith("\n")
    assert not source.endswith("\n\n")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a = 1\nlonger = 2", "a = 1"),
        ("a   = 1\nbb  = 2", "a   = 1"),
        ("block {\n   a = 1\n}", "   a = 1"),
        ("block {\n  a = [\n  1,\n  ]\n}", "  1,"),
        ("a = 1 ", "a = 1 "),
        ("block {\n\ta = 1\n}", "\ta = 1"),
        ("a  = {\n  b = 1\n}", "a  = {"),
    ],
)
def test_the_check_of_the_format_finds(source: str, line: str) -> None:
    """The check of the format finds what it is there for."""
    assert line in list(misformatted(source))


def test_the_check_of_the_format_knows_brackets_and_heredocs() -> None:
    """A line that opens a bracket is not aligned with its neighbours, and what is in a heredoc is text."""
    source = (
        'a = "{"\nlonger = {\n  b = 1\n}\nc = <<-EOT\n x  =  1\n   EOT\n\ndd  = 1\neee = 2\nf = g([{\n  h = 1\n}])\n'
    )
    assert list(misformatted(source)) == []


def test_every_variable_is_used_and_every_used_one_declared() -> None:
    """No variable is declared in vain, none is used without being declared, and each says what it is for."""
    assert set(re.findall(r"\bvar\.(\w+)", code())) == set(named("variable"))
    assert all(body.get("description") and body.get("type") for body in named("variable").values())


def test_every_local_is_used_and_every_used_one_declared() -> None:
    """The same holds for locals."""
    assert set(re.findall(r"\blocal\.(\w+)", code())) == set(locals_())


@pytest.mark.parametrize(("kind", "pattern"), [("resource", r"(?<!data\.)"), ("data", r"\bdata\.")])
def test_every_reference_resolves(kind: str, pattern: str) -> None:
    """What a file refers to is declared in one of them, and each data source is used."""
    used = set(re.findall(rf"{pattern}\b(google_\w+)\.(\w+)", code()))
    assert used <= set(declared(kind))
    assert kind == "resource" or used == set(declared(kind))


def test_the_custom_roles_are_what_the_steps_need() -> None:
    """permissions.json is what plumbline/permissions.py says, to the letter: `make generate` writes it."""
    assert json.loads((TERRAFORM / "permissions.json").read_text(encoding="utf-8")) == {
        name: list(found) for name, found in roles().items()
    }


def test_permissions_stand_in_no_other_place() -> None:
    """A custom role takes its permissions from the file, and nothing else names a permission."""
    (role,) = [body for (type_, _), body in declared("resource").items() if type_ == "google_project_iam_custom_role"]
    assert role["for_each"] == "${local.permissions}"
    assert role["permissions"] == "${each.value}"
    assert re.findall(r'"(?!\w+\.googleapis\.com)[a-z]+\.[a-zA-Z]+\.[a-zA-Z]+"', code()) == []


def test_every_custom_role_is_granted_to_its_duty_in_its_place() -> None:
    """Each role of the file is granted, to the account of its duty, on what it is named after."""
    granted = dict.fromkeys(re.findall(r'needed\["\$\{each\.value\.duty\}_(\w+)"\]', code()))
    places = {name.partition("_")[2]: name.partition("_")[0] for name in sorted(roles())}
    assert set(granted) == set(places)
    assert set(re.findall(r'duty = "(\w+)"', code())) == {name.partition("_")[0] for name in roles()}


def test_a_grant_lies_in_the_narrowest_place() -> None:
    """Only permissions that nothing smaller can hold are granted on the project."""
    kinds = {"bucket": "google_storage_bucket", "dataset": "google_bigquery_dataset"}
    kinds |= {"service_account": "google_service_account", "project": "google_project"}
    kinds |= dict.fromkeys(("images", "pipelines"), "google_artifact_registry_repository")
    for (type_, _), body in declared("resource").items():
        if found := re.search(r"duty\}_(\w+)\"", str(body.get("role", ""))):
            assert type_ == f"{kinds[found[1]]}_iam_member"
    narrower = re.compile(r"storage\.|bigquery\.(tables|datasets)|artifactregistry\.|iam\.")
    assert not [p for name, found in roles().items() if name.endswith("project") for p in found if narrower.match(p)]


def test_no_role_is_granted_that_nobody_has_thought_about() -> None:
    """Google's roles are the listed ones, and no grant replaces those of others."""
    assert set(re.findall(r"roles/[\w.]+", code())) == set(PREDEFINED)
    assert not [type_ for type_, _ in declared("resource") if type_.endswith(("_iam_binding", "_iam_policy"))]


def test_what_can_carry_labels_carries_them() -> None:
    """Every resource has the environment's labels, but for the kinds that have no place for them."""
    for (type_, name), body in declared("resource").items():
        assert type_ in LABELLED or type_ in UNLABELLED, type_
        if type_ in LABELLED:
            assert body.get(LABELLED[type_]) == "${local.labels}", f"{type_}.{name}"


def test_every_service_that_is_called_is_switched_on() -> None:
    """The services behind the permissions, and those of the resources made here, are enabled first."""
    enabled = set(re.findall(r'"(\w+)\.googleapis\.com"', (TERRAFORM / "services.tf").read_text(encoding="utf-8")))
    called = {permission.partition(".")[0] for found in roles().values() for permission in found}
    assert {name for start in called for name in SERVICES[start]} <= enabled
    assert {"billingbudgets", "cloudkms", "compute", "monitoring", "pubsub"} <= enabled


def test_nothing_is_open_or_lost_by_accident() -> None:
    """The bucket is private and keeps what is replaced, the key cannot be destroyed, and no account has a key file."""
    bucket = declared("resource")["google_storage_bucket", "main"]
    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == "enforced"
    assert bucket["versioning"] == [{"enabled": True}]
    assert declared("resource")["google_kms_crypto_key", "main"]["lifecycle"] == [{"prevent_destroy": True}]
    assert not re.search(r"allUsers|allAuthenticatedUsers|google_service_account_key|force_destroy", code())


def test_providers_are_pinned() -> None:
    """Terraform and each provider are held to one major version."""
    wanted = dict(re.findall(r'(\S+) = \{\s+source  = "hashicorp/(?:\S+)"\s+version = "(\S+ \S+)"', code()))
    assert wanted == {"google": "~> 7.0", "google-beta": "~> 7.0"}
    assert 'required_version = "~> 1.9"' in code()


def test_environments_differ_only_in_the_values_of_variables() -> None:
    """The files of dev and prod set the same variables, among them each one without a default but the project."""
    values = {path.stem: assigned(path) for path in VARIABLES}
    required = {name for name, body in named("variable").items() if "default" not in body}
    assert set(values) == {"dev", "prod"}
    assert [set(found) for found in values.values()] == [required - {"project"}] * 2
    assert {name: found["environment"] for name, found in values.items()} == {"dev": "dev", "prod": "prod"}


@pytest.mark.parametrize(
    ("trigger", "account", "environment"),
    [("pull_request", "check", "dev"), ("main", "build", "dev"), ("tag", "build", "prod")],
)
def test_a_trigger_fits_its_build(trigger: str, account: str, environment: str) -> None:
    """A trigger names a file that is there, gives it no substitution that it does not know, and runs as its account."""
    body = declared("resource")["google_cloudbuild_trigger", trigger]
    build = yaml.safe_load((ROOT / str(body["filename"])).read_text(encoding="utf-8"))
    given = locals_()["substitutions"] if "substitutions" in body else {}
    assert isinstance(given, dict)
    assert set(given) <= set(build["substitutions"])
    assert body["service_account"] == f"${{google_service_account.{account}.id}}"
    made = str(declared("resource")["google_service_account", account]["account_id"])
    assert build["substitutions"]["_SERVICE_ACCOUNT"].partition("@")[0] == made.replace(
        "${var.environment}", environment
    )
    assert ("approval_config" in body) == (trigger == "tag")


def test_folders_of_the_bucket_are_those_that_are_written_to() -> None:
    """The bucket's rules by folder name folders that the code writes."""
    folders = re.findall(r'matches_prefix = \["(\w+/)"\]', code())
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plumbline/adapters").glob("*.py"))
    assert sorted(folders) == ["runs/", "source/"]
    assert all(f'"{folder}' in written for folder in folders)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_names_are_those_of_the_config(environment: str) -> None:
    """What Terraform makes, and what it prints for the config, is what configs/env/<environment>.yaml names."""
    given = {"var.project": "a-project", "var.location": "europe-west4", "var.environment": environment}
    printed = yaml.safe_load(rendered(named("output")["config"]["value"], given))
    config = load_environment(ROOT / f"configs/env/{environment}.yaml", project="a-project", location="europe-west4")
    images = config.images
    assert printed == {
        "project": "a-project",
        "location": "europe-west4",
        "bucket": config.bucket,
        "dataset": config.dataset,
        "bigquery_location": config.bigquery_location,
        "images": {"components": images.components, "trainer": images.trainer, "serving": images.serving},
        "pipelines": config.pipelines,
        "service_account": config.service_account,
        "encryption_key": config.encryption_key,
        "labels": dict(config.labels),
    }


def rendered(template: object, given: Mapping[str, str]) -> str:
    """A heredoc with variables, locals made of them, and without a key of our own."""
    known = dict(given)
    for name, value in locals_().items():
        found = value if isinstance(value, dict) else {"": value}
        known |= {f"local.{name}.{key}".rstrip("."): str(inner) for key, inner in found.items()}
    body = "\n".join(str(template).splitlines()[1:-1]).replace('${local.key == null ? "" : local.key}', "")
    for _ in range(3):
        body = re.sub(r"\$\{([\w.]+)\}", lambda match: known.get(match[1], match[0]), body)
    assert "${" not in body
    return body


@pytest.mark.parametrize("name", ["bucket", "dataset", "images", "pipelines", "pipeline_account"])
def test_a_name_is_that_of_what_is_made(name: str) -> None:
    """The locals that are printed are the names that the resources get."""
    made = {
        "bucket": ("google_storage_bucket", "main", "name"),
        "dataset": ("google_bigquery_dataset", "main", "dataset_id"),
        "images": ("google_artifact_registry_repository", "images", "repository_id"),
        "pipelines": ("google_artifact_registry_repository", "pipelines", "repository_id"),
        "pipeline_account": ("google_service_account", "pipeline", "account_id"),
    }
    type_, called, attribute = made[name]
    assert declared("resource")[type_, called][attribute] == f"${{local.{name}}}"
