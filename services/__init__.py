"""Everything the program decides or does, usable without a request."""
