"""Service accounts: IAM's own methods on them, and the tokens that IAM Credentials gives in their name.

Every e-mail address has an account, but for those that `access.json` takes away.
Source: google/iam/admin/v1/iam.proto, google/iam/credentials/v1/iamcredentials.proto and common.proto.
"""

import datetime as dt
from collections.abc import Mapping

from emulator.aiplatform import wire
from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import ApiError, invalid
from emulator.aiplatform.methods import Message, message_class
from emulator.platform.access import TOKEN
from emulator.platform.rpc import Caller, Rpc, tested
from emulator.project import project_number

_LONGEST = dt.timedelta(hours=1)
_ANY = "projects/-/serviceAccounts/"


class ServiceAccountRoutes:
    """The methods that the emulator has."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def iam(self) -> Mapping[str, Rpc]:
        """Those of IAM, by name."""
        return {"GetServiceAccount": Rpc(self.get, "iam.serviceAccounts.get"), "TestIamPermissions": Rpc(self.test)}

    def credentials(self) -> Mapping[str, Rpc]:
        """Those of IAM Credentials, by name."""
        return {"GenerateAccessToken": Rpc(self.generate, "iam.serviceAccounts.getAccessToken")}

    def get(self, request: Message, caller: Caller) -> Message:
        """The account of an e-mail address."""
        email = _email(request.name, caller)
        account = message_class("google.cloud.iam_admin_v1.types.iam:ServiceAccount")()
        account.project_id = self._context.project
        account.name = f"projects/{self._context.project}/serviceAccounts/{email}"
        account.email = email
        account.unique_id = project_number(email)
        return account

    def test(self, request: Message, caller: Caller) -> Message:
        """What the caller may do with the account, actAs for one."""
        _email(request.resource, caller)
        return tested(request, caller)

    def generate(self, request: Message, caller: Caller) -> Message:
        """A token with which requests are the account's; it does not expire here."""
        wire.only(request, ("name", "scope", "lifetime"), "GenerateAccessTokenRequest")
        if not request.name.startswith(_ANY):
            raise invalid(f"name must be {_ANY}EMAIL, got {request.name}")
        if not request.scope:
            raise invalid("scope must name at least one OAuth scope")
        lifetime = request.lifetime.ToTimedelta() if request.HasField("lifetime") else _LONGEST
        if not dt.timedelta(0) < lifetime <= _LONGEST:
            raise invalid(f"lifetime must be at most 3600s, got {lifetime.total_seconds():.0f}s")
        email = request.name.removeprefix(_ANY)
        if email in caller.access.missing_service_accounts:
            raise ApiError("NOT_FOUND", f"Not found; Gaia id not found for email {email}")
        response = message_class("google.cloud.iam_credentials_v1.types.common:GenerateAccessTokenResponse")()
        response.access_token = f"{TOKEN}{email}"
        response.expire_time.FromDatetime(self._context.clock.now() + lifetime)
        return response


def _email(name: str, caller: Caller) -> str:
    """The e-mail address in an account's name.

    Raises:
        ApiError: There is no such account.
    """
    email = name.partition("/serviceAccounts/")[2]
    if email in caller.access.missing_service_accounts:
        raise ApiError("NOT_FOUND", f"Service account {name} does not exist.")
    return email
