"""Vertex AI over REST: its routes and types are those of the installed SDK."""
