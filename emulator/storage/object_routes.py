"""Methods on objects: read and change what is known of them, list, delete, copy, compose."""

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from emulator.storage import conditions as preconditions
from emulator.storage import listing
from emulator.storage.conditions import Conditions, conditions_of, number_of, source_conditions_of
from emulator.storage.errors import invalid, unimplemented
from emulator.storage.objects import Entry, Labels, Ref, check_sources
from emulator.storage.resources import changed_labels, labels_of, object_resource
from emulator.storage.wire import Call, Route, answer, in_thread

_LISTING = frozenset({"delimiter", "endOffset", "matchGlob", "maxResults", "pageToken", "prefix", "startOffset"})
_NOT_LISTED = frozenset({"includeFoldersAsPrefixes", "includeTrailingDelimiter", "softDeleted", "versions"})
_COPYING = preconditions.PARAMETERS | preconditions.SOURCE_PARAMETERS | {"sourceGeneration"}


async def list_objects(call: Call) -> Response:
    """objects.list."""
    query = _query(call.query)
    names = await in_thread(call.service.objects.names, call.path["bucket"], query.prefix)
    page = listing.page(names, query)
    entries = await in_thread(call.service.objects.get_all, call.path["bucket"], page.names)
    found: dict[str, object] = {"kind": "storage#objects"}
    if entries:
        found["items"] = [object_resource(entry, call.site) for entry in entries]
    if page.prefixes:
        found["prefixes"] = list(page.prefixes)
    if page.next_after:
        found["nextPageToken"] = listing.token_of(page.next_after)
    return answer(found)


async def get(call: Call) -> Response:
    """objects.get, without the content."""
    entry = await in_thread(call.service.objects.get, call.ref())
    conditions_of(call.query).check_for_reading(entry.version)
    return _found(call, entry)


async def patch(call: Call) -> Response:
    """objects.patch."""
    body = await call.body()
    conditions = conditions_of(call.query)
    return _found(call, await in_thread(_patch, call, body, conditions))


async def delete(call: Call) -> Response:
    """objects.delete."""
    await in_thread(call.service.objects.delete, call.ref(), conditions=conditions_of(call.query))
    return Response(status_code=204)


async def compose(call: Call) -> Response:
    """objects.compose."""
    body = await call.body()
    for name in body.keys() - {"destination", "kind", "sourceObjects"}:
        raise unimplemented(f"field {name!r} of a request to compose")
    sources = [_source(call.path["bucket"], item) for item in _objects(body, "sourceObjects")]
    check_sources(len(sources))
    destination = body.get("destination", {})
    labels = labels_of(destination if isinstance(destination, Mapping) else {})
    entry = await in_thread(
        call.service.objects.compose, sources, call.ref(), labels, conditions=conditions_of(call.query)
    )
    return _found(call, entry)


async def copy(call: Call) -> Response:
    """objects.copy."""
    return _found(call, await _copy(call))


async def rewrite(call: Call) -> Response:
    """objects.rewrite, which here is done with the first request."""
    entry = await _copy(call)
    size = str(entry.record.size)
    resource = object_resource(entry, call.site)
    return answer(
        {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": size,
            "objectSize": size,
            "done": True,
            "resource": resource,
        }
    )


ROUTES = (
    Route("objects.list", "GET", "/storage/v1/b/{bucket}/o", list_objects, _LISTING, off=_NOT_LISTED),
    Route(
        "objects.patch",
        "PATCH",
        "/storage/v1/b/{bucket}/o/{object}",
        patch,
        preconditions.PARAMETERS | {"generation"},
    ),
    Route(
        "objects.delete",
        "DELETE",
        "/storage/v1/b/{bucket}/o/{object}",
        delete,
        preconditions.PARAMETERS | {"generation"},
    ),
    Route("objects.compose", "POST", "/storage/v1/b/{bucket}/o/{object}/compose", compose, preconditions.PARAMETERS),
    Route(
        "objects.copy",
        "POST",
        "/storage/v1/b/{source_bucket}/o/{source_object}/copyTo/b/{bucket}/o/{object}",
        copy,
        _COPYING,
    ),
    Route(
        "objects.rewrite",
        "POST",
        "/storage/v1/b/{source_bucket}/o/{source_object}/rewriteTo/b/{bucket}/o/{object}",
        rewrite,
        _COPYING,
    ),
)


def _found(call: Call, entry: Entry) -> Response:
    return answer(object_resource(entry, call.site))


def _patch(call: Call, body: Mapping[str, object], conditions: Conditions) -> Entry:
    objects = call.service.objects
    entry = objects.get(call.ref())
    old = Labels(entry.record.attributes, entry.record.metadata)
    return objects.relabel(call.ref(), changed_labels(old, body), conditions=conditions)


async def _copy(call: Call) -> Entry:
    body = await call.body()
    generation = call.query.get("sourceGeneration")
    source = Ref(
        call.path["source_bucket"],
        call.path["source_object"],
        None if generation is None else number_of("sourceGeneration", generation),
    )
    return await in_thread(
        call.service.objects.copy,
        (source, source_conditions_of(call.query)),
        Ref(call.path["bucket"], call.path["object"]),
        labels_of(body) if body else None,
        conditions=conditions_of(call.query),
    )


def _query(query: Mapping[str, str]) -> listing.Query:
    limit = number_of("maxResults", query.get("maxResults", "1000"))
    glob = query.get("matchGlob")
    return listing.Query(
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        start=query.get("startOffset", ""),
        end=query.get("endOffset", ""),
        after=listing.after_of(query.get("pageToken", "")),
        limit=min(max(limit, 1), 1000),
        matches=listing.matcher(glob) if glob else bool,
    )


def _objects(body: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    found = body.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise invalid(f"Invalid {name}: wanted a list of objects, got {found!r}")
    return found


def _source(bucket: str, item: Mapping[str, object]) -> tuple[Ref, Conditions]:
    for name in item.keys() - {"generation", "name", "objectPreconditions"}:
        raise unimplemented(f"field {name!r} of a source object")
    generation = item.get("generation")
    at = None if generation is None else number_of("generation", str(generation))
    wanted = item.get("objectPreconditions", {})
    conditions = {name: str(value) for name, value in wanted.items()} if isinstance(wanted, Mapping) else {}
    return Ref(bucket, str(item.get("name", "")), at), conditions_of(conditions)
