"""``python -m tests.bench``: every benchmark of this package, that is every module with a ``main``."""

from __future__ import annotations

import importlib
import pkgutil

from tests import bench


def main() -> None:
    """Run them by name."""
    for module in sorted(module.name for module in pkgutil.iter_modules(bench.__path__)):
        if not module.startswith("_"):
            run = getattr(importlib.import_module(f"tests.bench.{module}"), "main", None)
            if run is not None:
                print(f"== {module}", flush=True)
                run()


if __name__ == "__main__":
    main()
