"""The menu: Pizzafiles, what they are made of, and the OCI layout that they were built into. See README.md here."""

from pathlib import Path
from typing import Final

LAYOUT: Final = Path(__file__).parent / "layout"
"""The built images, as an OCI image layout (image-layout.md)."""
