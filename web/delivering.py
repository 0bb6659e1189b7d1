"""The routes of what goes out of a kitchen and comes into it: deliveries under way, the counter, archives both ways."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from flask import Blueprint, Response, abort, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from web.answers import after, answer, looking_after, page, wants_fragment
from web.counter import view
from web.registry import Desk
from web.shop import own, owns, shop_here
from web.takeaway import Server
from web.uploads import ARCHIVE_MAX, ARCHIVE_SLACK, FORM_MEMORY, Uploaded

blueprint = Blueprint("delivering", __name__)


@blueprint.get("/k/<kitchen>/delivery")
def delivery(kitchen: str) -> AnyResponse:
    """How far the kitchen's delivery has come, as a fragment; the whole kitchen once it has ended."""
    shop = shop_here()
    head = shop.journal.head(kitchen)
    under_way = shop.deliveries.of(kitchen)
    if not wants_fragment():
        return redirect(url_for("kitchen.show", kitchen=kitchen), 303)
    then = "counter" if request.args.get("then") == "counter" else ""
    if under_way:
        words = {"kitchen": kitchen, "looking": looking_after(), "writable": owns(kitchen), "then": then}
        return make_response(render_template("_underway.html", delivery=under_way, **words))
    if then:
        return Response(headers={"HX-Redirect": url_for(".counter", kitchen=kitchen)})
    lines = shop.terminals.lines(kitchen)
    response = page(head, mine=owns(kitchen), moved="forward" if lines and lines[-1].changed else "")
    response.headers |= {"HX-Retarget": "#kitchen", "HX-Reswap": "outerMorph"}
    return response


@blueprint.post("/k/<kitchen>/cancel")
def cancel(kitchen: str) -> AnyResponse:
    """Stops the kitchen's delivery."""
    own(kitchen)
    under_way = shop_here().deliveries.of(kitchen)
    if under_way:
        under_way.cancel()
        under_way.ended.wait(shop_here().deliveries.patience)
    return answer(kitchen)


@blueprint.post("/k/<kitchen>/load")
def load(kitchen: str) -> AnyResponse:
    """Loads the archive in the form's field ``archive``: `docker save`'s, or an OCI layout in a tar."""
    return _bring(kitchen, "load -i", lambda _file: ["load"])


@blueprint.post("/k/<kitchen>/import")
def import_(kitchen: str) -> AnyResponse:
    """Makes an image of one layer of the root file system in the form's field ``archive``."""
    return _bring(kitchen, "import", lambda file: ["import", "-m", f"Imported from {file[-80:]}", "-", _plain(file)])


@blueprint.get("/k/<kitchen>/counter")
def counter(kitchen: str) -> AnyResponse:
    """What goes out of the kitchen and comes into it; see `web.counter`."""
    shop, mine = shop_here(), owns(kitchen)
    head = shop.journal.head(kitchen)
    desk: Desk = current_app.extensions["registry"]
    seen = view(
        shop.journal,
        head,
        desk.registry,
        shared=desk.tokens.shared,
        server=Server(request.scheme, request.host),
        is_own=lambda host: host == request.host or shop.guard.own(host, kitchen),
        lines=shop.terminals.lines(kitchen) or (),
        password=desk.tokens.password(kitchen) if mine else "",
        chosen=request.args.get("image", ""),
        delivery=shop.deliveries.of(kitchen),
    )
    return make_response(render_template("counter.html", view=seen))


@blueprint.get("/k/<kitchen>/save/<path:name>.tar")
def save(kitchen: str, name: str) -> AnyResponse:
    """An image of the kitchen as `docker save` writes it, streamed; for ``docker load`` on a machine of one's own."""
    made = shop_here().journal.archive(kitchen, name)
    response = Response(made.pieces, mimetype="application/x-tar")
    response.content_length = made.size
    response.headers.set(
        "Content-Disposition", "attachment", filename=f"{name.replace('/', '-').replace(':', '-')}.tar"
    )
    return response


def _bring(kitchen: str, verb: str, argv: Callable[[str], list[str]]) -> AnyResponse:
    """The command `argv` over the form's file, which it has at its standard input; shown as it is typed at home."""
    own(kitchen)
    quota = shop_here().journal.quota
    request.max_content_length = ARCHIVE_MAX if quota is None else quota + ARCHIVE_SLACK
    request.max_form_memory_size = FORM_MEMORY  # of what is looked at at once; the file itself goes to a temporary one
    sent = request.files.get("archive")
    if not sent or not sent.filename:
        abort(400, "choose a file first: `docker save` writes one")
    words = argv(sent.filename)
    typed = shlex.join(["docker", *verb.split(), sent.filename[-80:], *words[4:]])
    return after(kitchen, typed, words, Uploaded(sent.stream))


def _plain(file: str) -> str:
    """A repository's name for what a file of that name brings."""
    return re.sub(r"[^a-z0-9]+", "-", file.partition(".tar")[0].lower()).strip("-")[:60] or "imported"
