"""Image archives: what `docker load` reads and `docker save` writes. See `loading` and `saving`."""

from engine.archive.loading import Loaded, load
from engine.archive.saving import Archive, save

__all__ = ["Archive", "Loaded", "load", "save"]
