"""Real clients against a served registry: docker, skopeo, podman, buildah, umoci. Manifests stay byte for byte."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import app as application
from tests import peers
from tests.engine.oci import Builder, tarball
from tests.web.given import served

MENU = "pizza/pepperoni"


class Shop:
    """A served application; a kitchen that pushes, and another."""

    def __init__(self, url: str, data: Path, flask: object) -> None:
        self.host, self.data = urlsplit(url).netloc, data
        extensions = flask.extensions  # type: ignore[attr-defined]
        self.journal = extensions["shop"].journal
        self.mine, self.other = self.journal.create().id, self.journal.create().id
        self.password = extensions["registry"].tokens.password(self.mine)

    @property
    def creds(self) -> str:
        return f"{self.mine}:{self.password}"

    def get(self, path: str) -> bytes:
        """What everybody can read."""
        connection = http.client.HTTPConnection(self.host, timeout=10)
        connection.request("GET", f"/v2/{path}")
        answer = connection.getresponse()
        found = answer.read()
        connection.close()
        assert answer.status == 200, found
        return found

    def run(self, program: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A peer with a home of its own."""
        home = self.data / "home"
        if not home.exists():
            home.mkdir()
            (home / "auth.json").write_text("{}")
        environment = {**os.environ, "HOME": str(home), "REGISTRY_AUTH_FILE": str(home / "auth.json")}
        done = subprocess.run(
            [peers.need(program), *words], capture_output=True, text=True, timeout=60, env=environment, cwd=home
        )
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    # podman takes a run root of at most 50 characters: a short directory, not pytest's own.
    with tempfile.TemporaryDirectory(prefix="whale-", ignore_cleanup_errors=True) as directory:
        data = Path(directory)
        app = application.create_app(data / "data")
        with served(app) as url:
            shop = Shop(url, data, app)
            yield shop
            assert shop.journal.check() == []
        app.extensions["shop"].journal.close()


def test_docker_pulls_logs_in_pushes_and_is_refused(shop: Shop, dockerd: peers.Dockerd) -> None:
    image, mine = f"{shop.host}/{MENU}", f"{shop.host}/{shop.mine}/docker"
    dockerd.docker("pull", image)
    for name in (mine, f"{shop.host}/{shop.other}/x", f"{shop.host}/class/docker"):
        dockerd.docker("tag", image, name)
    dockerd.docker("logout", shop.host, check=False)
    nobody = dockerd.docker("push", mine, check=False)
    assert nobody.returncode
    assert b"unauthorized" in nobody.stderr
    wrong = dockerd.docker("login", "-u", shop.mine, "--password-stdin", shop.host, stdin=b"wrong", check=False)
    assert wrong.returncode
    assert b"unauthorized" in wrong.stderr
    dockerd.docker("login", "-u", shop.mine, "--password-stdin", shop.host, stdin=shop.password.encode())
    said = dockerd.text("push", mine)
    assert "latest: digest: sha256:" in said
    assert "Layer already exists" in dockerd.text("push", mine)
    other = dockerd.docker("push", f"{shop.host}/{shop.other}/x", check=False)
    assert other.returncode
    assert b"denied" in other.stderr
    dockerd.docker("push", f"{shop.host}/class/docker")
    digest = next(line for line in said.splitlines() if "digest:" in line).split()[2]
    dockerd.docker("rmi", "-f", mine, image, f"{shop.host}/class/docker", f"{shop.host}/{shop.other}/x")
    assert f"Digest: {digest}" in dockerd.text("pull", mine)
    dockerd.docker("rmi", "-f", mine)
    dockerd.docker("logout", shop.host)


def test_classic_docker_fetches_again_what_it_holds_upon_another_layer(
    shop: Shop, dockerd: peers.Dockerd
) -> None:  # rule 27a
    """Our own pull does not (tests/engine/test_remote.py): the page says so where it speaks of layers that are here."""
    layout = Builder(shop.data / "prefixes")
    sauce, dip = tarball({"sauce": b"tomato " * 1000}), tarball({"dip": b"garlic " * 1000})
    images = {
        "red": layout.image(tarball({"crust": b"rye"}), sauce, dip),
        "white": layout.image(tarball({"crust": b"wheat"}), sauce),
        "more": layout.image(tarball({"crust": b"rye"}), sauce),
    }
    for name, image in images.items():
        layout.tag(name, image)
        target = f"docker://{shop.host}/{shop.mine}/{name}"
        access = ("--dest-tls-verify=false", "--dest-creds", shop.creds)
        shop.run("skopeo", "copy", *access, f"oci:{layout.path}:{name}", target)
    shared = layout.read(images["red"])["layers"][1]["digest"].removeprefix("sha256:")[:12]
    names = {name: f"{shop.host}/{shop.mine}/{name}" for name in images}
    assert f"{shared}: Pull complete" in dockerd.text("pull", names["red"])
    assert f"{shared}: Pull complete" in dockerd.text("pull", names["white"]), "held, but upon another layer"
    assert f"{shared}: Already exists" in dockerd.text("pull", names["more"]), "the same prefix"
    dockerd.docker("rmi", "-f", *names.values())


