"""The service as an ASGI application."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as Path_

from emulator.storage import bucket_routes, download_routes, object_routes, upload_routes
from emulator.storage.buckets import Buckets
from emulator.storage.errors import StorageError, unimplemented
from emulator.storage.folder import Folder
from emulator.storage.objects import Objects
from emulator.storage.sessions import Sessions
from emulator.storage.wire import Call, Route, Service, refusal

ROUTES: tuple[Route, ...] = (
    *bucket_routes.ROUTES,
    *object_routes.ROUTES,
    *download_routes.ROUTES,
    *upload_routes.ROUTES,
)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def create_app(root: Path, *, project: str, location: str) -> Starlette:
    """The service.

    Args:
        root: The folder that holds the buckets, in the state folder.
        project: The id of the project that owns the buckets whose folders were made by hand.
        location: The location of buckets that were made without one.
    """
    folder = Folder(root)
    service = Service(folder, Objects(folder), Buckets(folder, project=project), Sessions(), location, root.parent)

    async def handle(request: Request) -> Response:
        try:
            return await _dispatch(request, service)
        except StorageError as error:
            return refusal(error)
        except OSError as error:
            return refusal(_of_the_disk(error, root))
        except ClientDisconnect:
            return Response(status_code=499)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        service.sessions.close()

    return Starlette(routes=[Path_("/{path:path}", handle, methods=_METHODS)], lifespan=lifespan)


async def _dispatch(request: Request, service: Service) -> Response:
    # Not the decoded path: in it, a slash in an object's name looks like one that separates.
    raw_path = request.scope["raw_path"].decode("ascii").partition("?")[0]
    for route in ROUTES:
        path = route.match(request.method, raw_path)
        if path is not None:
            route.check(request.query_params)
            return await route.handler(Call(request, service, path))
    raise unimplemented(f"{request.method} {raw_path}")


def _of_the_disk(error: OSError, root: Path) -> StorageError:
    if error.errno in _FULL:
        return StorageError(507, "insufficientStorage", f"disk full under {root}: make room there, then try again")
    return StorageError(500, "internalError", f"{error.strerror} under {root}: {error.filename}")
