"""The tables of what is administered, each bound to the domain's value."""

from aqueduct.domain.audit import AuditEntry
from aqueduct.domain.budget import Budget
from aqueduct.domain.capture import Capture, CaptureFacts
from aqueduct.domain.credential import Flow, Identity, Passkey
from aqueduct.domain.event import Event
from aqueduct.domain.identity import Membership, Organisation, ServiceAccount, Team, User
from aqueduct.domain.limit import Limit
from aqueduct.domain.model_rules import ModelRule
from aqueduct.domain.terms import Terms, TermsAcceptance
from aqueduct.domain.webhook import Webhook
from aqueduct.storage import tables
from aqueduct.storage.records import Records

ORGANISATIONS = Records(tables.organisations, Organisation)
TEAMS = Records(tables.teams, Team)
USERS = Records(tables.users, User)
MEMBERSHIPS = Records(tables.memberships, Membership)
SERVICE_ACCOUNTS = Records(tables.service_accounts, ServiceAccount)
MODEL_RULES = Records(tables.model_rules, ModelRule)
LIMITS = Records(tables.limits, Limit)
BUDGETS = Records(tables.budgets, Budget)
TERMS = Records(tables.terms_of_service, Terms)
TERMS_ACCEPTANCES = Records(tables.terms_acceptances, TermsAcceptance)
AUDIT_LOG = Records(tables.audit_log, AuditEntry)
WEBHOOKS = Records(tables.webhooks, Webhook)
EVENTS = Records(tables.events, Event)
IDENTITIES = Records(tables.identities, Identity)
PASSKEYS = Records(tables.passkeys, Passkey)
FLOWS = Records(tables.sign_in_flows, Flow)
CAPTURES = Records(tables.captures, Capture)
CAPTURE_FACTS = Records(tables.captures, CaptureFacts)
"""The same rows without what was said."""
