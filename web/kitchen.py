"""The kitchen's routes: open one, look at it, send it docker commands, move through its states, share and fork it.

Every change is a form's POST. Without JavaScript it answers 303 to the kitchen; htmx gets the same kitchen as a
fragment, byte for byte as it stands in the page. A command that docker would refuse is no HTTP error: it shows in the
terminal with its exit code.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import Final
from urllib.parse import parse_qsl

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from markupsafe import Markup
from werkzeug.exceptions import Forbidden, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from engine.context import Local
from engine.errors import CommandError, EngineError
from engine.events import Event as Fact
from engine.image import Recent
from engine.journal import Done, Journal, State, moves_blobs
from web import completion, counter, orders, state, welcome
from web.deliveries import Deliveries, Delivery
from web.guard import Guard, cookie_name, give_key
from web.headline import headline
from web.menu import Dish
from web.motion import motion
from web.registry import Desk
from web.scene import Looking, settle
from web.slide import Theme, slide
from web.takeaway import Server
from web.terminals import Terminals, line
from web.timeline import Step, timeline
from web.typed import CLEAR, more_help, words
from web.uploads import ARCHIVE_MAX, ARCHIVE_SLACK, FORM_MEMORY, Uploaded
from web.view import Drawn, Moved, still, view

blueprint = Blueprint("kitchen", __name__)

OF_THE_KEEPER: Final = frozenset({"fsck", "gc"})
"""Verbs of the journal that go over everybody's data."""


DRAWN: Final = 256
"""Stills that are kept as markup, of about 100 kB each."""


@dataclass(frozen=True)
class Shop:
    """What the routes work with: one for each application, in ``app.extensions["shop"]``."""

    journal: Journal
    guard: Guard
    menu: tuple[Dish, ...]
    terminals: Terminals
    another: Callable[[], Journal]
    """Opens the journal's data once more, with times and ids of its own."""
    stopping: Event
    """Set once the server was told to stop: commands under way then end."""
    deliveries: Deliveries
    drawn: Recent[tuple[str, Looking, bool], Drawn] = field(default_factory=lambda: Recent(DRAWN))
    """By state, by whom and what the address asks to see, and by whether there are forms."""
    times: Recent[tuple[str, str, str, Looking, bool], Markup] = field(default_factory=lambda: Recent(DRAWN))
    """Scrubbers: by state, by the oldest and the newest that are kept, by what is looked at, and whether with forms."""


@blueprint.get("/")
def index() -> str:
    """Invites: open a kitchen, look into one, or go back to one that this browser has the key of."""
    shop = _shop()
    shown = welcome.state(shop.journal, shop.menu, shop.another)
    picture = _drawn(shown, settle(shown.host, Looking()), writable=False).picture if shown else None
    return render_template("index.html", kitchens=_mine(), shown=shown, picture=picture)


@blueprint.post("/")
def create() -> AnyResponse:
    """Opens a kitchen and gives its key to this browser."""
    _shop().guard.new_kitchen()
    kitchen = _shop().journal.create()
    return _enter(kitchen.id, kitchen.secret)


@blueprint.get("/k/<kitchen>")
def show(kitchen: str) -> AnyResponse:
    """The kitchen's page; anybody may look."""
    return _page(_shop().journal.head(kitchen), mine=_owns(kitchen))


@blueprint.get("/k/<kitchen>/state.json")
def state_json(kitchen: str) -> AnyResponse:
    """The kitchen's state, as `web.state.KitchenState` documents it."""
    return Response(state.encode(state.describe(_shop().journal, kitchen)), mimetype="application/json")


@blueprint.post("/k/<kitchen>/do")
def do(kitchen: str) -> AnyResponse:
    """Runs one docker command: the form's field ``command``, with or without the word docker."""
    typed = request.form.get("command", "").strip()
    _own(kitchen)
    limit = _shop().guard.limits.command
    if len(typed) > limit:
        raise RequestEntityTooLarge(f"the command is longer than {limit:,} characters")
    try:
        argv = words(typed)
    except ValueError as error:
        _shop().terminals.show(kitchen, line(typed, "", f"{error}: is a quote left open?\n", 2))
        return _answer(kitchen)
    if argv == CLEAR:
        _shop().terminals.clear(kitchen)
        return _answer(kitchen)
    if argv[:1] == ["fork"] and len(argv) == 1:
        return _fork(_shop().journal.kitchen(kitchen).head)
    return _run(kitchen, typed, argv)


