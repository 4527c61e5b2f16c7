"""Vertex AI, BigQuery and Cloud Storage on this machine: the wire, and nothing of the product."""
