"""The prediction container: a model behind the Vertex AI HTTP contract."""
