"""Examples, each run by ``python -m examples.NAME``."""
