"""The endpoints of model rules."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.model_rules.schemas import ModelRuleChanges, ModelRuleQuery, ModelRuleView, NewModelRuleBody
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control.allowances import ModelRules
from aqueduct.domain.scopes import Kind

router = new_router("model_rules")
Reading = Annotated[Desk, reads(Kind.MODEL_RULE)]
Writing = Annotated[Desk, writes(Kind.MODEL_RULE)]


@router.get("")
async def list_model_rules(desk: Reading, query: Annotated[ModelRuleQuery, Query()]) -> ListOf[ModelRuleView]:
    """List the model rules that you may see."""
    return await desk.page(ModelRules, query.listing(), ModelRuleView)


@router.post("", status_code=201)
async def create_model_rule(desk: Writing, body: NewModelRuleBody) -> ModelRuleView:
    """Say which models a subject may use."""
    made = await ModelRules(desk.registry).create(desk.actor, body.subject_type, body.subject, body.wanted)
    return desk.show(made, ModelRuleView)


@router.get("/{model_rule}")
async def read_model_rule(desk: Reading, model_rule: str) -> ModelRuleView:
    """Read a model rule."""
    return await desk.read(ModelRules, model_rule, ModelRuleView)


@router.patch("/{model_rule}")
async def change_model_rule(
    desk: Writing, model_rule: str, body: ModelRuleChanges, if_match: IfMatch = None
) -> ModelRuleView:
    """Change a model rule."""
    return await desk.change(ModelRules, model_rule, body, if_match, ModelRuleView)


@router.delete("/{model_rule}")
async def delete_model_rule(desk: Writing, model_rule: str, if_match: IfMatch = None) -> ModelRuleView:
    """Delete a model rule; answers what it was."""
    return await desk.delete(ModelRules, model_rule, if_match, ModelRuleView)
