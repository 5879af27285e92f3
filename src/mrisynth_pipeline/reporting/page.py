"""A page that needs nothing but itself: template and styles in one HTML text."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render_page(template: str, filters: Mapping[str, Callable] | None = None, **values: Any) -> str:
    """Fill in a template of this room; styles inside, no script, no outside address.

    Args:
        template: File name below ``templates``; it extends ``page.html``.
        filters: Jinja filters that it uses.
        values: What it shows, escaped unless marked safe; a missing one is an error.
    """
    environment = Environment(
        loader=PackageLoader("mrisynth_pipeline.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(filters or {})
    stylesheet, _, _ = environment.loader.get_source(environment, "report.css")
    return environment.get_template(template).render(stylesheet=Markup(stylesheet), **values)  # our own file, not input
