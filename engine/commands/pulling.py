"""`docker pull`: what the host lacks is streamed from a registry and verified; what it holds is not sent again."""

from __future__ import annotations

from engine import events as facts
from engine import host as hosts
from engine import reference as references
from engine import remote as remotes
from engine.commands.verb import Fetched, Verb, daemon_error
from engine.commands.verb import reference as parsed
from engine.context import Context, Outcome
from engine.errors import EngineError
from engine.events import Event
from engine.host import Host, ImageRecord
from engine.options import Flag, Options, Usage


def fetch(context: Context, host: Host, text: str) -> Fetched:
    """The image that `text` names, in the pool, every blob that `host` does not hold having been sent and verified."""
    reference = parsed(text)
    try:
        pulled = remotes.pull(
            reference,
            context.registry(reference),
            hosts.held(host, context.images),
            context.blobs,
            context.layers,
            progress=context.progress,
            cancelled=context.cancelled,
            room=context.room,
        )
    except EngineError as error:
        raise daemon_error(str(error)) from error
    return Fetched(reference, pulled)


def adopt(host: Host, fetched: Fetched, *, typed: str, quiet: bool = False) -> Outcome:
    """The host with what was fetched as one of its images; the same host where it had that very image by that name."""
    reference, pulled = fetched.reference, fetched.pulled
    record = ImageRecord(
        id=pulled.image.id,
        manifest=pulled.image.digest,
        repo_digests=(f"{reference.familiar_name}@{pulled.digest}",),
    )
    had = host.references.get(reference.familiar) if reference.tag else None
    after = host.with_image(record)
    if reference.tag:
        after = after.tagged(reference.familiar, record.id)
    fresh = after != host
    asked = references.parse(typed)
    start = facts.PullStarted(
        reference=typed,
        repository=reference.repository,
        tag=reference.target,
        defaulted=asked != reference,
        quiet=quiet,
    )
    canonical = f"{reference.registry}/{reference.repository}" + reference.familiar[len(reference.familiar_name) :]
    end = facts.ImagePulled(
        reference=reference.familiar,
        canonical=canonical,
        digest=pulled.digest,
        image=record.id,
        fresh=fresh,
        sent=pulled.sent,
        avoided=pulled.avoided,
    )
    # docker stops at the config of an image that it has, and says nothing of its layers.
    known = record.id in host.images
    middle = tuple(e for e in pulled.events if not (known and isinstance(e, facts.LayerReused)))
    moved: list[Event] = []
    if fresh and reference.tag and had != record.id:
        moved = [facts.ImageTagged(reference=reference.familiar, image=record.id, moved_from=had)]
    tail = [facts.Wrote(text=canonical + "\n")] if quiet else []
    return Outcome(after if fresh else host, (start, *middle, *moved, end, *tail))


def _prepare(context: Context, host: Host, options: Options) -> Fetched:
    return fetch(context, host, options.words[0])


def _run(_context: Context, host: Host, options: Options, fetched: Fetched | None) -> Outcome:
    assert fetched
    return adopt(host, fetched, typed=options.words[0], quiet=options.on("quiet"))


PULL = Verb(
    Usage(
        "pull",
        "NAME[:TAG|@DIGEST]",
        "Pull an image or a repository from a registry",
        1,
        1,
        (Flag("quiet", "q", help="Suppress verbose output"),),
    ),
    _run,
    _prepare,
)
