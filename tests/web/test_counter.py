"""The counter: transfers as they happened, the class's shelf, and what a kitchen may put on it."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable

import pytest
from flask import Flask

from engine.registry import Request
from tests.web.given import Visitor
from web.shelf import EACH
from web.takeaway import Server, repository, takeaways


def opened(app: Flask) -> Visitor:
    """A visitor with a kitchen."""
    visitor = Visitor(app)
    visitor.open()
    return visitor


@pytest.fixture
def cook(app: Flask) -> Visitor:
    """A kitchen that has made a pizza of its own, and has given it an address on the shelf."""
    visitor = opened(app)
    visitor.type("docker pull pizza/pepperoni")
    visitor.type("docker run -d --name pizza-1 pizza/pepperoni")
    visitor.type("docker exec pizza-1 sh -c 'echo hot sauce >> /pizza/slice-3/crust'")
    visitor.type("docker commit pizza-1 mine")
    visitor.type(f"docker tag mine localhost/{visitor.kitchen}/mine")
    return visitor


def look(visitor: Visitor, query: str = "") -> str:
    return visitor.get(f"/k/{visitor.kitchen}/counter{query}").text


def parcels(page: str) -> list[tuple[str, int]]:
    """Whether each parcel moved, and its bytes."""
    return [(moved, int(size)) for moved, size in re.findall(r'<li data-moved="(yes|no)" data-size="(\d+)"', page)]


def trip(page: str) -> tuple[str, int, int]:
    """The way, the bytes sent, the bytes avoided."""
    found = re.search(r'data-way="(in|out)" data-sent="(\d+)" data-avoided="(\d+)"', page)
    assert found
    return found[1], int(found[2]), int(found[3])


def test_a_push_sends_every_layer_once_and_then_none(cook: Visitor) -> None:
    name = f"localhost/{cook.kitchen}/mine"
    cook.type(f"docker push {name}")
    way, sent, avoided = trip(look(cook))
    assert (way, avoided) == ("out", 0)
    assert sum(size for moved, size in parcels(look(cook)) if moved == "yes") == sent
    cook.type(f"docker push {name}")
    way, again, avoided = trip(look(cook))
    assert way == "out"
    assert avoided == sum(size for moved, size in parcels(look(cook)) if moved == "no") > 200_000
    assert again + avoided < sent + 5_000
    assert again < 5_000


def test_a_neighbour_is_sent_the_top_layer_alone(app: Flask, cook: Visitor) -> None:
    cook.type(f"docker push localhost/{cook.kitchen}/mine")
    neighbour = opened(app)
    neighbour.type("docker pull pizza/pepperoni")
    neighbour.type(f"docker pull localhost/{cook.kitchen}/mine")
    page = look(neighbour)
    assert trip(page)[0] == "in"
    layers = parcels(page)[:-1]
    assert [moved for moved, _ in layers] == ["yes", "no", "no", "no", "no"]
    assert neighbour.said().text.count("Already exists") == 4
    assert neighbour.said().text.count("Pull complete") == 1
    assert sum(size for moved, size in parcels(page) if moved == "yes") == trip(page)[1]


def test_the_registry_has_the_very_manifest(app: Flask, cook: Visitor) -> None:
    cook.type(f"docker push localhost/{cook.kitchen}/mine")
    answer = app.extensions["registry"].registry.handle(Request("GET", f"/v2/{cook.kitchen}/mine/manifests/latest"))
    digest = answer.headers["docker-content-digest"]
    assert b"".join(answer.chunks) == app.extensions["shop"].journal.blobs.read(digest)
    assert digest.encode() in cook.state()


def test_what_was_pushed_stands_on_everybodys_shelf(app: Flask, cook: Visitor) -> None:
    name = f"localhost/{cook.kitchen}/mine"
    assert f'data-offer="{name}"' not in look(cook)
    cook.type(f"docker push {name}")
    assert f'data-offer="{name}"' in look(cook)
    assert "have it" in look(cook)
    neighbour = opened(app)
    found = re.search(rf'data-offer="{name}" data-size="(\d+)" data-missing="(\d+)"', look(neighbour))
    assert found
    assert found[1] == found[2]
    neighbour.type("docker pull pizza/pepperoni")
    found = re.search(rf'data-offer="{name}" data-size="(\d+)" data-missing="(\d+)"', look(neighbour))
    assert found
    missing = int(found[2])
    neighbour.type(f"docker pull {name}")
    assert trip(look(neighbour))[1] == missing


def test_a_push_is_marked_as_outside_time_and_no_undo_takes_it_back(app: Flask, cook: Visitor) -> None:
    cook.type(f"docker push localhost/{cook.kitchen}/mine")
    sent = trip(look(cook))[1]
    step = re.search(r'data-bytes="(\d+)" data-outside="yes"', cook.look())
    assert step
    assert int(step[1]) == sent
    cook.type("undo")
    assert "the registry keeps what it was given" in cook.said().text
    assert 'data-outside="yes"' in cook.look()
    assert f'data-offer="localhost/{cook.kitchen}/mine"' in look(opened(app))


def test_nobody_pushes_below_anothers_name(app: Flask, cook: Visitor) -> None:
    thief = opened(app)
    thief.type("docker pull pizza/cheese")
    thief.type(f"docker tag pizza/cheese localhost/{cook.kitchen}/mine")
    thief.type(f"docker push localhost/{cook.kitchen}/mine")
    assert thief.said().status == 1
    assert "denied" in thief.said().text
    assert "<strong>Not done: </strong>" in thief.look()
    thief.type("docker tag pizza/cheese localhost/pizza/cheese")
    thief.type("docker push localhost/pizza/cheese")
    assert "denied" in thief.said().text


def test_every_kitchen_pushes_below_the_classs_name(app: Flask, cook: Visitor) -> None:
    cook.type("docker tag mine localhost/class/mine")
    assert "docker push localhost/class/mine" in look(cook)
    cook.type("docker push localhost/class/mine")
    assert cook.said().status == 0, cook.said()
    assert "Push again" in look(cook)
    assert 'data-offer="localhost/class/mine"' in look(opened(app))


def test_another_machine_is_not_taken_for_this_one(cook: Visitor) -> None:
    for host in ("10.1.2.3", "localhost:81", "registry.example"):
        cook.type(f"docker tag mine {host}/{cook.kitchen}/mine")
        cook.type(f"docker push {host}/{cook.kitchen}/mine")
        assert cook.said().status == 1
        assert "cannot be reached" in cook.said().text


def test_behind_a_forwarded_port_the_pages_own_commands_work(app: Flask) -> None:
    visitor = opened(app)
    visitor.client.set_cookie(f"kitchen-{visitor.kitchen}", key_of(visitor), domain="localhost")
    there = {"Host": "localhost:8080", "Origin": "http://localhost:8080"}
    for command in (
        "pull pizza/cheese",
        f"tag pizza/cheese localhost:8080/{visitor.kitchen}/c",
        f"push localhost:8080/{visitor.kitchen}/c",
    ):
        visitor.client.post(f"/k/{visitor.kitchen}/do", data={"command": command}, headers=there)
    assert visitor.said().status == 0, visitor.said()
    assert trip(visitor.get(f"/k/{visitor.kitchen}/counter", Host="localhost:8080").text)[0] == "out"
    other = opened(app)
    other.type(f"docker pull localhost:8080/{visitor.kitchen}/c")
    assert "cannot be reached" in other.said().text


def key_of(visitor: Visitor) -> str:
    found = visitor.client.get_cookie(f"kitchen-{visitor.kitchen}")
    assert found
    return found.value


def test_pulling_again_says_what_was_avoided(app: Flask, cook: Visitor) -> None:
    cook.type("docker pull pizza/pepperoni")
    page = look(cook)
    way, sent, avoided = trip(page)
    assert way == "in"
    assert "<small>from the menu" in page
    assert avoided > 200_000 > sent
    assert sum(size for moved, size in parcels(page) if moved == "no") == avoided
    assert "not even asked for" in page


def test_a_crowd_of_tags_leaves_ones_own_on_the_shelf(app: Flask, cook: Visitor) -> None:
    crowd = opened(app)
    crowd.type("docker pull pizza/dough")
    for n in range(EACH + 3):
        crowd.type(f"docker tag pizza/dough localhost/{crowd.kitchen}/d:{n}")
        crowd.type(f"docker push -q localhost/{crowd.kitchen}/d:{n}")
    cook.type(f"docker push localhost/{cook.kitchen}/mine")
    found = re.findall(r'data-offer="([^"]*)"', look(cook))
    assert found[0] == f"localhost/{cook.kitchen}/mine"
    assert sum(f"/{crowd.kitchen}/" in name for name in found) == EACH
    assert sum(f"/{crowd.kitchen}/" in name for name in re.findall(r'data-offer="([^"]*)"', look(crowd))) == EACH + 3


def test_the_counters_buttons_address_and_push(app: Flask) -> None:
    visitor = opened(app)
    visitor.type("docker pull pizza/cheese")
    visitor.here = f"/k/{visitor.kitchen}/counter"
    assert visitor.press("docker tag .*") == f"docker tag pizza/cheese localhost/{visitor.kitchen}/cheese"
    assert visitor.here.endswith("/counter#send")
    assert visitor.press("docker push .*") == f"docker push localhost/{visitor.kitchen}/cheese"
    assert trip(visitor.look())[0] == "out"
    neighbour = opened(app)
    neighbour.here = f"/k/{neighbour.kitchen}/counter"
    neighbour.press("docker pull .*")
    assert trip(neighbour.look())[0] == "in"


def test_what_docker_refused_is_said_there(app: Flask, cook: Visitor) -> None:
    cook.send("/do", {"command": "docker push localhost/other/mine", "then": "counter"})
    assert 'role="alert">' in look(cook)
    assert "localhost/other/mine" in look(cook)


def test_a_stranger_sees_the_shelf_and_no_password(app: Flask, cook: Visitor) -> None:
    cook.type(f"docker push localhost/{cook.kitchen}/mine")
    password = app.extensions["registry"].tokens.password(cook.kitchen)
    assert password in look(cook)
    page = Visitor(app).get(f"/k/{cook.kitchen}/counter").text
    assert password not in page
    assert f'data-offer="localhost/{cook.kitchen}/mine"' in page
    assert 'method="post"' not in page
    assert "Your kitchen" not in page


def test_an_image_of_another_registry_goes_home_as_an_archive(cook: Visitor) -> None:
    cook.type("docker tag mine registry.example/mine")
    page = look(cook, "?image=registry.example/mine:latest")
    assert "| docker load" in page
    assert "/save/registry.example/mine.tar" in page


@pytest.mark.parametrize(
    ("server", "tool"),
    [
        (Server("http", "localhost:8000"), "docker pull localhost:8000/a/b"),
        (Server("http", "127.0.0.1:8000"), "docker pull 127.0.0.1:8000/a/b"),
        (Server("http", "[::1]:8000"), "docker pull '[::1]:8000/a/b'"),
        (Server("https", "pizza.example"), "docker pull pizza.example/a/b"),
        (Server("http", "192.168.1.7:8000"), "curl -fsS http://192.168.1.7:8000/k/K/save/a/b.tar | docker load"),
        (Server("http", "pizza.local"), "curl -fsS http://pizza.local/k/K/save/a/b.tar | docker load"),
    ],
)
def test_docker_pulls_where_it_trusts_and_loads_elsewhere(server: Server, tool: str) -> None:
    assert takeaways(server, "K", "a/b", "a/b")[0].command == tool


def test_names_in_lines_are_quoted_for_a_shell() -> None:
    for line in takeaways(Server("http", "localhost"), "K", "a/b@sha256:x; rm -rf ~", ""):
        assert "rm" not in shlex.split(line.command)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("pizza/cheese:latest", "pizza/cheese:latest"),
        ("registry:2", "library/registry:2"),
        ("localhost:8000/k/mine:latest", "k/mine:latest"),
        ("quay.io/k/mine:latest", ""),
    ],
)
def test_a_name_has_a_place_in_this_registry_or_none(name: str, place: str) -> None:
    assert repository(name, "localhost:8000") == place


def test_a_root_file_system_is_imported(make_app: Callable[..., Flask], cook: Visitor) -> None:
    cook.type("docker run -d --name box pizza/cheese")
    tar = b"".join(_exported(cook))
    cook.send("/import", {"archive": (io.BytesIO(tar), "My Root.tar")})
    assert cook.said().status == 0, cook.said()
    assert cook.said().command == "docker import 'My Root.tar' my-root"
    assert "<b>import my-root" in cook.look()
    assert b"my-root:latest" in cook.state()


def _exported(visitor: Visitor) -> list[bytes]:
    """The merged root of a container, as tar."""
    journal = visitor.client.application.extensions["shop"].journal
    taken = io.BytesIO()

    class Out:
        def writer(self, _path: str) -> io.BytesIO:
            return taken

    taken.close = lambda: None  # type: ignore[method-assign]
    journal.do(visitor.kitchen, ["export", "box"], local=Out())
    return [taken.getvalue()]
