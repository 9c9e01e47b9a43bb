"""The version of what runs."""

from importlib import metadata


def version() -> str:
    """The installed version."""
    return metadata.version("tuneteller")