@pytest.mark.parametrize("style", ["oci", "v2s2"])
def test_skopeo_copies_in_and_out_and_not_a_byte_changes(shop: Shop, style: str) -> None:  # rules 21, 24
    source, target = f"docker://{shop.host}/{MENU}", f"docker://{shop.host}/{shop.mine}/skopeo-{style}"
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    shop.run("skopeo", "copy", *plain, "--format", style, "--dest-creds", shop.creds, source, target)
    stored = shop.get(f"{shop.mine}/skopeo-{style}/manifests/latest")
    shop.run("skopeo", "copy", "--src-tls-verify=false", target, f"dir:{shop.data}/copy-{style}")
    assert (shop.data / f"copy-{style}" / "manifest.json").read_bytes() == stored
    if style == "oci":
        assert stored == shop.get(f"{MENU}/manifests/latest")
    for creds in (f"{shop.mine}:wrong", f"{shop.other}:{shop.password}"):
        assert shop.run("skopeo", "copy", *plain, "--dest-creds", creds, source, target, check=False).returncode
    elsewhere = f"docker://{shop.host}/{shop.other}/x"
    refused = shop.run("skopeo", "copy", *plain, "--dest-creds", shop.creds, source, elsewhere, check=False)
    assert "denied" in refused.stderr
    shop.run("skopeo", "delete", "--tls-verify=false", "--creds", shop.creds, target)
    assert shop.run("skopeo", "inspect", "--tls-verify=false", target, check=False).returncode


def test_umoci_reads_what_was_pushed(shop: Shop) -> None:
    layout = shop.data / "layout"
    shop.run("skopeo", "copy", "--src-tls-verify=false", f"docker://{shop.host}/{MENU}", f"oci:{layout}:latest")
    shop.run("umoci", "config", "--image", f"{layout}:latest", "--config.label", "baked=yes")
    target = f"docker://{shop.host}/{shop.mine}/umoci"
    shop.run("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", shop.creds, f"oci:{layout}:latest", target)
    index = json.loads((layout / "index.json").read_bytes())
    digest = index["manifests"][0]["digest"].removeprefix("sha256:")
    assert shop.get(f"{shop.mine}/umoci/manifests/latest") == (layout / "blobs" / "sha256" / digest).read_bytes()


def test_podman_pulls_logs_in_and_pushes(shop: Shop) -> None:
    storage = ("--storage-driver=vfs", f"--root={shop.data}/podman", f"--runroot={shop.data}/podman-run")
    image, mine = f"{shop.host}/{MENU}", f"{shop.host}/{shop.mine}/podman"
    shop.run("podman", *storage, "pull", "--tls-verify=false", image)
    shop.run("podman", *storage, "tag", image, mine)
    assert shop.run("podman", *storage, "push", "--tls-verify=false", mine, check=False).returncode
    login = ("login", "--tls-verify=false", "-u", shop.mine, "-p")
    assert shop.run("podman", *storage, *login, "wrong", shop.host, check=False).returncode
    shop.run("podman", *storage, *login, shop.password, shop.host)
    shop.run("podman", *storage, "push", "--tls-verify=false", mine)
    shop.run("podman", *storage, "rmi", "-f", mine, image)
    shop.run("podman", *storage, "pull", "--tls-verify=false", mine)
    shop.run("podman", *storage, "rmi", "-f", mine)


def test_buildah_pushes_what_it_made(shop: Shop) -> None:
    storage = ("--storage-driver=vfs", f"--root={shop.data}/buildah", f"--runroot={shop.data}/buildah-run")
    made = shop.run("buildah", *storage, "from", "--tls-verify=false", f"{shop.host}/{MENU}").stdout.strip()
    shop.run("buildah", *storage, "config", "--label", "baked=yes", made)
    shop.run("buildah", *storage, "commit", made, "made")
    target = f"docker://{shop.host}/{shop.mine}/buildah"
    shop.run("buildah", *storage, "push", "--tls-verify=false", "--creds", shop.creds, "made", target)
    manifest = json.loads(shop.get(f"{shop.mine}/buildah/manifests/latest"))
    settings = json.loads(shop.get(f"{shop.mine}/buildah/blobs/{manifest['config']['digest']}"))
    assert settings["config"]["Labels"]["baked"] == "yes"
