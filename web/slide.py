"""The picture as one self-contained SVG, for a slide or a handout: its own style, and only the symbols that it uses.

Colours are written out, so that programs other than browsers show them; what follows the page's width is left out.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

Theme = Literal["light", "dark"]

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "{http://www.w3.org/1999/xlink}href"
_USED: Final = re.compile(r"url\(#([^)]+)\)")
_VAR: Final = re.compile(r"var\(--([a-z0-9-]+)\)")
_DECLARED: Final = re.compile(r"--([a-z0-9-]+):\s*([^;]+);")


def slide(page: str, sheets: Iterable[str], css: str, theme: Theme = "light") -> str:
    """The drawing of `page` (the rendered picture) with what it uses of the symbol `sheets`, styled by `css`."""
    begin = page.index('<svg class="art"')
    art = _parse(page[begin : page.index("</svg>", begin) + len("</svg>")])
    box = art.attrib["viewBox"]
    parts: dict[str, ET.Element] = {}
    for sheet in sheets:
        parts |= _parts(sheet)
    root = ET.Element(f"{{{_SVG}}}svg", {"class": "picture", "viewBox": f"-12 -12 {_grown(box)}", "role": "img"})
    if says := art.attrib.get("aria-label"):
        ET.SubElement(root, f"{{{_SVG}}}title").text = says
    colours = _tokens(css, theme)
    style = ET.SubElement(root, f"{{{_SVG}}}style")
    style.text = _resolved(_flat(css), colours)
    paper = {"x": "-12", "y": "-12", "width": "100%", "height": "100%", "fill": colours.get("paper", "#fff")}
    ET.SubElement(root, f"{{{_SVG}}}rect", paper)
    defs = ET.SubElement(root, f"{{{_SVG}}}defs")
    defs.extend(_used([art, style], parts))
    group = ET.SubElement(root, f"{{{_SVG}}}g", {"class": "art"})
    group.extend(list(art))
    for parent in [*root.iter()]:
        for mark in [child for child in parent if child.attrib.get("class", "").startswith("what-is")]:
            parent.remove(mark)  # its answer stands on the page alone
    for link in [element for element in root.iter(f"{{{_SVG}}}a") if "href" in element.attrib]:
        del link.attrib["href"]
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")


def _parse(markup: str) -> ET.Element:
    """Our own templates' markup, which has no document type and no entity beyond XML's five."""
    return ET.fromstring(markup.replace("<svg", f'<svg xmlns="{_SVG}"', 1).replace("&nbsp;", "\u00a0"))  # noqa: S314


@lru_cache(maxsize=8)
def _parts(sheet: str) -> dict[str, ET.Element]:
    """Everything in a sheet that has an id."""
    return {part.attrib["id"]: part for part in _parse(sheet[sheet.index("<svg") :]).iter() if "id" in part.attrib}


def _used(todo: list[ET.Element], parts: dict[str, ET.Element]) -> list[ET.Element]:
    """What drawing and style refer to, and what that refers to, each once."""
    found: dict[str, ET.Element] = {}
    while todo:
        for name in _references(todo.pop()):
            if name in parts and name not in found:
                found[name] = parts[name]
                todo.append(parts[name])
    nested = {
        inner.attrib["id"]
        for part in found.values()
        for inner in part.iter()
        if inner is not part and "id" in inner.attrib
    }
    return [part for name, part in found.items() if name not in nested]


def _references(element: ET.Element) -> Iterable[str]:
    for part in element.iter():
        yield from _USED.findall(part.text or "")
        for name, value in part.attrib.items():
            if name in ("href", _XLINK) and value.startswith("#"):
                yield value[1:]
            yield from _USED.findall(value)


def _grown(box: str) -> str:
    """Width and height of a view box with a margin of 12 around it."""
    width, height = box.split()[2:]
    return f"{float(width) + 24:g} {float(height) + 24:g}"


def _flat(css: str) -> str:
    """The style without comments and without blocks that depend on where it is shown."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    kept, depth, skip = [], 0, False
    for piece in re.split(r"([{}])", css):
        if depth == 0 and piece.strip().startswith("@"):
            skip = True
        if not skip:
            kept.append(piece)
        depth += (piece == "{") - (piece == "}")
        if depth == 0 and piece == "}":
            skip = False
    return "".join(kept)


def _tokens(css: str, theme: Theme) -> dict[str, str]:
    """The colours and type of the picture in one theme."""
    rules = re.findall(r"([^{}]*)\{([^{}]*)\}", _flat(css))
    light = next(body for selector, body in rules if selector.strip() == ".picture")
    dark = next((body for selector, body in rules if "data-theme" in selector and "dark" in selector), "")
    return dict(_DECLARED.findall(light)) | (dict(_DECLARED.findall(dark)) if theme == "dark" else {})


def _resolved(css: str, tokens: dict[str, str]) -> str:
    for _ in range(3):
        css = _VAR.sub(lambda match: tokens.get(match[1], match[0]), css)
    return css
