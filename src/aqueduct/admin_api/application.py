"""The application: every resource's router, the door before them, and the OpenAPI document."""

from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from aqueduct.admin_api.door import Authenticate, Door
from aqueduct.admin_api.errors import answer_errors
from aqueduct.admin_api.memberships import endpoints as memberships
from aqueduct.admin_api.openapi import describe
from aqueduct.admin_api.organisations import endpoints as organisations
from aqueduct.admin_api.schemas import PREFIX
from aqueduct.admin_api.service_accounts import endpoints as service_accounts
from aqueduct.admin_api.teams import endpoints as teams
from aqueduct.admin_api.users import endpoints as users
from aqueduct.control.idempotency import Idempotency
from aqueduct.control.registry import Registry

RESOURCES = (
    organisations,
    teams,
    users,
    memberships,
    service_accounts,
)
OPENAPI = f"{PREFIX}/openapi.json"


def build_application(registry: Registry, authenticate: Authenticate) -> ASGIApp:
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
