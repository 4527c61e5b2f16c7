"""Vertex AI's pipeline jobs, on this machine."""
