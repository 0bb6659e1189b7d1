"""``python app.py``: what it says of bad arguments, and that a stop loses nothing."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import app as application

ROOT = Path(application.__file__).parent


@contextmanager
def serving(data: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process: itself, and the address that it prints."""
    with subprocess.Popen(
        [sys.executable, "app.py", "--port", "0", "--data", data, *more], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, line
            yield process, found[0]
        finally:
            if process.poll() is None:
                process.kill()


class Client:
    """A browser with cookies, over HTTP."""

    def __init__(self, address: str) -> None:
        self.address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def post(self, path: str, **fields: str) -> str:
        with self.opener.open(f"{self.address}{path}", urllib.parse.urlencode(fields).encode(), timeout=10) as answer:
            answer.read()
            return str(answer.url)

    def get(self, path: str) -> bytes:
        with self.opener.open(f"{self.address}{path}", timeout=10) as answer:
            body: bytes = answer.read()
            return body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_it_in_time_and_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (process, address):
        client = Client(address)
        kitchen = client.post("/").removeprefix(address)
        client.post(f"{kitchen}/do", command="docker pull pizza/pepperoni")
        before = client.get(f"{kitchen}/state.json")
        stalled = socket.create_connection(
            (urllib.parse.urlsplit(address).hostname, urllib.parse.urlsplit(address).port)
        )
        stalled.sendall(b"PATCH /v2/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 5
        stalled.close()
    with serving(tmp_path) as (_, address):
        assert Client(address).get(f"{kitchen}/state.json") == before


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, address):
        client = Client(address)
        kitchen = client.post("/").removeprefix(address)
        client.post(f"{kitchen}/do", command="docker pull pizza/cheese")
        before = client.get(f"{kitchen}/state.json")
        process.kill()
        process.wait()
    with serving(tmp_path) as (_, address):
        assert Client(address).get(f"{kitchen}/state.json") == before
    check = subprocess.run(
        [sys.executable, "-m", "engine", "--data", tmp_path, "fsck"], cwd=ROOT, capture_output=True, text=True
    )
    assert (check.returncode, check.stdout) == (0, "no fault found\n")


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        application.main(arguments)
    assert left.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("port", ["pizza", "-1", "65536", "80.5"])
def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    assert "is no port: a number from 0 to 65535" in refusal(capsys, f"--port={port}")


def test_an_epoch_that_is_no_time_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "SOURCE_DATE_EPOCH is 'yesterday'" in refusal(capsys, f"--data={tmp_path}")


def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refusal(capsys, "--data", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert "cannot listen on 127.0.0.1 port" in said
    assert "Address already in use" in said


def test_a_host_that_is_not_ours_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot listen on 192.0.2.1" in refusal(capsys, "--data", str(tmp_path), "--host", "192.0.2.1")


def test_data_that_is_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "--data" in refusal(capsys, "--data", str(tmp_path / "file"))


@pytest.mark.parametrize("content", [None, "not json", json.dumps({"imageLayoutVersion": "9"})])
def test_a_menu_that_is_no_layout_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is not None:
        (tmp_path / "oci-layout").write_text(content)
    said = refusal(capsys, "--data", str(tmp_path / "data"), "--menu", str(tmp_path))
    assert "--menu" in said
    assert "oci-layout" in said


def test_flask_run_finds_the_application(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", ROOT / "app.py", "routes"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "/k/<kitchen>/do" in done.stdout


@pytest.mark.parametrize("asked", [("--behind-proxy",), ()])
def test_a_proxy_is_believed_where_it_was_said_that_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    told: list[bool] = []

    def serve(_app: object, listening: socket.socket, stopping: threading.Event, _: object, behind_proxy: bool) -> None:
        listening.close()
        stopping.set()
        told.append(behind_proxy)

    monkeypatch.setattr(application.serving, "serve", serve)
    monkeypatch.setattr(application, "_leave", lambda app: app.extensions["shop"].journal.close())
    assert application.main(("--port", "0", "--data", str(tmp_path), *asked)) == 0
    assert told == [bool(asked)]


def test_whatever_breaks_a_sweep_the_next_one_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(application, "SWEEP_SECONDS", 0.01)
    stopping = threading.Event()

    class Broken:
        swept = 0

        def sweep(self) -> None:
            self.swept += 1
            if self.swept == 3:
                stopping.set()
            raise ZeroDivisionError

    broken = Broken()
    application._keep_house(broken, stopping)  # type: ignore[arg-type]
    assert broken.swept == 3
    assert "sweeping failed" in caplog.text
