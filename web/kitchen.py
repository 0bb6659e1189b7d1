"""The kitchen's routes: open one, look at it, send it docker commands, move through its states, share and fork it.

Every change is a form's POST. Without JavaScript it answers 303 to the kitchen; htmx gets the same kitchen as a
fragment, byte for byte as it stands in the page. A command that docker would refuse is no HTTP error: it shows in the
terminal with its exit code.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, abort, current_app, jsonify, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from web import completion, orders, state, welcome
from web.answers import after, answer, drawn, drawn_step, enter, fork_of, looking_after, page
from web.scene import Looking, settle
from web.shop import mine, own, owns, shop_here
from web.slide import Theme, slide
from web.terminals import line
from web.typed import CLEAR, words

blueprint = Blueprint("kitchen", __name__)
blueprint.add_app_template_filter(drawn_step)


@blueprint.get("/")
def index() -> str:
    """Invites: open a kitchen, look into one, or go back to one that this browser has the key of."""
    shop = shop_here()
    shown = welcome.state(shop.journal, shop.menu, shop.another)
    picture = drawn(shown, settle(shown.host, Looking()), writable=False).picture if shown else None
    return render_template("index.html", kitchens=mine(), shown=shown, picture=picture)


@blueprint.post("/")
def create() -> AnyResponse:
    """Opens a kitchen and gives its key to this browser."""
    shop_here().guard.new_kitchen()
    kitchen = shop_here().journal.create()
    return enter(kitchen.id, kitchen.secret)


@blueprint.get("/k/<kitchen>")
def show(kitchen: str) -> AnyResponse:
    """The kitchen's page; anybody may look."""
    return page(shop_here().journal.head(kitchen), mine=owns(kitchen))


@blueprint.get("/k/<kitchen>/state.json")
def state_json(kitchen: str) -> AnyResponse:
    """The kitchen's state, as `web.state.KitchenState` documents it."""
    return Response(state.encode(state.describe(shop_here().journal, kitchen)), mimetype="application/json")


@blueprint.post("/k/<kitchen>/do")
def do(kitchen: str) -> AnyResponse:
    """Runs one docker command: the form's field ``command``, with or without the word docker."""
    typed = request.form.get("command", "").strip()
    own(kitchen)
    limit = shop_here().guard.limits.command
    if len(typed) > limit:
        raise RequestEntityTooLarge(f"the command is longer than {limit:,} characters")
    try:
        argv = words(typed)
    except ValueError as error:
        shop_here().terminals.show(kitchen, line(typed, "", f"{error}: is a quote left open?\n", 2))
        return answer(kitchen)
    if argv == CLEAR:
        shop_here().terminals.clear(kitchen)
        return answer(kitchen)
    if argv[:1] == ["fork"] and len(argv) == 1:
        return fork_of(shop_here().journal.kitchen(kitchen).head)
    return after(kitchen, typed, argv)


@blueprint.post("/k/<kitchen>/edit")
def edit(kitchen: str) -> AnyResponse:
    """Gives a file of a container a whole new text: the command that does so, made of the fields, and run."""
    own(kitchen)
    fields = {name: request.form.get(name, "") for name in ("container", "path", "text")}
    typed = orders.write(fields["container"], fields["path"], fields["text"].replace("\r\n", "\n"))
    if len(typed) > shop_here().guard.limits.command:
        raise RequestEntityTooLarge(f"the text is longer than {shop_here().guard.limits.command:,} characters")
    return after(kitchen, typed, words(typed))


@blueprint.get("/k/<kitchen>/complete")
def complete(kitchen: str) -> AnyResponse:
    """What could stand at the end of the ``line``: where the word begins, and what it could be."""
    shop = shop_here()
    host = shop.journal.head(kitchen).host
    typed = request.args.get("line", "")[: shop.guard.limits.command]
    start, words = completion.complete(shop.journal.context, host, [dish.name for dish in shop.menu], typed)
    return jsonify(start=start, words=words)


@blueprint.post("/k/<kitchen>/<any(undo, redo):verb>")
def move(kitchen: str, verb: str) -> AnyResponse:
    """Moves the head to its parent, or to its newest child."""
    own(kitchen)
    return after(kitchen, verb, [verb])


@blueprint.post("/k/<kitchen>/jump")
def jump(kitchen: str) -> AnyResponse:
    """Moves the head to the kept state that the field ``state`` names by number or id."""
    own(kitchen)
    wanted = request.form.get("state", "").strip()[:80]
    return after(kitchen, f"jump {wanted}", ["jump", wanted])


@blueprint.post("/k/<kitchen>/reset")
def reset(kitchen: str) -> AnyResponse:
    """Moves the head to the oldest state that is kept; what came after stays in the tree."""
    own(kitchen)
    first = shop_here().journal.entries(kitchen)[0].number
    return after(kitchen, f"jump {first}", ["jump", str(first)])


@blueprint.post("/k/<kitchen>/fork")
def fork(kitchen: str) -> AnyResponse:
    """A kitchen of the visitor's own that begins where this one stands."""
    return fork_of(shop_here().journal.kitchen(kitchen).head)


@blueprint.get("/s/<state_id>")
def show_state(state_id: str) -> AnyResponse:
    """Any kept state, to read and to fork."""
    return page(shop_here().journal.state(state_id), past=True)


@blueprint.get("/s/<state_id>/state.json")
def past_state_json(state_id: str) -> AnyResponse:
    """Any kept state, as `web.state.KitchenState` documents it."""
    found = shop_here().journal.state(state_id)
    described = state.describe_state(shop_here().journal, found)
    return Response(state.encode(described), mimetype="application/json")


@blueprint.get("/s/<state_id>/picture.svg")
def picture_svg(state_id: str) -> AnyResponse:
    """The picture of any kept state as one self-contained file, ``?theme=dark`` on dark paper."""
    shop = shop_here()
    shown = shop.journal.state(state_id)
    markup = str(drawn(shown, settle(shown.host, looking_after()), writable=False).picture)
    sheets = [render_template("symbols.svg"), render_template("_surfaces.svg")]
    css = Path(current_app.static_folder or "", "picture.css").read_text(encoding="utf-8")
    theme: Theme = "dark" if request.args.get("theme") == "dark" else "light"
    drawing = Response(slide(markup, sheets, css, theme), mimetype="image/svg+xml")
    drawing.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return drawing


@blueprint.post("/s/<state_id>/fork")
def fork_state(state_id: str) -> AnyResponse:
    """A kitchen of the visitor's own that begins at any kept state."""
    return fork_of(state_id)


@blueprint.get("/resume/<secret>")
def resume(secret: str) -> AnyResponse:
    """Gives the key of a kitchen to another browser, and goes there."""
    kitchen = shop_here().journal.owner(secret)
    if kitchen is None:
        abort(404, "no kitchen has this key; copy the whole address")
    return enter(kitchen, secret)