@blueprint.post("/k/<kitchen>/edit")
def edit(kitchen: str) -> AnyResponse:
    """Gives a file of a container a whole new text: the command that does so, made of the fields, and run."""
    _own(kitchen)
    fields = {name: request.form.get(name, "") for name in ("container", "path", "text")}
    typed = orders.write(fields["container"], fields["path"], fields["text"].replace("\r\n", "\n"))
    if len(typed) > _shop().guard.limits.command:
        raise RequestEntityTooLarge(f"the text is longer than {_shop().guard.limits.command:,} characters")
    return _run(kitchen, typed, words(typed))


@blueprint.get("/k/<kitchen>/complete")
def complete(kitchen: str) -> AnyResponse:
    """What could stand at the end of the ``line``: where the word begins, and what it could be."""
    shop = _shop()
    host = shop.journal.head(kitchen).host
    typed = request.args.get("line", "")[: shop.guard.limits.command]
    start, words = completion.complete(shop.journal.context, host, [dish.name for dish in shop.menu], typed)
    return jsonify(start=start, words=words)


@blueprint.get("/k/<kitchen>/delivery")
def delivery(kitchen: str) -> AnyResponse:
    """How far the kitchen's delivery has come, as a fragment; the whole kitchen once it has ended."""
    shop = _shop()
    head = shop.journal.head(kitchen)
    under_way = shop.deliveries.of(kitchen)
    if not _wants_fragment():
        return redirect(url_for(".show", kitchen=kitchen), 303)
    then = "counter" if request.args.get("then") == "counter" else ""
    if under_way:
        words = {"kitchen": kitchen, "looking": _looking_after(), "writable": _owns(kitchen), "then": then}
        return make_response(render_template("_underway.html", delivery=under_way, **words))
    if then:
        return Response(headers={"HX-Redirect": url_for(".show_counter", kitchen=kitchen)})
    lines = shop.terminals.lines(kitchen)
    response = _page(head, mine=_owns(kitchen), moved="forward" if lines and lines[-1].changed else "")
    response.headers |= {"HX-Retarget": "#kitchen", "HX-Reswap": "outerMorph"}
    return response


@blueprint.post("/k/<kitchen>/cancel")
def cancel(kitchen: str) -> AnyResponse:
    """Stops the kitchen's delivery; nothing of it is kept."""
    _own(kitchen)
    under_way = _shop().deliveries.of(kitchen)
    if under_way:
        under_way.cancel()
        under_way.ended.wait(_shop().deliveries.patience)
    return _answer(kitchen)


@blueprint.post("/k/<kitchen>/load")
def load(kitchen: str) -> AnyResponse:
    """Loads the archive in the form's field ``archive``: `docker save`'s, or an OCI layout in a tar."""
    return _bring(kitchen, "load -i", lambda _file: ["load"])


@blueprint.post("/k/<kitchen>/import")
def import_(kitchen: str) -> AnyResponse:
    """Makes an image of one layer of the root file system in the form's field ``archive``."""
    return _bring(kitchen, "import", lambda file: ["import", "-", _plain(file)])


@blueprint.get("/k/<kitchen>/counter")
def show_counter(kitchen: str) -> AnyResponse:
    """What goes out of the kitchen and comes into it; see `web.counter`."""
    shop, mine = _shop(), _owns(kitchen)
    head = shop.journal.head(kitchen)
    desk: Desk = current_app.extensions["registry"]
    seen = counter.view(
        shop.journal,
        head,
        desk.registry,
        server=Server(request.scheme, request.host),
        lines=shop.terminals.lines(kitchen) or (),
        password=desk.tokens.password(kitchen) if mine else "",
        chosen=request.args.get("image", ""),
        delivery=shop.deliveries.of(kitchen),
    )
    return make_response(render_template("counter.html", view=seen))


