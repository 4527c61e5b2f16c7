"""Vertex AI's monitoring jobs, on this machine."""
