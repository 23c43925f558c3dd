"""The demo: the program with stand-ins for ScaleV and Mailketing, on sample data in a folder of its own."""


def run() -> None:
    """Serve the demo."""
