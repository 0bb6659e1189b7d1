"""`docker pull`: what the host lacks is streamed from a registry and verified; what it holds is not sent again."""

from __future__ import annotations

import re

from engine import events as facts
from engine import host as hosts
from engine import platforms
from engine import reference as references
from engine.commands.verb import Fetched, Moved, Verb, daemon_error
from engine.commands.verb import reference as parsed
from engine.context import Context, Outcome
from engine.errors import CommandError, Denied, EngineError
from engine.events import Event
from engine.host import Host, ImageRecord
from engine.options import Flag, Options, Usage
from engine.pull import pull
from engine.spec import Platform

PLATFORM = Flag("platform", "", "string", "Set platform if server is multi-platform capable")

_PART = re.compile(r"[a-z0-9_.-]{1,32}")
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}
"""What containerd's platforms package takes for another name."""


def platform(text: str) -> Platform:
    """A platform as `--platform` names it, ``linux/arm64/v8``; docker's default where `text` is empty."""
    parts = text.lower().split("/")
    if not text:
        return platforms.LINUX_AMD64
    if not 2 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
        raise daemon_error(
            f'"{text[:100]}": cannot parse platform specifier: invalid argument; say os/arch[/variant], as linux/arm64'
        )
    return Platform(os=parts[0], architecture=_ARCHITECTURES.get(parts[1], parts[1]), variant="".join(parts[2:]))


def fetch(context: Context, host: Host, text: str, wanted: Platform = platforms.LINUX_AMD64) -> Fetched:
    """The image that `text` names, in the pool, every blob that `host` does not hold having been sent and verified."""
    reference = parsed(text)
    try:
        pulled = pull(
            reference,
            context.registry(reference),
            {*hosts.held(host, context.images), *hosts.indexes(host)},
            context.blobs,
            context.layers,
            progress=context.progress,
            cancelled=context.cancelled,
            room=context.room,
            platform=wanted,
        )
    except CommandError:
        raise
    except Denied as error:
        why = (
            f"pull access denied for {reference.familiar_name}, repository does not exist or may require 'docker login'"
        )
        raise daemon_error(f"{why}: {error}") from error
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
        indexes=(pulled.digest,) if pulled.digest != pulled.image.digest else (),
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
    return fetch(context, host, options.words[0], platform(options.value("platform")))


def _run(_context: Context, host: Host, options: Options, fetched: Moved | None) -> Outcome:
    assert isinstance(fetched, Fetched)
    return adopt(host, fetched, typed=options.words[0], quiet=options.on("quiet"))


PULL = Verb(
    Usage(
        "pull",
        "NAME[:TAG|@DIGEST]",
        "Pull an image or a repository from a registry",
        1,
        1,
        (PLATFORM, Flag("quiet", "q", help="Suppress verbose output")),
    ),
    _run,
    _prepare,
)
