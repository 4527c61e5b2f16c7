"""Vertex AI's endpoints, on this machine."""
