"""Builds of Cloud Build."""
