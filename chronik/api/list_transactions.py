"""ListTransactions: transactional ids and where their transactions stand (KIP-664, KIP-994, KIP-1152).

Served: 0 to 2. Version 1 asks for those that began long enough ago, version 2 by a regular expression (in RE2's syntax,
for the whole id; INVALID_REGULAR_EXPRESSION).
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.patterns import InvalidPattern, Pattern
from chronik.txn.listing import TransactionFilter
from chronik.wire.apis import ApiKey
from chronik.wire.messages.list_transactions import (
    ListTransactionsRequest,
    ListTransactionsResponse,
    TransactionState,
)

API = ApiKey.LIST_TRANSACTIONS
VERSIONS = (0, 2)


def handle(context: RequestContext, request: ListTransactionsRequest) -> ListTransactionsResponse:
    """List the ids for which all conditions hold; unknown names of states are told beside them."""
    try:
        # Null and empty alike ask for all.
        matches = Pattern(request.transactional_id_pattern).matches if request.transactional_id_pattern else None
    except InvalidPattern:
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION)
    wanted = TransactionFilter(
        tuple(request.state_filters), tuple(request.producer_id_filters), request.duration_filter, matches
    )
    return ListTransactionsResponse(
        unknown_state_filters=list(wanted.unknown_states),
        transaction_states=[
            TransactionState(
                transactional_id=found.transactional_id,
                producer_id=found.producer_id,
                transaction_state=found.state,
            )
            for found in context.broker.transactions.list_transactions(wanted)
        ],
    )
