"""How a kitchen is answered for: its page or the fragment alone, drawn once for each state, and where a form leads."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl

from flask import make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from engine.journal import State
from web.guard import cookie_name, give_key
from web.headline import headline
from web.motion import motion
from web.scene import Looking, settle
from web.shop import run, shop_here
from web.timeline import Step, timeline
from web.uploads import Uploaded
from web.view import Drawn, Moved, still, view


def enter(kitchen: str, secret: str) -> AnyResponse:
    """To a kitchen, with its key."""
    response = redirect(url_for("kitchen.show", kitchen=kitchen), 303)
    give_key(response, kitchen, secret)
    return response


def fork_of(state_id: str) -> AnyResponse:
    """To a kitchen of the visitor's own that begins at this state."""
    shop_here().guard.new_kitchen()
    made = shop_here().journal.fork(state_id)
    response = enter(made.id, made.secret)
    if wants_fragment():
        response.status_code = 200
        response.headers["HX-Redirect"] = response.headers.pop("Location")
    return response


def after(kitchen: str, typed: str, argv: list[str], sent: Uploaded | None = None) -> AnyResponse:
    """To the owner, once a command was run or has become a delivery."""
    done = run(kitchen, typed, argv, sent)
    if done is None:
        return answer(kitchen)
    return answer(kitchen, done.state, "" if not done.changed else "back" if argv[0] == "undo" else "forward")


def answer(kitchen: str, head: State | None = None, moved: Moved = "") -> AnyResponse:
    """To the owner after a command: the fragment for htmx, a redirect for a plain form."""
    if request.form.get("then") == "counter":
        anchor = {"tag": "send"}.get(request.form.get("command", "").removeprefix("docker ").partition(" ")[0])
        return redirect(url_for("delivering.counter", kitchen=kitchen, _anchor=anchor), 303)
    head = head or shop_here().journal.head(kitchen)
    if wants_fragment():
        return page(head, mine=True, moved=moved)
    looking = looking_after()
    if moved == "forward":
        looking = settle(head.host, looking, (shop_here().terminals.lines(kitchen) or ())[-1].made)
    return redirect(f"{url_for('kitchen.show', kitchen=kitchen)}?{looking.query}", 303)


def looking_after() -> Looking:
    """Where a form was pressed, for the page after it: the fields of its ``looking``, or the address's own words."""
    asked = dict(parse_qsl(request.form.get("looking", ""))) if request.method == "POST" else request.args
    return Looking.read(asked)


def wants_fragment() -> bool:
    """Whether htmx asks, for what it swaps in."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def page(shown: State, *, mine: bool = False, past: bool = False, moved: Moved = "") -> AnyResponse:
    """A kitchen's page, or its fragment alone; to its owner (`mine`) with forms and its key."""
    shop = shop_here()
    lines = None if past else shop.terminals.lines(shown.kitchen)
    fresh = lines[-1].made if lines and moved == "forward" else ()
    parts = drawn(shown, settle(shown.host, looking_after(), fresh), writable=mine)
    under_way = None if past else shop.deliveries.of(shown.kitchen)
    seen = view(shown, parts, _time(shown, parts, onward=not past), lines, past=past, moved=moved, delivery=under_way)
    template = "_kitchen.html" if wants_fragment() else "kitchen.html"
    key = request.cookies.get(cookie_name(shown.kitchen)) if mine else None
    response = make_response(render_template(template, view=seen, key=key))
    response.vary.add("HX-Request")
    return response


def drawn(shown: State, looking: Looking, *, writable: bool) -> Drawn:
    """The parts of a page that nothing but a state, and what is asked to be seen of it, decide."""
    shop = shop_here()

    def draw() -> Drawn:
        one = still(shop.journal, shop.menu, shown, looking, writable=writable)
        parts = {
            name: Markup(render_template(f"_{name}.html", still=one, picture=one.picture))  # noqa: S704
            for name in ("menu", "picture", "actions", "ledger")
        }
        said, plays = headline(shown.events), motion(shown.events)
        return Drawn(writable, looking, said, plays, one.subjects, one.told, **parts)

    return shop.drawn.get((shown.id, looking, writable), draw)


def _time(shown: State, parts: Drawn, *, onward: bool) -> Markup:
    """The scrubber of a kitchen that stands on `shown`, whose moves leave the eye where it is; `onward`, with the
    states that redo leads to, and else with those alone that led there."""
    entries = shop_here().journal.entries(shown.kitchen)

    def draw() -> Markup:
        line = timeline(entries, shown.id, onward=onward)
        words = {"kitchen": shown.kitchen, "looking": parts.looking, "writable": parts.writable}
        return Markup(render_template("_time.html", timeline=line, **words))  # noqa: S704

    newest = entries[-1].id if onward else ""
    return shop_here().times.get((shown.id, entries[0].id, newest, parts.looking, parts.writable), draw)


@lru_cache(maxsize=16_384)
def drawn_step(step: Step, writable: bool) -> Markup:
    """One step of the scrubber as markup, which most answers have in common with the one before."""
    return Markup(render_template("_step.html", step=step, writable=writable))  # noqa: S704
