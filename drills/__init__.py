"""Drills: each puts one fault into a real run and passes only if the product catches it."""
