"""Cloud Storage: the bucket that everything of a place lies in."""

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
            client.create_bucket(place.bucket, location=place.location)
