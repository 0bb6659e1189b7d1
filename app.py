"""The application: `create_app()` for Flask, ``python app.py`` to serve it.

python app.py --host 127.0.0.1 --port 8000 --data .kitchen --menu menu/layout
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request, url_for
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response as AnyResponse

from engine import context, digest, terminal
from engine.addresses import Addresses, public
from engine.errors import CommandError, EngineError
from engine.journal import QUOTA, Journal
from engine.network import Network
from engine.ocilayout import Layout
from engine.registry import Caller, Registry
from engine.registry import Limits as Pushing
from engine.remote import InProcess
from web import arguments, delivering, kitchen, markup, menu, pizza, registry, serving, uploads
from web.arguments import CLASSES, DATA, MENU, Arguments
from web.compress import compress
from web.deliveries import Deliveries
from web.guard import Guard, Limits
from web.shop import Shop
from web.terminals import Terminals
from web.tokens import Tokens, key

SWEEP_SECONDS = 600.0
"""How often the space of what nobody reaches is given back."""
FAREWELL_SECONDS = 1.0
"""How long the process may still take once the server has stopped: a thread that hangs does not keep it alive."""


def create_app(
    data: Path = DATA,
    *,
    menu_layout: Path | None = MENU,
    names: Sequence[str] = (),
    limits: Limits | None = None,
    network: Network | None = None,
    quota: int = QUOTA,
    clock: Callable[[], datetime] | None = None,
    ids: Callable[[], str] | None = None,
    epoch: int | None = None,
    stopping: threading.Event | None = None,
    classes: Sequence[str] = CLASSES,
    pushing: Pushing | None = None,
) -> Flask:
    """The pages over the kitchens of `data`, and the registry.

    `quota` are the bytes of blobs that all states of one kitchen may reach; `classes` namespaces that every kitchen may
    push to, within the limits of `pushing`; `network` is how visitors may reach other registries, None for not at all.
    `clock` and `ids` take the place of time and chance, for tests and talks; `epoch` is
    `Context.epoch`.

    Raises `EngineError` where the menu is no OCI layout, `OSError` where `data` cannot be used.
    """
    chance: dict[str, Any] = {key: value for key, value in (("clock", clock), ("ids", ids)) if value}
    dishes = menu.read(menu_layout) if menu_layout else ()
    _try_writing(data)
    stopping = stopping or threading.Event()
    guard, tokens = Guard(limits or Limits(), tuple(names)), Tokens(key(data / "registry.key"), frozenset(classes))

    def own(host: str, kitchen: str) -> InProcess | None:
        """The registry here, as a kitchen reaches it without a detour over a socket."""
        if not (kitchen and guard.own(host, kitchen)):
            return None
        return InProcess(desk.registry, Caller(kitchen, tokens.shared))

    shop = Shop(
        journal=Journal(
            data, menu=menu_layout, network=network, own=own, quota=quota, epoch=epoch, pushing=pushing, **chance
        ),
        guard=guard,
        menu=dishes,
        terminals=Terminals(),
        another=lambda: Journal(data, menu=menu_layout),
        stopping=stopping,
        deliveries=Deliveries(stopping),
    )
    desk = registry.Desk(Registry(Layout(menu_layout) if menu_layout else None, shop.journal.registry), tokens)
    return _flask(shop, desk)


def _flask(shop: Shop, desk: registry.Desk) -> Flask:
    """The pages and the registry's routes, over what they work with."""
    app = Flask(__name__, static_folder="static", template_folder="templates")
    if shop.journal.context.scratch:
        app.request_class = uploads.request_class(shop.journal.context.scratch)
    app.extensions["shop"], app.extensions["registry"] = shop, desk
    app.jinja_env.code_generator_class, app.jinja_env.plain = markup.Escaping, markup.plain  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {"size": terminal.size, "short": digest.short, **markup.FILTERS, **pizza.FILTERS}
    app.jinja_env.globals["url_for"] = _address
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.after_request(compress)
    shop.guard.watch(app)
    for blueprint in (kitchen.blueprint, delivering.blueprint, registry.blueprint):
        app.register_blueprint(blueprint)
    app.register_error_handler(EngineError, _engine_error)
    app.register_error_handler(HTTPException, _http_error)
    return app


