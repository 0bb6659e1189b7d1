"""The gallery as a picture: ``python -m tests.web.gallery [gallery.png]``, for looking at what one has drawn."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from werkzeug.serving import make_server

from tests import peers
from web.gallery import create_app

WIDTH, HEIGHT = 2000, 8420
"""Of the picture in pixels: both themes beside each other, and the whole table."""


def picture(target: Path) -> None:
    """Serve the gallery for as long as Chromium takes to draw it into `target`."""
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        subprocess.run(
            [
                peers.need("chromium"),
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={target}",
                f"http://127.0.0.1:{server.port}/",
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    finally:
        server.shutdown()


if __name__ == "__main__":
    picture(Path(sys.argv[1] if len(sys.argv) > 1 else "gallery.png").absolute())
