"""Vertex AI's custom jobs, on this machine."""
