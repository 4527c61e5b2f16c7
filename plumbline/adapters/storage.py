"""Cloud Storage: the bucket that everything of a place lies in."""

from google.api_core import exceptions
from google.cloud import storage

from plumbline.adapters.operations import service_errors
from plumbline.environment import Place


def ensure_bucket(client: storage.Client, place: Place) -> None:
    """The place's bucket, made in the place's region where there is none.

    Raises:
        ServiceError: Cloud Storage refuses.
    """
    with service_errors(f"bucket {place.bucket}"):
        if not client.bucket(place.bucket).exists():
            try:
                client.create_bucket(place.bucket, location=place.location)
            except exceptions.Conflict:
                # Two runs may find at the same time that there is none.
                if not client.bucket(place.bucket).exists():
                    raise
