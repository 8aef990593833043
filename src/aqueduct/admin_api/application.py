"""The application: every resource's router, the door before them, and the OpenAPI document."""

from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI, Response

from aqueduct.admin_api.api_tokens import endpoints as api_tokens
from aqueduct.admin_api.audit import endpoints as audit
from aqueduct.admin_api.budgets import endpoints as budgets
from aqueduct.admin_api.cache import endpoints as cache
from aqueduct.admin_api.captures import endpoints as captures
from aqueduct.admin_api.door import Application, Authenticate, Door
from aqueduct.admin_api.errors import answer_errors
from aqueduct.admin_api.limits import endpoints as limits
from aqueduct.admin_api.memberships import endpoints as memberships
from aqueduct.admin_api.model_rules import endpoints as model_rules
from aqueduct.admin_api.openapi import describe
from aqueduct.admin_api.organisations import endpoints as organisations
from aqueduct.admin_api.schemas import PREFIX
from aqueduct.admin_api.service_accounts import endpoints as service_accounts
from aqueduct.admin_api.targets import endpoints as targets
from aqueduct.admin_api.targets.endpoints import ListHealth
from aqueduct.admin_api.teams import endpoints as teams
from aqueduct.admin_api.terms import endpoints as terms
from aqueduct.admin_api.usage import endpoints as usage
from aqueduct.admin_api.users import endpoints as users
from aqueduct.admin_api.webhooks import endpoints as webhooks
from aqueduct.control.idempotency import Idempotency
from aqueduct.control.registry import Registry

RESOURCES = (
    organisations,
    teams,
    users,
    memberships,
    service_accounts,
    api_tokens,
    model_rules,
    limits,
    budgets,
    terms,
    webhooks,
    audit,
    usage,
    captures,
    targets,
    cache,
)
OPENAPI = f"{PREFIX}/openapi.json"


def build_application(registry: Registry, authenticate: Authenticate, list_health: ListHealth) -> Application:
    """Return the application; `authenticate` tells whose a request is, `list_health` how the targets are.

    Takes a second and more of a processor: the OpenAPI document is made here, and with it all that the framework would
    otherwise put off until a path is first asked for.
    """
    app = assemble()
    app.state.registry = registry
    app.state.list_health = list_health
    app.state.idempotency = Idempotency(registry.database)
    answer_errors(app)
    document = Response(msgspec.json.encode(describe(app)), media_type="application/json")

    @app.get(OPENAPI, include_in_schema=False)
    async def show_openapi() -> Response:
        return document

    return Door(app, authenticate, frozenset({OPENAPI}), (f"{PREFIX}/terms",))


def assemble() -> FastAPI:
    """Return the resources, put together."""
    app = FastAPI(
        title="Aqueduct admin API",
        version=version("aqueduct-gateway"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for resource in RESOURCES:
        app.include_router(resource.router, prefix=PREFIX)
    return app


def describe_application() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return describe(assemble())
