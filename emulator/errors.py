"""What keeps the emulator from starting, or from going on."""


class StartError(Exception):
    """The emulator cannot start, or a part of it ended; the message is one line, and says what to do."""