@blueprint.get("/k/<kitchen>/save/<path:name>.tar")
def save(kitchen: str, name: str) -> AnyResponse:
    """An image of the kitchen as `docker save` writes it, streamed; for ``docker load`` on a machine of one's own."""
    made = _shop().journal.archive(kitchen, name)
    response = Response(made.pieces, mimetype="application/x-tar")
    response.content_length = made.size
    response.headers.set(
        "Content-Disposition", "attachment", filename=f"{name.replace('/', '-').replace(':', '-')}.tar"
    )
    return response


@blueprint.post("/k/<kitchen>/<any(undo, redo):verb>")
def move(kitchen: str, verb: str) -> AnyResponse:
    """Moves the head to its parent, or to its newest child."""
    _own(kitchen)
    return _run(kitchen, verb, [verb])


@blueprint.post("/k/<kitchen>/jump")
def jump(kitchen: str) -> AnyResponse:
    """Moves the head to the kept state that the field ``state`` names by number or id."""
    _own(kitchen)
    wanted = request.form.get("state", "").strip()[:80]
    return _run(kitchen, f"jump {wanted}", ["jump", wanted])


@blueprint.post("/k/<kitchen>/reset")
def reset(kitchen: str) -> AnyResponse:
    """Moves the head to the oldest state that is kept; what came after stays in the tree."""
    _own(kitchen)
    first = _shop().journal.entries(kitchen)[0].number
    return _run(kitchen, f"jump {first}", ["jump", str(first)])


@blueprint.post("/k/<kitchen>/fork")
def fork(kitchen: str) -> AnyResponse:
    """A kitchen of the visitor's own that begins where this one stands."""
    return _fork(_shop().journal.kitchen(kitchen).head)


@blueprint.get("/s/<state_id>")
def show_state(state_id: str) -> AnyResponse:
    """Any kept state, to read and to fork."""
    return _page(_shop().journal.state(state_id), past=True)


@blueprint.get("/s/<state_id>/state.json")
def past_state_json(state_id: str) -> AnyResponse:
    """Any kept state, as `web.state.KitchenState` documents it."""
    found = _shop().journal.state(state_id)
    described = state.describe_state(_shop().journal, found)
    return Response(state.encode(described), mimetype="application/json")


@blueprint.get("/s/<state_id>/picture.svg")
def picture_svg(state_id: str) -> AnyResponse:
    """The picture of any kept state as one self-contained file, ``?theme=dark`` on dark paper."""
    shop = _shop()
    shown = shop.journal.state(state_id)
    page = str(_drawn(shown, settle(shown.host, _looking_after()), writable=False).picture)
    sheets = [render_template("symbols.svg"), render_template("_surfaces.svg")]
    css = Path(current_app.static_folder or "", "picture.css").read_text(encoding="utf-8")
    theme: Theme = "dark" if request.args.get("theme") == "dark" else "light"
    drawing = Response(slide(page, sheets, css, theme), mimetype="image/svg+xml")
    drawing.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return drawing


@blueprint.post("/s/<state_id>/fork")
def fork_state(state_id: str) -> AnyResponse:
    """A kitchen of the visitor's own that begins at any kept state."""
    return _fork(state_id)


@blueprint.get("/resume/<secret>")
def resume(secret: str) -> AnyResponse:
    """Gives the key of a kitchen to another browser, and goes there."""
    kitchen = _shop().journal.owner(secret)
    if kitchen is None:
        abort(404, "no kitchen has this key; copy the whole address")
    return _enter(kitchen, secret)


@blueprint.app_template_filter("drawn_step")
@lru_cache(maxsize=16_384)
def drawn_step(step: Step, writable: bool) -> Markup:
    """One step of the scrubber as markup, which most answers have in common with the one before."""
    return Markup(render_template("_step.html", step=step, writable=writable))  # noqa: S704


# Within


def _shop() -> Shop:
    shop: Shop = current_app.extensions["shop"]
    return shop


def _mine() -> list[str]:
    """The kitchens whose keys this browser holds."""
    prefix = cookie_name("")
    held = [(name.removeprefix(prefix), secret) for name, secret in request.cookies.items() if name.startswith(prefix)]
    return sorted(kitchen for kitchen, secret in held if _shop().journal.owns(kitchen, secret))


