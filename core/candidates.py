"""One token after a context, whatever its rank: from what an engine predicts, or by scoring it.

An engine that gives only its most likely tokens still scores any token of a text. Knows
nothing of pages.
"""

from core.engines import Engine
from core.tokens import Candidate, Ids


def candidate_after(engine: Engine, context: Ids, token_id: int) -> Candidate:
    """A token with what the model gives it after ``context``.

    One more question to an engine whose distribution does not hold it. Not known (see
    Candidate) only where no further token fits.
    """
    found: Candidate = engine.next(context).candidate(token_id)
    if found.known or len(context) >= engine.info.context_length:
        return found
    return engine.score((*context, token_id), top_n=1).candidate(len(context))
