"""Which application default credentials there are, told from files and variables alone."""

import json
from pathlib import Path

import pytest

from plumbline.adapters.identity import identity
from plumbline.project import Identity

NOWHERE = Path("/nowhere")
IMPERSONATION = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam:generateAccessToken"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "authorized_user", "quota_project_id": "p"}, Identity("user", "", "p")),
        ({"type": "authorized_user"}, Identity("user")),
        ({"type": "service_account", "client_email": "a@p.iam"}, Identity("key file", "a@p.iam")),
        (
            {"type": "impersonated_service_account", "service_account_impersonation_url": IMPERSONATION},
            Identity("impersonation", "a@p.iam"),
        ),
        (
            {"type": "external_account", "service_account_impersonation_url": IMPERSONATION},
            Identity("federation", "a@p.iam"),
        ),
        ({"type": "of the future"}, Identity("unknown")),
        ({}, Identity("unknown")),
        ([], Identity("unknown")),
    ],
)
def test_the_file_says_the_kind(tmp_path: Path, content: object, expected: Identity) -> None:
    """Google's clients tell them by the same field."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    assert identity({"GOOGLE_APPLICATION_CREDENTIALS": str(file)}, hardware=NOWHERE) == expected


@pytest.mark.parametrize(
    ("variable", "folder"), [("HOME", ".config/gcloud"), ("CLOUDSDK_CONFIG", "."), ("APPDATA", "gcloud")]
)
def test_the_file_of_gcloud_is_found(tmp_path: Path, variable: str, folder: str) -> None:
    """Where `gcloud auth application-default login` writes it, on each system."""
    file = tmp_path / folder / "application_default_credentials.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"type": "authorized_user"}', encoding="utf-8")
    assert identity({variable: str(tmp_path)}, hardware=NOWHERE) == Identity("user")


def test_a_named_file_that_is_not_there_is_no_credentials(tmp_path: Path) -> None:
    """Google's clients look nowhere else then."""
    assert identity({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "gone")}, hardware=NOWHERE) == Identity("unknown")


def test_a_machine_of_googles_has_a_metadata_server(tmp_path: Path) -> None:
    """Told by its firmware, as Google's own client does, or by the variables of Cloud Run and Cloud Build."""
    product = tmp_path / "product_name"
    product.write_text("Google Compute Engine\n", encoding="utf-8")
    assert identity({"HOME": str(tmp_path)}, hardware=product) == Identity("metadata server")
    product.write_text("Laptop\n", encoding="utf-8")
    assert identity({"HOME": str(tmp_path)}, hardware=product) == Identity("none")
    assert identity({"HOME": str(tmp_path), "K_SERVICE": "s"}, hardware=product) == Identity("metadata server")


def test_an_emulator_needs_no_credentials() -> None:
    """Nor may it be sent any."""
    assert identity({"AIPLATFORM_EMULATOR_HOST": "http://127.0.0.1:1"}, hardware=NOWHERE) == Identity("emulator")


def test_an_identity_is_a_member_for_gcloud() -> None:
    """A user's credentials do not say the address, which gcloud knows."""
    assert Identity("impersonation", "a@p.iam").member == "serviceAccount:a@p.iam"
    assert Identity("user").member == "user:$(gcloud config get account)"
