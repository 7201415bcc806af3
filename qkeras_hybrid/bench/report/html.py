"""Writes the page: one file that needs no network and no other file."""

from __future__ import annotations

import importlib.resources
import math
from typing import TYPE_CHECKING

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import charts, drawing, figures, frontiers, fronts, markdown, words
from qkeras_hybrid.bench.report.content import Content, cost_heads

if TYPE_CHECKING:
    import jinja2
    import markupsafe
else:
    jinja2 = lazy_module("jinja2")
    markupsafe = lazy_module("markupsafe")


def page(content: Content) -> str:
    """Returns the page as HTML.

    Args:
        content: The contents of the report.
    """
    here = importlib.resources.files("qkeras_hybrid.bench.report")
    texts = {
        name: here.joinpath(f"page.{name}").read_text("utf-8") for name in ("html", "css", "js")
    }
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals.update(
        words=words,
        metric_of=metric_of,
        decided=markdown.decided,
        charts=charts,
        drawing=drawing,
        fronts=fronts,
        frontiers=frontiers,
        safe=markupsafe.Markup,
        isnan=math.isnan,
        value=_value,
        cost_heads=words.COST_HEADS,
        cost_heads_of=cost_heads,
        ranks_svg=figures.ranks_svg,
    )
    return environment.from_string(texts["html"]).render(
        content=content,
        css=markupsafe.Markup(texts["css"]),
        js=markupsafe.Markup(texts["js"]),
    )


def _value(number: float | None) -> str:
    """Returns the sort key of a cell; empty if it has no number, which sorts last."""
    return "" if number is None or math.isnan(number) else repr(float(number))
