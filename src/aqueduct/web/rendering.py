"""Renders templates: everything that comes from outside is escaped, and a name that there is not is an error."""

import time
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from aqueduct.web import formats
from aqueduct.web.assets import Assets


def open_templates(assets: Assets) -> Environment:
    """Return the templates, with what all of them may use."""
    environment = Environment(
        loader=PackageLoader("aqueduct.web"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=500,
    )
    environment.filters.update(
        number=formats.number,
        short_number=formats.short_number,
        money=formats.money,
        costs=formats.costs,
        instant=formats.instant,
        iso=formats.iso,
        day=formats.day,
        ticks=formats.ticks,
        browser=formats.browser,
        relative=lambda at: formats.relative(at, time.time()),
    )
    environment.globals.update(asset=assets.url, percent=formats.percent)
    return environment


def render(environment: Environment, template: str, context: Mapping[str, object]) -> str:
    """Render a template."""
    return environment.get_template(template).render(context)
