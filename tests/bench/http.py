"""CPU per kitchen command through HTTP: a real server process, a menu pizza, the whole answer drawn.

    python -m tests.bench.http

Each command is one POST as htmx sends it; the answer is the kitchen's fragment. CPU is what the server's process spent,
in user and system time, over all threads.
"""

from __future__ import annotations

import html
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).parent.parent.parent
BOUND = 0.010
"""Seconds of CPU that a command may cost."""
ROUNDS = 8
"""Kitchens that are visited; each sends `ROUND`."""
ROUND = (
    "docker exec pizza-1 sh -c \"echo 'a dip of hot sauce' >> /pizza/slice-3/crust\"",
    "docker exec pizza-1 rm /pizza/slice-3/pepperoni",
    "docker exec pizza-1 touch /pizza/slice-4/olive",
    "docker diff pizza-1",
    "docker commit pizza-1 my-pizza",
    "docker image history my-pizza",
    "docker exec pizza-1 cat /pizza/slice-1/cheese",
    "undo",
    "undo",
    "redo",
    "docker ps -a -s",
    "docker images",
) * 4


@contextmanager
def server() -> Iterator[tuple[int, http.client.HTTPConnection]]:
    """A server process of our own: its pid, and a connection to it."""
    with (
        tempfile.TemporaryDirectory() as data,
        subprocess.Popen(
            [sys.executable, "app.py", "--port", "0", "--data", data], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        try:
            yield process.pid, http.client.HTTPConnection(urlsplit(found[0]).netloc, timeout=30)
        finally:
            process.terminate()


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has spent."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Kitchen:
    """A kitchen of the server's."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        connection.request("POST", "/")
        answer = connection.getresponse()
        answer.read()
        self.path = answer.headers["Location"]
        self.cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
        self.looking = ""

    def do(self, command: str) -> int:
        """Sends one command from the terminal of the page as it stands; the bytes of the answer."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self.cookie,
            "HX-Request": "true",
            "HX-Request-Type": "partial",
        }
        self.connection.request(
            "POST", f"{self.path}/do", urlencode({"command": command, "looking": self.looking}), headers
        )
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        found = re.search(rb'name="looking" value="([^"]*)"', body)
        self.looking = html.unescape(found[1].decode()) if found else ""
        return len(body)


def main() -> int:
    """Prints the figures; exit code 1 where the bound does not hold."""
    with server() as (pid, connection):
        kitchens = [Kitchen(connection) for _ in range(ROUNDS)]
        for kitchen in kitchens:
            kitchen.do("docker pull pizza/cheese")
            kitchen.do("docker pull pizza/pepperoni")
            kitchen.do("docker run --detach --name pizza-1 pizza/pepperoni")
        spent, begun = cpu(pid), time.perf_counter()
        sizes, waits = [], []
        for kitchen in kitchens:
            for command in ROUND:
                asked = time.perf_counter()
                sizes.append(kitchen.do(command))
                waits.append(time.perf_counter() - asked)
        spent, lasted = cpu(pid) - spent, time.perf_counter() - begun
    each = spent / len(sizes)
    waits.sort()
    print(f"commands through HTTP: {len(sizes)} in {lasted:.2f} s, answers of {sum(sizes) // len(sizes):,} bytes")
    print(f"CPU per command: {each * 1000:.2f} ms (bound {BOUND * 1000:.0f} ms, ratio {each / BOUND:.2f})")
    print(f"waiting: median {waits[len(waits) // 2] * 1000:.1f} ms, p95 {waits[len(waits) * 95 // 100] * 1000:.1f} ms")
    return each > BOUND


if __name__ == "__main__":
    sys.exit(main())
