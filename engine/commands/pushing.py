"""`docker push`: what a registry lacks of an image is sent to it; the manifest goes as it is stored."""

from __future__ import annotations

from msgspec.structs import replace

from engine import events as facts
from engine import reference as references
from engine.commands.verb import Given, Moved, Verb
from engine.commands.verb import reference as parsed
from engine.context import Context, Outcome
from engine.digest import Digest
from engine.errors import Cancelled, CommandError, EngineError
from engine.events import Event
from engine.host import Host
from engine.options import Flag, Options, Usage
from engine.push import Pushed, push
from engine.reference import Reference


def _prepare(context: Context, host: Host, options: Options) -> Given:
    """All that is to go, gone; or as much of it as did, and why no more."""
    pushed: list[Pushed] = []
    try:
        for reference in _wanted(host, options):
            record = host.find_image(reference.familiar)
            if not record:
                raise CommandError(f"An image does not exist locally with the tag: {reference.familiar_name}")
            image = context.images[record.manifest]
            pushed.append(
                push(
                    reference,
                    image,
                    context.registry(reference, push=True),
                    context.blobs,
                    _sources(context, host, reference),
                    progress=context.progress,
                    cancelled=context.cancelled,
                )
            )
    except Cancelled:
        raise
    except EngineError as error:
        return Given(tuple(pushed), str(error))
    return Given(tuple(pushed))


def _asked(options: Options) -> Reference:
    """The reference that was typed, its tag filled in unless all are meant."""
    text = options.words[0]
    asked = parsed(text)
    if asked.digest:
        raise CommandError("cannot push a digest reference")
    typed = references.parse(text)
    if options.on("all-tags"):
        if typed.tag:
            raise CommandError("tag can't be used with --all-tags/-a")
        return typed
    return asked


def _wanted(host: Host, options: Options) -> list[Reference]:
    """What is to go: the one that was typed, or every tag of its repository."""
    asked = _asked(options)
    if asked.tag:
        return [asked]
    names = [references.parse(name) for name in sorted(host.references)]
    found = [name for name in names if name.familiar_name == asked.familiar_name]
    if not found:
        raise CommandError(f"An image does not exist locally with the tag: {asked.familiar_name}")
    return [_as_typed(name, asked) for name in found]


def _as_typed(name: Reference, asked: Reference) -> Reference:
    """`name` as if its registry had been typed where that of `asked` was."""
    return Reference(name.registry, name.repository, name.tag, None, asked.explicit)


def _sources(context: Context, host: Host, reference: Reference) -> dict[Digest, list[str]]:
    """The repositories of the same registry that have a blob, as far as the host knows: what was pulled or pushed."""
    found: dict[Digest, list[str]] = {}
    for record in host.images.values():
        for known in map(references.parse, record.repo_digests):
            if known.registry == reference.registry and known.repository != reference.repository:
                for digest in context.images[record.manifest].content:
                    found.setdefault(digest, []).append(known.repository)
    return found


def _run(_context: Context, host: Host, options: Options, given: Moved | None) -> Outcome:
    assert isinstance(given, Given)
    asked, typed = _asked(options), references.parse(options.words[0])
    events: list[Event] = [
        facts.PushStarted(
            canonical=f"{asked.registry}/{asked.repository}",
            tags=tuple(pushed.reference.tag or "" for pushed in given.pushed),
            defaulted=asked != typed,
            quiet=options.on("quiet"),
        )
    ]
    for pushed in given.pushed:
        host = _known(host, pushed)
        events += pushed.events
        events.append(
            facts.ImagePushed(
                reference=pushed.reference.familiar,
                tag=pushed.reference.target,
                digest=pushed.image.digest,
                image=pushed.image.id,
                size=pushed.image.size,
                sent=pushed.sent,
                avoided=pushed.avoided,
            )
        )
    if given.failed:
        events.append(facts.Wrote(text=f"{given.failed}\n", stream="stderr"))
    elif options.on("quiet"):
        canonical = f"{asked.registry}/{asked.repository}" + (f":{asked.tag}" if asked.tag else "")
        events.append(facts.Wrote(text=f"{canonical}\n"))
    return Outcome(host, tuple(events), int(bool(given.failed)))


def _known(host: Host, pushed: Pushed) -> Host:
    """The host, which now knows the digest under which the registry has the image; unless the image is gone."""
    record = host.images.get(pushed.image.id)
    if not record:
        return host
    return host.with_image(
        replace(record, repo_digests=(f"{pushed.reference.familiar_name}@{pushed.image.digest}",), indexes=())
    )


PUSH = Verb(
    Usage(
        "push",
        "NAME[:TAG]",
        "Push an image or a repository to a registry",
        1,
        1,
        (
            Flag("all-tags", "a", help="Push all tagged images in the repository"),
            Flag("quiet", "q", help="Suppress verbose output"),
        ),
    ),
    _run,
    _prepare,
)
