"""docker's words: sizes, ages, tables, `--format`, and the lines in which it tells what happened (docs/rules.md, F).

Pure functions from values and events to text. Where docker's client shortens or pads, so does this, by the same rules
(go-units; text/tabwriter with a least width of 10 and three spaces between columns).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from engine import digest as digests
from engine import events as facts
from engine.errors import UsageError
from engine.events import Event

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_LEAST, _GAP = 10, 3
_BAR: Final = 50
_WIDE: Final = 110
"""Columns of a terminal beyond which docker draws a bar beside the numbers."""
_ACTION = re.compile(r"\{\{\s*(json\s+)?\.([A-Za-z0-9_.]*)\s*\}\}")
_ESCAPES: Final = {r"\t": "\t", r"\n": "\n"}


def size(count: int, precision: int = 3) -> str:
    """Bytes as docker prints them, decimal: 65536 is ``65.5kB``."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.{precision}g}{_UNITS[unit]}"


def bar(event: facts.Progress, columns: int = 120) -> str:
    """One layer's line: ``79650cf9cc01: Downloading [====>   ]  1.2MB/4.3MB``."""
    phase = {
        "waiting": "Waiting",
        "downloading": "Downloading",
        "verifying": "Verifying Checksum",
        "downloaded": "Download complete",
        "extracting": "Extracting",
        "done": "Pull complete",
        "exists": "Already exists",
        "preparing": "Preparing",
        "pushing": "Pushing",
        "pushed": "Pushed",
        "present": "Layer already exists",
        "mounted": "Mounted",
    }[event.phase]
    line = f"{digests.short(event.digest)}: {phase}"
    if not event.total or event.phase not in ("downloading", "extracting", "pushing"):
        return line
    amount = f"{size(event.done, 4):>8}/{size(event.total, 4)}"
    if columns <= _WIDE:
        return f"{line} {amount}"
    filled = min(_BAR, _BAR * event.done // event.total)
    drawn = "=" * filled + (">" if filled < _BAR else "")
    return f"{line} [{drawn:<{_BAR}}] {amount}"


def age(then: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 time was, in docker's words: ``About a minute ago``; ``N/A`` where it is no time."""
    moment = parse_time(then)
    return f"{duration((now - moment).total_seconds())} ago" if moment else "N/A"


def duration(seconds: float) -> str:
    """Seconds in docker's words: ``About an hour``, ``8 days``."""
    hours = int(seconds / 3600 + 0.5)
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    if seconds < 3600:
        return "About a minute" if int(seconds / 60) == 1 else f"{int(seconds / 60)} minutes"
    if hours == 1:
        return "About an hour"
    for limit, unit, name in (
        (48, 1, "hours"),
        (24 * 14, 24, "days"),
        (24 * 60, 168, "weeks"),
        (24 * 730, 720, "months"),
    ):
        if hours < limit:
            return f"{hours // unit} {name}"
    return f"{int(seconds / 3600) // 24 // 365} years"


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time; None for none. Fractions beyond microseconds are dropped."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def show_time(moment: datetime) -> str:
    """A time as the engine stores it: RFC 3339, UTC, whole microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def local_time(text: str | None) -> str:
    """An RFC 3339 time as docker prints one of its own: ``2026-05-01 12:00:00 +0000 UTC``."""
    moment = parse_time(text)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC") if moment else ""


def ellipsis(text: str, width: int) -> str:
    """`text` in at most `width` characters, the last a ``…`` where it was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under a header, as docker pads them; each line ends in a newline."""
    lines = [list(header), *map(list, rows)]
    widths = [max(_LEAST, max(len(line[n]) for line in lines) + _GAP) for n in range(len(header) - 1)]
    return "".join(
        "".join(f"{cell:<{width}}" for cell, width in zip(line, [*widths, 0], strict=True)) + "\n" for line in lines
    )


def rows(records: Sequence[Mapping[str, Any]], columns: Mapping[str, str], template: str) -> str:
    """Records as `--format` wants them. `columns` maps the fields of the plain table to its headings.

    No template (or ``table``) gives the table, ``json`` an object a line, ``table {{.A}}\\t{{.B}}`` a table of those
    fields, anything else one line a record.
    """
    if template in ("", "table"):
        return table(tuple(columns.values()), [[str(record[field]) for field in columns] for record in records])
    if template == "json":
        return "".join(_json(record) + "\n" for record in records)
    if not template.startswith("table "):
        return "".join(fill(template, record) + "\n" for record in records)
    cells = template.removeprefix("table ").replace(r"\t", "\t").split("\t")
    heading = {field: columns.get(field, field.upper()) for record in records[:1] for field in record} or columns
    return table(
        [fill(cell, heading) for cell in cells], [[fill(cell, record) for cell in cells] for record in records]
    )


def fill(template: str, record: Mapping[str, Any]) -> str:
    """One record through a Go template of ``{{.Field}}``, ``{{.A.B}}`` and ``{{json .Field}}``."""
    for written, meant in _ESCAPES.items():
        template = template.replace(written, meant)
    left = _ACTION.sub("", template)
    if "{{" in left or "}}" in left:
        raise UsageError(f"failed to parse template {template!r}: only {{{{.Field}}}} and {{{{json .Field}}}} work")
    return _ACTION.sub(lambda match: _action(record, match), template)


def _action(record: Mapping[str, Any], match: re.Match[str]) -> str:
    value: Any = record
    for name in filter(None, match[2].split(".")):
        if not isinstance(value, Mapping) or name not in value:
            known = ", ".join(value) if isinstance(value, Mapping) else "none"
            raise UsageError(f"failed to execute template: can't evaluate field {name}: the fields here are {known}")
        value = value[name]
    if not match[1]:
        return _go(value)
    return _json(value) if value is record else msgspec.json.encode(value, order="sorted").decode()


def _json(record: Mapping[str, Any]) -> str:
    """A whole record as docker writes it: keys sorted, and unlike in one field nothing that HTML takes for a tag."""
    text = msgspec.json.encode(record, order="sorted").decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _go(value: Any) -> str:
    """A value as Go's templates print it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{_go(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(_go, value)) + "]"
    return str(value)


def render(events: Iterable[Event], stream: str = "stdout") -> str:
    """What the terminal shows of these events on one of its two streams."""
    quiet, out = False, []
    for event in events:
        if isinstance(event, facts.Wrote):
            if event.stream == stream:
                out.append(event.text)
            continue
        if isinstance(event, facts.PullStarted | facts.PushStarted):
            quiet = event.quiet
        if stream == "stdout" and not quiet and (line := words(event)):
            out.append(line + "\n")
    return "".join(out)


def words(event: Event) -> str:
    """The line, or lines, in which docker tells of an event; empty for one that it passes over in silence."""
    match event:
        case facts.PullStarted(repository=repository, tag=tag, defaulted=defaulted):
            return ("Using default tag: latest\n" if defaulted else "") + f"{tag}: Pulling from {repository}"
        case facts.LayerReused(digest=digest):
            return f"{digests.short(digest)}: Already exists"
        case facts.LayerPulled(digest=digest):
            return f"{digests.short(digest)}: Pull complete"
        case facts.ImagePulled(digest=digest, reference=reference, fresh=fresh, canonical=canonical):
            status = "Downloaded newer image for" if fresh else "Image is up to date for"
            return f"Digest: {digest}\nStatus: {status} {reference}\n{canonical}"
        case facts.PushStarted(canonical=canonical, defaulted=defaulted):
            start = "Using default tag: latest\n" if defaulted else ""
            return f"{start}The push refers to repository [{canonical}]"
        case facts.LayerPushed(diff_id=diff_id):
            return f"{digests.short(diff_id)}: Pushed"
        case facts.LayerExists(diff_id=diff_id):
            return f"{digests.short(diff_id)}: Layer already exists"
        case facts.LayerMounted(diff_id=diff_id, source=source):
            return f"{digests.short(diff_id)}: Mounted from {source}"
        case facts.ImagePushed(tag=tag, digest=digest, size=length):
            return f"{tag}: digest: {digest} size: {length}"
        case facts.ImageImported(image=image):
            return image
        case facts.ImageLoaded(reference=reference, image=image):
            return f"Loaded image: {reference}" if reference else f"Loaded image ID: {image}"
        case facts.ImageUntagged(reference=reference):
            return f"Untagged: {reference}"
        case facts.ImageDeleted(image=image, layers=layers):
            return "\n".join(f"Deleted: {digest}" for digest in (image, *layers))
    return ""
