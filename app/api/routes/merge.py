"""The route `POST /v1/merge`: states of parts become the answer of the whole."""

from fastapi import APIRouter

from app import service
from app.api.application import BareRoute
from app.api.contract import texts
from app.api.exchange import Exchange
from app.api.intake.bodies import whole_body
from app.api.intake.body import Body
from app.api.intake.while_connected import while_connected
from app.api.negotiation.accept import json_terms
from app.api.response import Response
from app.api.schemas.answers import ScoreAnswer
from app.api.schemas.comparisons import CompareAnswer
from app.api.schemas.merge import merge_request
from app.api.schemas.query import refuse_query
from app.core.checkpoints import Check
from app.core.paying import hold
from app.wire.json.heavy import check_weight
from app.wire.json.reader import object_of

STATE_TIMES = 14
"""The memory of the sums of states, in times of their text: numbers of many digits, objects and lines. Measured."""
ADVICE = 'merge some states with `include: ["state"]`, and then their states'

router = APIRouter(tags=["merge"], route_class=BareRoute)


@router.post(
    "/v1/merge",
    operation_id="merge",
    summary="One answer from the states of parts",
    description=texts.MERGE,
    response_model=ScoreAnswer | CompareAnswer,
    response_description=texts.ANSWERS["merge"],
)
async def merge(exchange: Exchange) -> Response:
    """Add states up."""
    _, forms = json_terms(exchange.head)
    await exchange.read_query(refuse_query, exchange)
    body = await whole_body(exchange, ADVICE)
    exchange.memory.hold("body", len(body))

    def answered(check: Check) -> tuple[Response, int]:
        with exchange.capacity.json_lock:
            check()
            text = body.taken() if isinstance(body, Body) else body
            check_weight(text, f"the body, {ADVICE},")
            hold("held", STATE_TIMES * len(text))
            states, with_state = merge_request(object_of(text))
        content = service.merge(states, with_state=with_state)
        return forms.answer(content, exchange), content["n_scored"]

    response, exchange.n_scored = await while_connected(exchange, exchange.capacity.whole, answered)
    return response
