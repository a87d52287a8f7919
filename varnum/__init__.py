"""varnum: proved numbers for low-rank attention in visual autoregressive models."""

from varnum._version import __version__

__all__ = ["__version__"]
