"""Starts a lightweight component as kfp does in a container, with `/gcs` where the emulator has its objects.

kfp turns `gs://bucket/object` into `/gcs/bucket/object` by one constant; no mount and no root is needed to change it.
"""

import os

from kfp.dsl import executor_main
from kfp.dsl.types import artifact_types

if __name__ == "__main__":
    artifact_types._GCS_LOCAL_MOUNT_PREFIX = os.environ["GCS_MOUNT"].rstrip("/") + "/"  # noqa: SLF001 - see above
    executor_main.executor_main()
