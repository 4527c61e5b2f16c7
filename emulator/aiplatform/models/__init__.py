"""Vertex AI's models, on this machine."""
