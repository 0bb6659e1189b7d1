"""The peers themselves: a missing one is named, or fails the run that requires it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import peers


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda name, path=None: None)


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_peer_skips_and_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PEERS_REQUIRED", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs busybox: install the Debian package busybox-static"):
        peers.need("busybox")


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_peer_fails_where_peers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERS_REQUIRED", "1")
    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception)) as raised:
        peers.need("umoci")
    assert isinstance(raised.value, pytest.fail.Exception), "a skip would pass for a proof"
    assert "PEERS_REQUIRED is set, and this test needs umoci" in str(raised.value)


def test_our_dockerd_answers_on_its_own_socket_and_keeps_its_own_root(dockerd: peers.Dockerd) -> None:
    assert dockerd.text("info", "--format", "{{.Driver}}").strip() == dockerd.driver
    root = Path(dockerd.text("info", "--format", "{{.DockerRootDir}}").strip())
    assert root.is_relative_to(dockerd.root)
    connection = dockerd.connect()
    connection.request("GET", "/version")
    assert connection.getresponse().status == 200
    connection.close()
