"""The core: what is decided, in pure functions; adapters alone talk to Google."""
