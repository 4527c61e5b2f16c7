"""Typed KFP shells: one step of the graph a file."""
