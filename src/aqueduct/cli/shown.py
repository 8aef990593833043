"""What commands print for programs: objects as the admin API shows them, in one form for both."""

from collections.abc import Mapping

from aqueduct.admin_api.api_tokens.schemas import ApiTokenView
from aqueduct.admin_api.audit.schemas import AuditView
from aqueduct.admin_api.budgets.schemas import BudgetView
from aqueduct.admin_api.captures.schemas import CaptureFactsView, CaptureView
from aqueduct.admin_api.limits.schemas import LimitView
from aqueduct.admin_api.memberships.schemas import MembershipView
from aqueduct.admin_api.model_rules.schemas import ModelRuleView
from aqueduct.admin_api.organisations.schemas import OrganisationView
from aqueduct.admin_api.schemas import View
from aqueduct.admin_api.service_accounts.schemas import ServiceAccountView
from aqueduct.admin_api.teams.schemas import TeamView
from aqueduct.admin_api.terms.schemas import TermsView
from aqueduct.admin_api.users.schemas import UserView
from aqueduct.admin_api.webhooks.schemas import WebhookView, show_delivery
from aqueduct.control.webhooks import ToldEvent
from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.audit import AuditEntry
from aqueduct.domain.budget import SpentBudget
from aqueduct.domain.capture import Capture, CaptureFacts
from aqueduct.domain.identity import Membership, Organisation, ServiceAccount, Team, User
from aqueduct.domain.limit import Limit
from aqueduct.domain.model_rules import ModelRule
from aqueduct.domain.terms import Terms
from aqueduct.domain.webhook import Webhook

VIEWS: Mapping[type, type[View]] = {
    ApiToken: ApiTokenView,
    AuditEntry: AuditView,
    Capture: CaptureView,
    CaptureFacts: CaptureFactsView,
    Limit: LimitView,
    Membership: MembershipView,
    ModelRule: ModelRuleView,
    Organisation: OrganisationView,
    ServiceAccount: ServiceAccountView,
    SpentBudget: BudgetView,
    Team: TeamView,
    Terms: TermsView,
    User: UserView,
    Webhook: WebhookView,
}


def shown(item: object) -> object:
    """Return an object as the admin API shows it: instants as RFC 3339 has them, amounts as text in units."""
    if isinstance(item, ToldEvent):
        return show_delivery(item).model_dump(mode="json")
    return VIEWS[type(item)].model_validate(item).model_dump(mode="json")
