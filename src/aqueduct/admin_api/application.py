"""The application: every resource's router, the door before them, and the OpenAPI document."""

from importlib.metadata import version

from fastapi import FastAPI

from aqueduct.admin_api.api_tokens import endpoints as api_tokens
from aqueduct.admin_api.audit import endpoints as audit
from aqueduct.admin_api.budgets import endpoints as budgets
from aqueduct.admin_api.door import Application, Authenticate, Door
from aqueduct.admin_api.errors import answer_errors
from aqueduct.admin_api.limits import endpoints as limits
from aqueduct.admin_api.memberships import endpoints as memberships
from aqueduct.admin_api.model_rules import endpoints as model_rules
from aqueduct.admin_api.openapi import describe
from aqueduct.admin_api.organisations import endpoints as organisations
from aqueduct.admin_api.schemas import PREFIX
from aqueduct.admin_api.service_accounts import endpoints as service_accounts
from aqueduct.admin_api.teams import endpoints as teams
from aqueduct.admin_api.terms import endpoints as terms
from aqueduct.admin_api.usage import endpoints as usage
from aqueduct.admin_api.users import endpoints as users
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
    audit,
    usage,
)
OPENAPI = f"{PREFIX}/openapi.json"


def build_application(registry: Registry, authenticate: Authenticate) -> Application:
    """Return the application; `authenticate` tells whose a request is."""
    app = FastAPI(
        title="Aqueduct admin API",
        version=version("aqueduct-gateway"),
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.registry = registry
    app.state.idempotency = Idempotency(registry.database)
    for resource in RESOURCES:
        app.include_router(resource.router, prefix=PREFIX)
    answer_errors(app)
    describe(app)
    return Door(app, authenticate, frozenset({OPENAPI}))
