"""What keeps the emulator from starting, or from going on."""


class StartError(Exception):
    """The emulator cannot start, or a part of it ended; the message says what to do."""
