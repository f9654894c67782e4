"""From what matplotlib writes to SVG that stands in the page: small, in the page's colours, without inline styles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from xml.etree import ElementTree

COLOURS = (
    *("ink", "soft", "faint", "line", "track", "card", "clean", "worst", "good", "bad"),
    *("a0", "a1", "a2", "a3", "a4", "a5"),
)
"""Colours by the page's names: `--a0` is what the page makes of it, in light and in dark."""

PLACEHOLDERS = {name: f"#0a{number:02x}fe" for number, name in enumerate(COLOURS)}
"""What to draw with, so that the page's colours can be put in their place."""

_NAMES = {placeholder: name for name, placeholder in PLACEHOLDERS.items()}
_XLINK = "{http://www.w3.org/1999/xlink}href"
_DEFAULTS = {"stroke-width": "1", "opacity": "1", "fill-opacity": "1", "stroke-opacity": "1"}
_PAGE_SAYS = ("font-family", "font-size", "font-weight", "font-style", "font", "stroke-linejoin", "stroke-linecap")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


def plain(text: str) -> str:
    """The text in one line and without characters that XML does not allow."""
    return _UNSAFE.sub(" ", text).strip()


def inline(svg: str, name: str, title: str, description: str, hints: Mapping[str, str]) -> str:
    """An `<svg>` element for an HTML page from a whole SVG file that was drawn with `PLACEHOLDERS`.

    Every id begins with `name`, so that many may stand in one page. Colours, fonts and sizes become classes (`f-ink`
    fills, `s-a0` strokes, `t-11` letters), other styles attributes, so that a policy without inline styles allows it.
    `hints` says what the pointer is told over the artists with these ids.
    """
    root = ElementTree.fromstring(svg)
    links = [node.get(_XLINK, "")[1:] for node in root.iter() if node.get(_XLINK)]
    ids = {link: f"{name}-{number}" for number, link in enumerate(dict.fromkeys(links))}
    content = "".join(part for child in root for part in _write(child, ids, hints, defined=False))
    return (
        f'<svg viewBox="{root.get("viewBox")}" role="img" '
        f'aria-labelledby="{name}-title" aria-describedby="{name}-about">'
        f'<title id="{name}-title">{_text(title)}</title><desc id="{name}-about">{_text(description)}</desc>'
        f"{content}</svg>"
    )


def _write(node: ElementTree.Element, ids: Mapping[str, str], hints: Mapping[str, str], defined: bool) -> Iterator[str]:
    tag = node.tag.rpartition("}")[2]
    inner_defined = defined or tag == "defs"
    inside = "".join(part for child in node for part in _write(child, ids, hints, inner_defined))
    if tag in ("metadata", "style", "clipPath"):
        return
    if tag == "g":
        hint = hints.get(node.get("id", ""))
        yield inside if hint is None or not inside else f"<g><title>{_text(hint)}</title>{inside}</g>"
    elif tag == "defs":
        yield inside and f"<defs>{inside}</defs>"
    elif not (defined and ids.get(node.get("id", "")) is None):
        written = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(node, tag, ids, defined).items())
        inside += _text(node.text) if tag == "text" else ""
        yield f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>"


def _attributes(node: ElementTree.Element, tag: str, ids: Mapping[str, str], defined: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    classes: list[str] = []
    for key, value in node.attrib.items():
        if key == _XLINK:
            found["href"] = f"#{ids[value[1:]]}"
        elif key == "d":
            found["d"] = _short(value, 2 if defined else 1)
        elif key in ("x", "y") or (key == "transform" and not value.startswith("rotate(-0 ")):
            found[key] = _short(value, 1)
    if defined:
        found["id"] = ids[node.get("id", "")]
        return found  # what is used takes its looks from where it is used
    style = dict(_declarations(node.get("style", "")))
    for key, prefix in (("fill", "f"), ("stroke", "s")):
        colour = style.pop(key, "")
        if colour in _NAMES:
            classes.append(f"{prefix}-{_NAMES[colour]}")
        elif colour:
            found[key] = colour
    if tag == "text":
        classes.append(f"t-{style.get('font-size', '11px').removesuffix('px')}")
        if style.get("font-weight", "400") not in ("400", "normal"):
            classes.append("t-bold")
    found.update((key, value) for key, value in style.items() if key not in _PAGE_SAYS and _DEFAULTS.get(key) != value)
    return {"class": " ".join(classes), **found} if classes else found


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for declaration in style.split(";"):
        key, _, value = declaration.partition(":")
        if key.strip():
            yield key.strip(), value.strip()


def _short(numbers: str, digits: int) -> str:
    """The same with every number rounded, and as little space between them as can be."""
    rounded = re.sub(r"-?\d+\.\d+", lambda found: f"{round(float(found[0]), digits) + 0.0:g}", numbers)
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", rounded).strip() if "rotate" not in numbers else rounded


def _text(text: str | None) -> str:
    return escape(plain(text or ""), quote=False)
