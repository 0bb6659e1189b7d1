"""The lines that take an image home, each executed as it stands on the page, against the real tools."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from tests import peers
from tests.web.given import Visitor, served

TOOLS = ("docker", "podman", "skopeo")


@dataclass
class Home:
    """A learner's machine: a shell with tools that keep what they have in folders of the test's."""

    folder: Path
    environment: dict[str, str]

    def run(self, line: str) -> str:
        """What a line prints; it must end well."""
        done = subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    for name in TOOLS:
        peers.need(name)
    peers.need_root()
    folder = tmp_path_factory.mktemp("home")
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/podman"\nrunroot = "{folder}/podman-run"\n'
    )
    with peers.dockerd() as daemon:
        environment = dict(os.environ) | {
            "DOCKER_HOST": f"unix://{daemon.socket}",
            "HOME": str(folder),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }
        yield Home(folder, environment)


@pytest.fixture
def kitchen(make_app: Callable[..., Flask]) -> Iterator[tuple[Visitor, str]]:
    """A kitchen with a pizza of its own on the shelf, behind the real server: its visitor, and the host's name."""
    app = make_app()
    with served(app) as address:
        host = address.removeprefix("http://")
        visitor = Visitor(app)
        visitor.open()
        visitor.get("/", **{"Host": host})
        visitor.type("docker pull pizza/cheese")
        visitor.type(f"docker tag pizza/cheese {host}/{visitor.kitchen}/mine")
        yield visitor, host


def lines(visitor: Visitor, host: str, image: str) -> dict[str, str]:
    """What the page offers for an image, by tool."""
    key = visitor.client.get_cookie(f"kitchen-{visitor.kitchen}")
    assert key
    visitor.client.set_cookie(key.key, key.value, domain=host.partition(":")[0])
    page = visitor.get(f"/k/{visitor.kitchen}/counter?image={image}", Host=host).text
    return {tool: html.unescape(line) for tool, line in re.findall(r'data-tool="(\w+)">([^<]*)</pre>', page)}


def manifest(visitor: Visitor) -> str:
    found: str = json.loads(visitor.state())["images"][0]["manifest"]
    return found


def image_id(visitor: Visitor) -> str:
    found: str = json.loads(visitor.state())["images"][0]["id"]
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_a_menus_image_goes_home_by_the_registry(home: Home, kitchen: tuple[Visitor, str], tool: str) -> None:
    visitor, host = kitchen
    line = lines(visitor, host, "pizza/cheese:latest")[tool]
    assert f"{host}/pizza/cheese" in line
    assert "curl" not in line
    home.run(line)
    there(home, tool, f"{host}/pizza/cheese", visitor)


@pytest.mark.parametrize("tool", TOOLS)
def test_an_image_that_is_on_no_shelf_goes_home_as_an_archive(
    home: Home, kitchen: tuple[Visitor, str], tool: str
) -> None:
    visitor, host = kitchen
    line = lines(visitor, host, f"{host}/{visitor.kitchen}/mine:latest")[tool]
    assert "curl" in line
    home.run(line)
    there(home, tool, f"{host}/{visitor.kitchen}/mine", visitor)


def there(home: Home, tool: str, name: str, visitor: Visitor) -> None:
    """The tool has the very image now."""
    if tool == "skopeo":
        index = json.loads((home.folder / "image" / "index.json").read_bytes())
        assert index["manifests"][-1]["digest"] == manifest(visitor)
        home.run("rm -rf image image.tar")
    else:
        known = json.loads(home.run(f"{tool} image inspect {name}"))[0]["Id"]
        assert known.removeprefix("sha256:") == image_id(visitor).removeprefix("sha256:")
        home.run(f"{tool} rmi -f {name}")


def test_the_push_lines_put_an_image_of_ones_own_on_the_shelf(home: Home, kitchen: tuple[Visitor, str]) -> None:
    visitor, host = kitchen
    home.run(lines(visitor, host, "pizza/cheese:latest")["docker"])
    login, tag, push = lines(visitor, host, "pizza/cheese:latest")["login"].splitlines()
    home.run(login)
    home.run(tag.replace("IMAGE", f"{host}/pizza/cheese").replace("NAME", "ours"))
    home.run(push.replace("NAME", "ours"))
    assert f'data-offer="{host}/{visitor.kitchen}/ours"' in visitor.get(f"/k/{visitor.kitchen}/counter", Host=host).text
    visitor.type(f"docker pull {host}/{visitor.kitchen}/ours")
    assert visitor.said().status == 0, visitor.said()