def _owns(kitchen: str) -> bool:
    secret = request.cookies.get(cookie_name(kitchen))
    return secret is not None and _shop().journal.owns(kitchen, secret)


def _own(kitchen: str) -> None:
    """Goes on only for the kitchen's owner. `KitchenUnknown` where there is none."""
    if not _owns(kitchen):
        _shop().journal.kitchen(kitchen)
        raise Forbidden("this kitchen is somebody else's: fork it to change your own copy, or resume it by its key")


def _enter(kitchen: str, secret: str) -> AnyResponse:
    response = redirect(url_for(".show", kitchen=kitchen), 303)
    give_key(response, kitchen, secret)
    return response


def _fork(state_id: str) -> AnyResponse:
    _shop().guard.new_kitchen()
    made = _shop().journal.fork(state_id)
    response = _enter(made.id, made.secret)
    if _wants_fragment():
        response.status_code = 200
        response.headers["HX-Redirect"] = response.headers.pop("Location")
    return response


def _run(kitchen: str, typed: str, argv: list[str], sent: Uploaded | None = None) -> AnyResponse:
    """One command, its outcome shown in the kitchen's terminal: the answer to its owner."""
    shop = _shop()
    with shop.guard.command(kitchen):
        if moves_blobs(argv):
            done = _deliver(kitchen, typed, argv, sent)
        else:
            done = carry_out(shop, kitchen, typed, argv, _until(time.monotonic() + shop.guard.limits.seconds))
    if done is None:
        return _answer(kitchen)
    return _answer(kitchen, done.state, "" if not done.changed else "back" if argv[0] == "undo" else "forward")


def _deliver(kitchen: str, typed: str, argv: list[str], sent: Uploaded | None) -> Done | None:
    """A command that moves blobs, as a delivery, which is waited for a moment; None where it was refused or goes on."""
    shop = _shop()
    late = _until(time.monotonic() + shop.guard.limits.delivery_seconds)
    outcome: list[Done | None] = []

    def work(delivery: Delivery) -> None:
        with closing(sent) if sent else nullcontext():
            cancelled = lambda: late() or delivery.cancelled()  # noqa: E731
            outcome.append(carry_out(shop, kitchen, typed, argv, cancelled, delivery.tell, sent))

    delivery = shop.deliveries.begin(kitchen, typed, work)
    if delivery:
        return outcome[0] if delivery.ended.wait(shop.deliveries.patience) and outcome else None
    if sent:
        sent.close()
    shop.terminals.show(kitchen, line(typed, "", "another delivery is under way: wait for it, or stop it\n", 1))
    return None


def carry_out(
    shop: Shop,
    kitchen: str,
    typed: str,
    argv: list[str],
    cancelled: Callable[[], bool],
    progress: Callable[[Fact], None] | None = None,
    local: Local | None = None,
) -> Done | None:
    """Runs a command and shows in the kitchen's terminal what it came to; None where it was refused."""
    try:
        if argv and argv[0] in OF_THE_KEEPER | {"fork"}:
            raise CommandError(f"{argv[0]}: only who keeps the server may do that: python -m engine {argv[0]}")
        done = shop.journal.do(kitchen, argv, cancelled=cancelled, progress=progress, local=local)
    except EngineError as error:
        status = error.exit_code if isinstance(error, CommandError) else 1
        shop.terminals.show(kitchen, line(typed, "", f"{error}\n{more_help(argv)}", status))
        return None
    shop.terminals.show(kitchen, line(typed, done.out + more_help(argv), done.err, done.status, done.events))
    return done


def _bring(kitchen: str, verb: str, argv: Callable[[str], list[str]]) -> AnyResponse:
    """The command `argv` over the form's file, which it has at its standard input; shown as it is typed at home."""
    _own(kitchen)
    quota = _shop().journal.quota
    request.max_content_length = ARCHIVE_MAX if quota is None else quota + ARCHIVE_SLACK
    request.max_form_memory_size = FORM_MEMORY  # of what is looked at at once; the file itself goes to a temporary one
    sent = request.files.get("archive")
    if not sent or not sent.filename:
        abort(400, "choose a file first: `docker save` writes one")
    words = argv(sent.filename)
    typed = shlex.join(["docker", *verb.split(), sent.filename[-80:], *words[2:]])
    return _run(kitchen, typed, words, Uploaded(sent.stream))


