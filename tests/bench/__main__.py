"""``python -m tests.bench``: every benchmark of this package, that is every module with a ``main``.

One that fails does not keep the next from running; the exit status tells.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback

from tests import bench


def main() -> int:
    """Run them by name; 1 where any failed or says that it did."""
    failed = False
    for module in sorted(module.name for module in pkgutil.iter_modules(bench.__path__)):
        if module.startswith("_"):
            continue
        run = getattr(importlib.import_module(f"tests.bench.{module}"), "main", None)
        if run is not None:
            print(f"\n== {module}", flush=True)
            try:
                failed |= bool(run())
            except Exception:
                traceback.print_exc()
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
