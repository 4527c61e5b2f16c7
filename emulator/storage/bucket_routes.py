"""Methods on buckets and their IAM policies."""

from starlette.responses import Response

from emulator.platform import access
from emulator.storage import conditions as preconditions
from emulator.storage import listing
from emulator.storage.conditions import conditions_of, number_of
from emulator.storage.errors import StorageError, unimplemented
from emulator.storage.resources import bucket_fields_of, bucket_resource, policy_resource
from emulator.storage.wire import Call, Route, answer, in_thread

_BUCKET = "/storage/v1/b/{bucket}"
_METAGENERATION = frozenset(name for name in preconditions.PARAMETERS if "etageneration" in name)
_POLICY_FIELDS = frozenset({"bindings", "etag", "kind", "resourceId", "version"})


async def list_buckets(call: Call) -> Response:
    """buckets.list."""
    buckets = {bucket.name: bucket for bucket in await in_thread(call.service.buckets.list, _project(call))}
    page = listing.page(
        buckets,
        listing.Query(
            prefix=call.query.get("prefix", ""),
            after=listing.after_of(call.query.get("pageToken", "")),
            limit=max(1, number_of("maxResults", call.query.get("maxResults", "1000"))),
        ),
    )
    token = {"nextPageToken": listing.token_of(page.next_after)} if page.next_after else {}
    items = [bucket_resource(buckets[name], call.site) for name in page.names]
    return answer({"kind": "storage#buckets", "items": items, **token})


async def insert(call: Call) -> Response:
    """buckets.insert."""
    body = await call.body()
    name = body.get("name")
    if not isinstance(name, str):
        raise StorageError(400, "required", "Required parameter: name")
    fields = bucket_fields_of(body)
    bucket = await in_thread(call.service.buckets.make, name, project=_project(call), fields=fields)
    return answer(bucket_resource(bucket, call.site))


async def get(call: Call) -> Response:
    """buckets.get."""
    bucket = await in_thread(call.service.buckets.get, call.path["bucket"])
    conditions_of(call.query).check_for_reading(bucket.version)
    return answer(bucket_resource(bucket, call.site))


async def patch(call: Call) -> Response:
    """buckets.patch."""
    fields = bucket_fields_of(await call.body())
    conditions = conditions_of(call.query)
    bucket = await in_thread(call.service.buckets.change, call.path["bucket"], fields, conditions=conditions)
    return answer(bucket_resource(bucket, call.site))


async def delete(call: Call) -> Response:
    """buckets.delete."""
    await in_thread(call.service.buckets.delete, call.path["bucket"], conditions=conditions_of(call.query))
    return Response(status_code=204)


async def get_policy(call: Call) -> Response:
    """buckets.getIamPolicy."""
    return answer(policy_resource(await in_thread(call.service.buckets.get, call.path["bucket"])))


async def set_policy(call: Call) -> Response:
    """buckets.setIamPolicy. It is kept and given back; every caller is let in all the same."""
    body = await call.body()
    for name in body.keys() - _POLICY_FIELDS:
        raise unimplemented(f"field {name!r} of a policy")
    kept = {name: body[name] for name in body.keys() & {"bindings", "version"}}
    bucket = await in_thread(call.service.buckets.set_policy, call.path["bucket"], kept)
    return answer(policy_resource(bucket))


async def test_permissions(call: Call) -> Response:
    """buckets.testIamPermissions: what the caller has, which is all but what `access.json` takes away."""
    await in_thread(call.service.buckets.get, call.path["bucket"])
    asked = call.request.query_params.getlist("permissions")
    try:
        member = access.member(call.request.headers.get("authorization"))
    except access.UnknownTokenError as error:
        raise StorageError(401, "authError", f"Invalid Credentials: {error}") from error
    had = (await in_thread(access.read, call.service.state)).allowed(member, asked)
    # As Google's API, which leaves an empty list out.
    permissions = {"permissions": had} if had else {}
    return answer({"kind": "storage#testIamPermissionsResponse", **permissions})


ROUTES = (
    Route(
        "buckets.list",
        "GET",
        "/storage/v1/b",
        list_buckets,
        frozenset({"maxResults", "pageToken", "prefix", "project"}),
        off=frozenset({"returnPartialSuccess", "softDeleted"}),
    ),
    Route(
        "buckets.insert",
        "POST",
        "/storage/v1/b",
        insert,
        frozenset({"project"}),
        off=frozenset({"enableObjectRetention"}),
    ),
    Route("buckets.get", "GET", _BUCKET, get, _METAGENERATION, off=frozenset({"softDeleted"})),
    Route("buckets.patch", "PATCH", _BUCKET, patch, _METAGENERATION),
    Route("buckets.delete", "DELETE", _BUCKET, delete, _METAGENERATION),
    Route("buckets.getIamPolicy", "GET", f"{_BUCKET}/iam", get_policy, frozenset({"optionsRequestedPolicyVersion"})),
    Route("buckets.setIamPolicy", "PUT", f"{_BUCKET}/iam", set_policy),
    Route(
        "buckets.testIamPermissions",
        "GET",
        f"{_BUCKET}/iam/testPermissions",
        test_permissions,
        frozenset({"permissions"}),
    ),
)


def _project(call: Call) -> str:
    project = call.query.get("project")
    if not project:
        raise StorageError(400, "required", "Required parameter: project")
    return project
