"""`docker inspect`: what is true of an image or a container, as far as there is something to tell."""

from __future__ import annotations

import json
from typing import Any

from engine import events as facts
from engine import terminal
from engine.commands.verb import Moved, Verb, after_entrypoint
from engine.context import Context, Outcome
from engine.host import Container, Host, ImageRecord
from engine.options import Flag, Options, Usage
from engine.spec import RunConfig


def _do_inspect(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    return _inspect(context, host, options, options.value("type"))


def _inspect(context: Context, host: Host, options: Options, only: str) -> Outcome:
    documents, missing = [], []
    for word in options.words:
        found = host.find_container(word) if only != "image" else None
        record = host.find_image(word) if only != "container" and not found else None
        if found:
            documents.append(container_document(context, found))
        elif record:
            documents.append(image_document(context, host, record))
        else:
            missing.append(f"Error: No such {only or 'object'}: {word}\n")
    template = options.value("format")
    if template and template != "json":
        text = "".join(terminal.fill(template, document) + "\n" for document in documents)
    elif template:
        text = json.dumps(documents, separators=(",", ":")) + "\n"
    else:
        text = json.dumps(documents, indent=4) + "\n"
    complaints = (facts.Wrote(text=line, stream="stderr") for line in missing)
    return Outcome(host, (facts.Wrote(text=text), *complaints), 1 if missing else 0)


def image_document(context: Context, host: Host, record: ImageRecord) -> dict[str, Any]:
    """What ``docker image inspect`` tells of an image, as far as there is something true to tell."""
    loaded = context.images[record.manifest]
    last = loaded.steps[-1] if loaded.steps else None
    return {
        "Id": record.id,
        "RepoTags": host.tags(record.id),
        "RepoDigests": list(record.repo_digests),
        "Parent": record.parent or "",
        "Comment": last.comment if last else "",
        "Created": loaded.config.created,
        "Author": loaded.config.author,
        "Config": {name: getattr(loaded.config.run, name) for name in RunConfig.__struct_fields__},
        "Architecture": loaded.config.architecture,
        "Os": loaded.config.os,
        "Size": loaded.unpacked(context.layers),
        "Manifest": record.manifest,
        "RootFS": {"Type": "layers", "Layers": list(loaded.config.rootfs.diff_ids)},
    }


def container_document(context: Context, found: Container) -> dict[str, Any]:
    """What ``docker container inspect`` tells of a container."""
    upper, parent = context.upper(found).unpacked, context.images[found.manifest]
    return {
        "Id": found.id,
        "Created": found.created,
        "Path": found.command[0],
        "Args": list(found.command[1:]),
        "State": {
            "Status": found.status,
            "Running": found.status == "running",
            "ExitCode": found.exit_code,
            "StartedAt": found.started,
            "FinishedAt": found.finished,
        },
        "Image": found.image,
        "Name": f"/{found.name}",
        "Config": {
            "Image": found.requested,
            "Cmd": after_entrypoint(parent.config.run, found) or None,
            "Entrypoint": parent.config.run.Entrypoint,
            "Env": list(found.env),
            "WorkingDir": found.workdir,
        },
        "SizeRw": upper,
        "SizeRootFs": upper + parent.unpacked(context.layers),
    }


def inspecting(only: str) -> Verb:
    """``docker inspect``, or its form for one kind of object."""
    flags: tuple[Flag, ...] = (Flag("format", "f", "string", "Format output using a Go template, or json"),)
    if only != "image":
        flags += (Flag("size", "s", help="Display total file sizes if the type is container (they always are)"),)
    if not only:
        flags += (Flag("type", "", "string", "Return JSON for this type: container or image"),)
    word = only.upper() or "NAME|ID"
    usage = Usage(
        f"{only} inspect".strip(),
        f"{word} [{word}...]",
        f"Display detailed information on one or more {only}s"
        if only
        else "Return low-level information on Docker objects",
        1,
        None,
        flags,
    )
    return Verb(usage, lambda c, h, o, _: _inspect(c, h, o, only) if only else _do_inspect(c, h, o, _))


INSPECT = inspecting("")