def _plain(file: str) -> str:
    """A repository's name for what a file of that name brings."""
    return re.sub(r"[^a-z0-9]+", "-", file.partition(".tar")[0].lower()).strip("-")[:60] or "imported"


def _until(deadline: float) -> Callable[[], bool]:
    """Whether a command has to end: its time is up, or the server stops."""
    stopping = _shop().stopping
    return lambda: stopping.is_set() or time.monotonic() > deadline


def _answer(kitchen: str, head: State | None = None, moved: Moved = "") -> AnyResponse:
    """To the owner after a command: the fragment for htmx, a redirect for a plain form."""
    if request.form.get("then") == "counter":
        return redirect(url_for(".show_counter", kitchen=kitchen), 303)
    head = head or _shop().journal.head(kitchen)
    if _wants_fragment():
        return _page(head, mine=True, moved=moved)
    looking = _looking_after()
    if moved == "forward":
        looking = settle(head.host, looking, (_shop().terminals.lines(kitchen) or ())[-1].made)
    return redirect(f"{url_for('.show', kitchen=kitchen)}?{looking.query}", 303)


def _looking_after() -> Looking:
    """Where a form was pressed, for the page after it: the fields of its ``looking``, or the address's own words."""
    asked = dict(parse_qsl(request.form.get("looking", ""))) if request.method == "POST" else request.args
    return Looking.read(asked)


def _wants_fragment() -> bool:
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def _page(shown: State, *, mine: bool = False, past: bool = False, moved: Moved = "") -> AnyResponse:
    """A kitchen's page, or its fragment alone; to its owner (`mine`) with forms and its key."""
    shop = _shop()
    lines = None if past else shop.terminals.lines(shown.kitchen)
    fresh = lines[-1].made if lines and moved == "forward" else ()
    drawn = _drawn(shown, settle(shown.host, _looking_after(), fresh), writable=mine)
    under_way = None if past else shop.deliveries.of(shown.kitchen)
    seen = view(shown, drawn, _time(shown, drawn, onward=not past), lines, past=past, moved=moved, delivery=under_way)
    template = "_kitchen.html" if _wants_fragment() else "kitchen.html"
    key = request.cookies.get(cookie_name(shown.kitchen)) if mine else None
    response = make_response(render_template(template, view=seen, key=key))
    response.vary.add("HX-Request")
    return response


def _drawn(shown: State, looking: Looking, *, writable: bool) -> Drawn:
    """The parts of a page that nothing but a state, and what is asked to be seen of it, decide."""
    shop = _shop()

    def draw() -> Drawn:
        one = still(shop.journal, shop.menu, shown, looking, writable=writable)
        parts = {
            name: Markup(render_template(f"_{name}.html", still=one, picture=one.picture))  # noqa: S704
            for name in ("menu", "picture", "actions", "ledger")
        }
        said, plays = headline(shown.events), motion(shown.events)
        return Drawn(writable, looking, said, plays, one.subjects, one.told, **parts)

    return shop.drawn.get((shown.id, looking, writable), draw)


def _time(shown: State, drawn: Drawn, *, onward: bool) -> Markup:
    """The scrubber of a kitchen that stands on `shown`, whose moves leave the eye where it is; `onward`, with the
    states that redo leads to, and else with those alone that led there."""
    entries = _shop().journal.entries(shown.kitchen)

    def draw() -> Markup:
        line = timeline(entries, shown.id, onward=onward)
        words = {"kitchen": shown.kitchen, "looking": drawn.looking, "writable": drawn.writable}
        return Markup(render_template("_time.html", timeline=line, **words))  # noqa: S704

    newest = entries[-1].id if onward else ""
    return _shop().times.get((shown.id, entries[0].id, newest, drawn.looking, drawn.writable), draw)
