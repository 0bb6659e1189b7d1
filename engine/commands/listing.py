"""`docker ps`: the containers of a host, newest first."""

from __future__ import annotations

import json
from typing import Any

from engine import digest as digests
from engine import events as facts
from engine import terminal
from engine.commands.verb import Moved, Verb
from engine.context import Context, Outcome
from engine.host import Container, Host
from engine.options import Flag, Options, Usage

_PS = {"ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "RunningFor": "CREATED", "Status": "STATUS"}
_PS_END = {"Ports": "PORTS", "Names": "NAMES"}


def _do_ps(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    shown = [c for c in reversed([*host.containers.values()]) if options.on("all") or c.status == "running"]
    if options.on("quiet"):
        ids = (c.id if options.on("no-trunc") else c.id[:12] for c in shown)
        return Outcome(host, (facts.Wrote(text="".join(f"{text}\n" for text in ids)),))
    template = options.value("format")
    sized = options.on("size") or ".Size" in template or "json" in template
    records = [container_row(context, host, c, whole=options.on("no-trunc"), sized=sized) for c in shown]
    columns = _PS | _PS_END | ({"Size": "SIZE"} if sized else {})
    return Outcome(host, (facts.Wrote(text=terminal.rows(records, columns, template)),))


def container_row(context: Context, host: Host, c: Container, *, whole: bool, sized: bool) -> dict[str, Any]:
    """What the tables of containers tell of one; cut to a table's width unless `whole` is asked."""
    first, *others = c.command
    command = " ".join((first, *(f"'{word}'" if " " in word else word for word in others)))
    told = {
        "ID": c.id if whole else c.id[:12],
        "Image": _image(host, c, whole=whole),
        "Command": json.dumps(command if whole else terminal.ellipsis(command, 20), ensure_ascii=False),
        "CreatedAt": terminal.local_time(c.created),
        "RunningFor": terminal.age(c.created, context.clock()),
        "State": c.status,
        "Status": _status(c, context),
        "Ports": "",
        "Names": c.name,
    }
    if sized:
        own = context.upper(c).unpacked
        below = context.images[c.manifest].unpacked(context.layers)
        told["Size"] = f"{terminal.size(own)} (virtual {terminal.size(own + below)})"
    return told


def _image(host: Host, c: Container, *, whole: bool) -> str:
    """The image as it was typed, as long as that still means it; else its ID."""
    found = host.find_image(c.requested)
    if found and found.id == c.image:
        return c.requested
    return c.image if whole else digests.short(c.image)


def _status(c: Container, context: Context) -> str:
    """``Up 5 minutes``, ``Exited (0) 8 days ago``, ``Created``."""
    now = context.clock()
    if c.status == "running":
        started = terminal.parse_time(c.started) or now
        return f"Up {terminal.duration((now - started).total_seconds())}"
    return f"Exited ({c.exit_code}) {terminal.age(c.finished, now)}" if c.status == "exited" else "Created"


PS = Verb(
    Usage(
        "ps",
        "",
        "List containers",
        0,
        0,
        (
            Flag("all", "a", help="Show all containers (default shows just running)"),
            Flag("format", "", "string", "Pretty-print containers using a Go template"),
            Flag("no-trunc", help="Don't truncate output"),
            Flag("quiet", "q", help="Only display container IDs"),
            Flag("size", "s", help="Display total file sizes"),
        ),
    ),
    _do_ps,
)
