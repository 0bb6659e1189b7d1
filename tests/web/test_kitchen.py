"""The routes: who may write, what a form answers, and that a fragment is the page's own bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
from flask import Flask

from engine.journal import Journal, State
from tests.web.given import Visitor, forms
from web.guard import HEADERS, Limits
from web.menu import Dish
from web.scene import Looking
from web.view import Still, still


def test_the_first_page_invites(app: Flask) -> None:
    page = Visitor(app).look()
    assert [(form.method, form.action) for form in forms(page)] == [("post", "/")]
    assert "pizza/pepperoni" in page


def test_opening_a_kitchen_gives_its_key_to_this_browser_alone(app: Flask) -> None:
    answer = Visitor(app).post("/")
    cookie = answer.headers["Set-Cookie"]
    kitchen = answer.headers["Location"].removeprefix("/k/")
    assert cookie.startswith(f"kitchen-{kitchen}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_the_first_page_leads_back_to_the_kitchens_of_this_browser(app: Flask, visitor: Visitor) -> None:
    assert f"/k/{visitor.kitchen}" in visitor.get("/").text
    assert f"/k/{visitor.kitchen}" not in Visitor(app).get("/").text


def test_every_button_shows_the_docker_command_that_it_posts(visitor: Visitor) -> None:
    seen = set()
    for command in (
        "docker pull pizza/pepperoni",
        "docker run -d --name pizza-1 pizza/pepperoni",
        "docker stop pizza-1",
    ):
        for form in forms(visitor.look()):
            if form.fields.get("command"):
                seen.add(form.fields["command"].split()[1])
                assert form.fields["command"] in form.shown
        visitor.type(command)
    assert {"pull", "run", "exec", "commit", "diff", "stop", "rm", "rmi"} <= seen


def test_every_button_does_what_it_shows(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/pepperoni")
    visitor.type("docker run -d --name pizza-1 pizza/pepperoni")
    pressed = {form.words for form in forms(visitor.look()) if form.buttons and form.fields.get("command")}
    assert len(pressed) > 10
    for words in sorted(pressed):
        visitor.press(re.escape(words))
        assert (visitor.said().command, visitor.said().status) == (words, 0), visitor.said()
        visitor.type("jump 2")


def test_what_a_command_printed_shows_after_the_redirect(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    assert visitor.here.startswith(f"/k/{visitor.kitchen}")
    assert "Status: Downloaded newer image for pizza/cheese:latest" in visitor.said().text


def test_a_refused_command_shows_dockers_words_and_its_exit_code(visitor: Visitor) -> None:
    visitor.type("docker frobnicate")
    assert "'frobnicate' is not a docker command" in visitor.said().text
    assert visitor.said().status == 1


def test_the_headline_of_a_refusal_gives_the_reason_and_not_who_says_it(visitor: Visitor) -> None:
    for line, reason in (
        (
            "docker run pizza/nothing",
            "manifest for pizza/nothing:latest not found: manifest unknown: manifest unknown.",
        ),
        ("docker rmi nope", "No such image: nope"),
    ):
        visitor.type(line)
        told = re.search(r'<h1 id="headline"[^>]*>(.*?)</h1>', visitor.look())
        assert told
        assert re.sub("<[^>]*>", "", told[1]) == f"Not done: {reason}"


def test_where_one_can_only_look_the_page_says_so(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    state = json.loads(visitor.state())["states"]
    first, pulled = (visitor.get(f"/s/{one['id']}").text for one in state)
    assert "Here you can only look." in first
    assert "<kbd>$ docker pull pizza/cheese</kbd>" in pulled
    for page in (first, pulled):
        assert "Type docker commands" not in page
        assert "pointer" not in page.partition('id="what"')[0]


def test_an_open_quote_is_told(visitor: Visitor) -> None:
    visitor.type("docker exec pizza-1 sh -c 'echo")
    assert "No closing quotation: is a quote left open?" in visitor.said().text


def test_what_a_command_prints_cannot_become_markup(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    for command in (
        "docker '</pre></script><script>alert(1)</script>'",
        "docker tag pizza/cheese '</script><script>alert(1)</script>'",
        "docker run -d --name one -e 'A=</script><script>alert(1)</script>' pizza/cheese",
        "docker exec one sh -c 'echo x > \"/</script><script>alert(1)</script>\"'",
        "docker exec one sh -c 'echo x > \"/pizza/slice-3/<script>alert(1)<script>\"'",
        "docker commit -m '</script><script>alert(1)</script>' one two",
        "docker exec one echo '</script><script>alert(1)</script>'",
    ):
        visitor.type(command)
        assert "<script>alert" not in visitor.look()


def test_a_fragment_is_the_pages_own_bytes(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    fragment = visitor.get(visitor.here, **{"HX-Request": "true", "HX-Request-Type": "partial"}).text
    assert fragment.strip().startswith('<main id="kitchen"')
    assert fragment.strip() in visitor.look()


def test_htmx_gets_the_fragment_and_a_plain_form_303(visitor: Visitor) -> None:
    to, fields = f"/k/{visitor.kitchen}/do", {"command": "docker images"}
    assert visitor.post(to, fields).status_code == 303
    answer = visitor.post(to, fields, **{"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer.text.strip().startswith('<main id="kitchen"')
    assert "HX-Request" in answer.headers["Vary"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("do", {"command": "docker pull pizza/cheese"}),
        ("undo", {}),
        ("redo", {}),
        ("reset", {}),
        ("jump", {"state": "0"}),
    ],
)
def test_somebody_elses_kitchen_is_read_and_never_written(
    app: Flask, visitor: Visitor, path: str, fields: dict[str, str]
) -> None:
    visitor.type("docker pull pizza/dough")
    stranger, before = Visitor(app), visitor.state()
    stranger.open()
    assert stranger.get(f"/k/{visitor.kitchen}").status_code == 200
    assert stranger.get(f"/k/{visitor.kitchen}/state.json").data == before
    answer = stranger.post(f"/k/{visitor.kitchen}/{path}", fields)
    assert answer.status_code == 403
    assert "somebody else" in answer.text
    assert visitor.state() == before


def test_a_key_of_one_kitchen_opens_no_other(app: Flask, visitor: Visitor) -> None:
    stranger = Visitor(app)
    stranger.open()
    cookie = stranger.client.get_cookie(f"kitchen-{stranger.kitchen}")
    assert cookie
    stranger.client.set_cookie(f"kitchen-{visitor.kitchen}", cookie.value)
    assert stranger.post(f"/k/{visitor.kitchen}/do", {"command": "docker pull pizza/cheese"}).status_code == 403


def test_a_stranger_sees_no_forms_but_the_fork(app: Flask, visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    page = Visitor(app).get(visitor.here).text
    assert {form.action.split("/")[-1] for form in forms(page) if form.buttons and not form.disabled} <= {"fork", ""}
    assert "/resume/" not in page


def test_what_was_drawn_for_the_owner_gives_a_stranger_no_forms(app: Flask, visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    owners = visitor.look()
    path = f"/k/{visitor.kitchen}"
    stranger = Visitor(app).get(path).get_data(as_text=True)
    assert len(forms(owners)) > 10
    assert [
        form.action.rpartition("/")[2] for form in forms(stranger) if form.action and form.buttons and not form.disabled
    ] == ["fork"]
    assert "/resume/" in owners
    assert "/resume/" not in stranger
    assert visitor.look() == owners


def test_a_state_that_one_comes_back_to_is_not_drawn_again(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def counted(journal: Journal, menu: Sequence[Dish], shown: State, looking: Looking, *, writable: bool) -> Still:
        drawn.append(shown.id)
        return still(journal, menu, shown, looking, writable=writable)

    monkeypatch.setattr("web.answers.still", counted)
    visitor.type("docker pull pizza/cheese")
    first = visitor.look()
    visitor.type("docker run -d --name box pizza/cheese")
    visitor.look()
    made = len(drawn)
    visitor.press("undo")
    back = visitor.look()
    visitor.press("redo")
    visitor.look()
    assert len(drawn) <= made + 1  # the picture before had another subject's address
    assert re.findall('data-digest="[^"]*"', back) == re.findall('data-digest="[^"]*"', first)


def test_forking_gives_a_kitchen_of_ones_own_and_leaves_the_other(app: Flask, visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    before = visitor.state()
    stranger = Visitor(app)
    shown = re.findall(r'action="(/s/[^"]+/fork)"', stranger.get(f"/k/{visitor.kitchen}").text)[0]
    for way in (f"/k/{visitor.kitchen}/fork", shown):
        answer = stranger.post(way)
        stranger.kitchen = answer.headers["Location"].removeprefix("/k/")
        assert stranger.kitchen != visitor.kitchen
        stranger.type("docker rmi pizza/cheese")
        assert b'"images":[]' in stranger.state()
    assert visitor.state() == before


def test_the_command_fork_is_the_button_fork(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    visitor.type("fork")
    assert re.fullmatch(r"/k/[0-9a-f]{16}", visitor.here)
    assert visitor.here != f"/k/{visitor.kitchen}"


def test_a_fork_asked_for_by_htmx_is_followed_by_the_browser(visitor: Visitor) -> None:
    answer = visitor.post(f"/k/{visitor.kitchen}/do", {"command": "fork"}, **{"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"][:3]) == (200, "/k/")


def test_the_resume_address_opens_the_kitchen_in_another_browser(app: Flask, visitor: Visitor) -> None:
    address = re.findall(r'href="(/resume/[^"]+)"', visitor.look())[0]
    other = Visitor(app)
    answer = other.get(address)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/k/{visitor.kitchen}")
    other.kitchen = visitor.kitchen
    assert other.post(f"/k/{visitor.kitchen}/do", {"command": "docker pull pizza/cheese"}).status_code == 303


def test_a_wrong_resume_address_opens_nothing(app: Flask) -> None:
    answer = Visitor(app).get("/resume/x")
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (404, False)


@pytest.mark.parametrize(
    "path", ["/k/nobody", "/k/nobody/state.json", "/s/nothing", "/s/nothing/state.json", "/nowhere"]
)
def test_what_is_not_there_is_404_in_words(app: Flask, path: str) -> None:
    answer = Visitor(app).get(path)
    assert answer.status_code == 404
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("path", ["/k/nobody/do", "/k/nobody/undo", "/k/nobody/fork", "/s/nothing/fork"])
def test_writing_to_what_is_not_there_is_404(app: Flask, path: str) -> None:
    assert Visitor(app).post(path, {"command": "docker ps"}).status_code == 404


def test_a_shared_state_stays_as_it_was(app: Flask, visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    address = f"/s/{json.loads(visitor.state())['state']}"
    before = visitor.get(f"{address}/state.json").json
    visitor.type("docker rmi pizza/cheese")
    after = Visitor(app).get(f"{address}/state.json").json
    assert before
    assert after
    assert after["images"] == before["images"]
    shown = forms(visitor.get(address).text)
    assert {form.action for form in shown if form.buttons and not form.disabled} <= {f"{address}/fork", ""}


@pytest.mark.parametrize(
    "command",
    [
        "docker save -o /tmp/out.tar pizza/cheese",
        "docker save pizza/cheese",
        "docker load -i /etc/passwd",
        "docker export -o /tmp/out.tar pizza-1",
        "docker cp /etc/passwd pizza-1:/pizza/passwd",
        "docker cp pizza-1:/pizza/slice-1/crust /tmp/here",
    ],
)
def test_a_visitors_command_reaches_no_file_of_the_server(visitor: Visitor, command: str) -> None:
    visitor.type("docker pull pizza/cheese")
    visitor.type("docker run -d --name pizza-1 pizza/cheese")
    before = visitor.state()
    visitor.type(command)
    assert "no files of yours here" in visitor.said().text
    assert visitor.state() == before


@pytest.mark.parametrize("verb", ["fsck", "gc", "fork somebody"])
def test_verbs_over_everybodys_data_are_the_keepers(visitor: Visitor, verb: str) -> None:
    visitor.type(verb)
    assert "only who keeps the server may do that" in visitor.said().text


def test_a_command_ends_when_its_time_is_up(make_app: Callable[..., Flask]) -> None:
    visitor = Visitor(make_app(limits=Limits(delivery_seconds=0)))
    visitor.open()
    visitor.type("docker pull pizza/cheese")
    assert "cancelled" in visitor.said().text
    assert b'"images":[]' in visitor.state()


@pytest.mark.parametrize(
    "script",
    [
        "while :; do :; done",
        "x=$(printf %04096d {1..125}); while :; do y=$x; done",
        'grep -E "(0|0?)+(0|0?)+(0|0?)+(0|0?)+x" /line',
        "while :; do cat /line > /copy; done",
    ],
)
def test_a_command_ends_soon_after_its_time_whatever_it_does(
    make_app: Callable[..., Flask], script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, asked = Visitor(make_app(limits=Limits(seconds=5))), [0]
    visitor.open()
    for command in (
        "docker pull pizza/cheese",
        "docker run -d --name box pizza/cheese",
        "docker exec box sh -c 'printf %04096d {1..30} > /line'",
    ):
        visitor.type(command)
    before = visitor.state()

    def monotonic() -> float:
        """A second passes each time that somebody looks."""
        asked[0] += 1
        return float(asked[0])

    monkeypatch.setattr("web.shop.time", SimpleNamespace(monotonic=monotonic))
    visitor.type(f"docker exec box sh -c '{script}'")
    assert "cancelled" in visitor.said().text
    assert asked[0] == 7  # once for the deadline, five times before it and once after
    assert visitor.state() == before


# Hosts and origins


def test_a_foreign_host_is_turned_away(app: Flask) -> None:
    answer = Visitor(app).get("/", Host="evil.example")
    assert answer.status_code == 421
    assert "--name" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_change_that_another_origin_asks_for_is_refused(visitor: Visitor, headers: dict[str, str]) -> None:
    before = visitor.state()
    answer = visitor.post(f"/k/{visitor.kitchen}/do", {"command": "docker pull pizza/cheese"}, **headers)
    assert answer.status_code == 403
    assert visitor.post("/", **headers).status_code == 403
    assert visitor.state() == before


def test_a_client_that_names_no_origin_may_write_with_its_key(visitor: Visitor) -> None:
    to = f"/k/{visitor.kitchen}/do"
    answer = visitor.client.post(to, data={"command": "docker images"}, headers={"Host": "localhost"})
    assert answer.status_code == 303


@pytest.mark.parametrize("path", ["/", "/nowhere", "/static/kitchen.css", "/k/nobody"])
def test_every_answer_is_hardened(app: Flask, path: str) -> None:
    answer = Visitor(app).get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    answer.close()


def test_the_policy_allows_no_inline_script_or_style_and_no_frame() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_pages_have_no_inline_script_or_style(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    for page in (visitor.look(), visitor.get("/").text):
        assert not re.search(
            r"<script(?![^>]*\s(?:src=|type=.application/json.))|<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", page
        )


def test_pages_ask_no_other_host_for_anything(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    for page in (visitor.look(), visitor.get("/").text):
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*"', page)


# Bounds


def test_a_long_command_is_refused(visitor: Visitor) -> None:
    answer = visitor.post(f"/k/{visitor.kitchen}/do", {"command": "docker exec pizza-1 echo " + "x" * 17_000})
    assert answer.status_code == 413


def test_a_large_body_is_refused(visitor: Visitor) -> None:
    assert visitor.post(f"/k/{visitor.kitchen}/do", {"command": "x" * 70_000}).status_code == 413


def test_an_address_opens_a_bounded_number_of_kitchens_a_minute(make_app: Callable[..., Flask]) -> None:
    visitor = Visitor(make_app(limits=Limits(kitchens_a_minute=3)))
    answers = [visitor.post("/") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    kitchen = answers[0].headers["Location"]
    assert visitor.post(f"{kitchen}/fork").status_code == 429


def test_a_kitchen_sends_a_bounded_number_of_commands(make_app: Callable[..., Flask]) -> None:
    visitor = Visitor(make_app(limits=Limits(burst=2, commands_a_second=1)))
    visitor.open()
    codes = [visitor.post(f"/k/{visitor.kitchen}/do", {"command": "docker ps"}).status_code for _ in range(3)]
    assert codes == [303, 303, 429]


def test_a_failure_of_ours_is_told_without_its_inside(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(app.extensions["shop"].journal, "create", broken)
    app.testing = False
    answer = Visitor(app).post("/")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "your kitchen is as it was" in answer.text


def test_what_a_kitchens_quota_refuses_leaves_nothing_in_the_pool(app: Flask, visitor: Visitor) -> None:
    blobs = app.extensions["shop"].journal.blobs
    fill = "docker exec pp sh -c 'echo {} > /big; head -c 60000000 /dev/zero >> /big'"
    for command in ("docker pull pizza/pepperoni", "docker run -d --name pp pizza/pepperoni", fill.format("first")):
        visitor.type(command)
        assert visitor.said().status == 0
    before = {digest: blobs.size(digest) for digest in blobs}
    assert sum(before.values()) < 61_000_000  # the file is there once, however often it was written to
    for n in range(3):
        visitor.type(fill.format(n))
        assert "more than the allowed 67,108,864" in visitor.said().text
    assert {digest: blobs.size(digest) for digest in blobs} == before
