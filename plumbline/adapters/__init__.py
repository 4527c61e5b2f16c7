"""The only modules that import google, and the only ones that talk to anything outside the process."""
