"""Google's artifact types, so that Vertex AI links a run to the model and the endpoint it made.

Source: Vertex AI, "Artifact types"; google-cloud-pipeline-components has the same classes, but needs an older SDK.
"""

from kfp import dsl


class VertexModel(dsl.Artifact):
    """A model version; `resourceName` in the metadata is projects/*/locations/*/models/*@*."""

    schema_title = "google.VertexModel"
    schema_version = "0.0.1"


class VertexEndpoint(dsl.Artifact):
    """An endpoint; `resourceName` in the metadata is projects/*/locations/*/endpoints/*."""

    schema_title = "google.VertexEndpoint"
    schema_version = "0.0.1"
