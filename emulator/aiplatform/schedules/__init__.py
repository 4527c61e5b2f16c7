"""Vertex AI's pipeline schedules, on this machine and on its clock."""
