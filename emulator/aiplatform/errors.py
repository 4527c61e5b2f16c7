"""Errors as Google's APIs tell them. Source: google.rpc.Code and AIP-193."""

from collections.abc import Mapping, Sequence

CODES: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP status of each code that the emulator uses."""

NUMBERS: Mapping[str, int] = {
    "CANCELLED": 1,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
"""The same codes as numbers, as they stand in a google.rpc.Status."""


class ApiError(Exception):
    """What a request is answered with when it fails; the details are messages of google.rpc as JSON."""

    def __init__(self, code: str, message: str, details: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


def invalid(message: str) -> ApiError:
    """The request cannot be right, whatever the state."""
    return ApiError("INVALID_ARGUMENT", message)


def precondition(message: str) -> ApiError:
    """The request is not possible in this state."""
    return ApiError("FAILED_PRECONDITION", message)


def not_found(name: str) -> ApiError:
    """There is no such resource."""
    return ApiError("NOT_FOUND", f"{name} is not found.")


def exists(name: str) -> ApiError:
    """There is such a resource already."""
    return ApiError("ALREADY_EXISTS", f"{name} already exists.")


def unimplemented(what: str) -> ApiError:
    """The emulator does not have this; it never pretends."""
    return ApiError("UNIMPLEMENTED", f"UNIMPLEMENTED: the emulator does not have {what}")
