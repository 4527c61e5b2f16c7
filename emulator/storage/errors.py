"""What the service answers instead of a result, in Cloud Storage's own words where it has some.

Source: https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes
"""


class StorageError(Exception):
    """An answer that is not a success.

    Args:
        status: The HTTP status.
        reason: Google's code word for it.
        message: What was wanted, what came, and what to do.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


def invalid(message: str) -> StorageError:
    """The request makes no sense, or not here."""
    return StorageError(400, "invalid", message)


def bucket_not_found(bucket: str) -> StorageError:
    """There is no such bucket."""
    return StorageError(404, "notFound", f"The specified bucket does not exist: {bucket}")


def object_not_found(bucket: str, name: str) -> StorageError:
    """There is no such object."""
    return StorageError(404, "notFound", f"No such object: {bucket}/{name}")


def conflict(message: str) -> StorageError:
    """What is there already stands in the way."""
    return StorageError(409, "conflict", message)


def condition_not_met(wanted: str, found: str) -> StorageError:
    """A precondition of the request does not hold."""
    message = f"At least one of the pre-conditions you specified did not hold: wanted {wanted}, found {found}"
    return StorageError(412, "conditionNotMet", message)


def unimplemented(what: str) -> StorageError:
    """Cloud Storage does this, the emulator does not, and will not act as if it did."""
    return StorageError(501, "notImplemented", f"UNIMPLEMENTED: {what}")
