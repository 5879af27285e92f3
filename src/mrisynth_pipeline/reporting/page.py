"""A page that needs nothing but itself: template, styles and, where one is asked for, a script in one HTML text."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render_page(
    template: str,
    filters: Mapping[str, Callable] | None = None,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    **values: Any,
) -> str:
    """Fill in a template of this room; styles and scripts inside, no outside address.

    The page forbids its browser to load anything, and to run any script but the given ones: text that slipped through
    could not act.

    Args:
        template: File name below ``templates``; it extends ``page.html``.
        filters: Jinja filters that it uses.
        styles: Stylesheets below ``templates`` that follow the common one.
        scripts: Scripts below ``templates``, run in this order as one when the page has been read.
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

    def joined(names: Sequence[str]) -> str:
        return "\n".join(environment.loader.get_source(environment, name)[0] for name in names)

    script = joined(scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        stylesheet=Markup(joined(["report.css", *styles])),  # our own files, not input
        script=Markup(script),
        script_source=f"'sha256-{digest}'" if script else "'none'",
        **values,
    )