def _address(endpoint: str, **words: Any) -> str:
    """Flask's `url_for`, for templates: a page has a hundred addresses, most of them again and again the same."""
    return _built(request.script_root, endpoint, tuple(words.items()))


@lru_cache(maxsize=8192)
def _built(_root: str, endpoint: str, words: tuple[tuple[str, Any], ...]) -> str:
    return url_for(endpoint, **dict(words))


def _try_writing(data: Path) -> None:
    """`OSError` where `data` is no directory that we can write in: said at once, and in plain words."""
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=data):
        pass


def _engine_error(error: EngineError) -> tuple[str, int]:
    return _error(error.status, str(error))


def _http_error(error: HTTPException) -> AnyResponse:
    if isinstance(error, InternalServerError):
        return Response(
            *_error(500, "something of ours broke; your kitchen is as it was, and the server's log says more")
        )
    if error.code is None or error.code < 400:
        return error.get_response()
    shown = _error(error.code, error.description or error.name)
    response = Response(*shown)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _error(status: int, sentence: str) -> tuple[str, int]:
    sentence = sentence[:1].upper() + sentence[1:]
    return render_template("error.html", title=f"{status}", sentence=sentence), status


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. Exit code 2 where an argument cannot be used, and why."""
    parser = arguments.parser()
    asked = arguments.read(parser.parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    stopping = threading.Event()
    try:
        app = _open(asked, stopping)
        listening = _listen(asked.host, asked.port)
    except _Unusable as error:
        parser.error(str(error))
    gc.freeze()  # what was made so far stays: no collection need look at it again
    print(f"Hello Whale is open: {_url(asked.host, listening)}", flush=True)
    threading.Thread(target=_keep_house, args=(app.extensions["shop"].journal, stopping), daemon=True).start()
    who = registry.who(app.extensions["registry"].tokens)
    serving.serve(app, listening, stopping, who, behind_proxy=asked.behind_proxy)
    _leave(app)
    return 0


class _Unusable(Exception):
    """What an operator asked for cannot be had; the message says what and why."""


def _open(asked: Arguments, stopping: threading.Event) -> Flask:
    """The application that was asked for; `_Unusable`."""
    try:
        epoch = context.epoch(os.environ)
    except CommandError as error:
        raise _Unusable(str(error)) from error
    try:
        return create_app(
            asked.data,
            menu_layout=asked.menu,
            names=asked.names,
            network=Network(Addresses(public)) if asked.allow_remote else None,
            quota=asked.quota,
            epoch=epoch,
            stopping=stopping,
            classes=asked.classes,
        )
    except EngineError as error:
        raise _Unusable(f"argument --menu: {error}") from error
    except OSError as error:
        raise _Unusable(f"argument --data: {asked.data} cannot be used: {error.strerror}") from error


def _keep_house(journal: Journal, stopping: threading.Event) -> None:
    """Sweeps now and then, beside everything else."""
    while not stopping.wait(SWEEP_SECONDS):
        try:
            journal.sweep()
        except Exception:  # whatever it was: a server that never sweeps again fills its disk
            logging.getLogger(__name__).exception("sweeping failed; it is tried again")


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a port that is taken is known before anything is said to be open; `_Unusable`."""
    listening = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise _Unusable(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    return listening


def _url(host: str, listening: socket.socket) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
    return f"http://{f'[{name}]' if ':' in name else name}:{listening.getsockname()[1]}"


def _leave(app: Flask) -> None:
    """Closes the journal. Everything acknowledged is durable by now, so a thread that hangs is not waited for long."""

    def end() -> None:
        time.sleep(FAREWELL_SECONDS)
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    app.extensions["shop"].journal.close()


if __name__ == "__main__":
    sys.exit(main())
