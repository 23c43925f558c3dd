"""A stand-in for ScaleV and Mailketing over real HTTP. It imports nothing of the program it serves."""
