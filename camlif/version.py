"""Which version of the program this is; in comes nothing, out comes its name. Never fails."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """Version of the installed package, or of the source tree."""
    try:
        return version("camlif")
    except PackageNotFoundError:
        return "source"
