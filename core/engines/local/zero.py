"""A model on Hugging Face's ZeroGPU, where a GPU is lent for one call of a function at a time.

The call runs in another process: ids go in, plain values come out, and what was computed for
the last call is not to be counted on. ``spaces`` lends the GPU; where it lends none, a model
on the CPU answers and says so. Knows nothing of text or of pages.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from core.engines import ScoreReport
from core.engines.local.jobs import Document
from core.engines.local.limits import Limits
from core.engines.local.packed import PackedModel
from core.engines.local.predictor import Predictor
from core.engines.local.verified import WholeModel
from core.engines.memory import BoundedMemory
from core.errors import LabError
from core.inside import Inside
from core.tokens import Distribution, ScoredText

SECONDS_TO_BEGIN = 6  # to start a process and move some gigabytes; less is asked, less is waited
TOKENS_A_SECOND = 1000  # far fewer than a GPU computes: a call that takes longer is broken off
SECONDS_BETWEEN_TRIES = 30  # when no GPU is free
REFUSED = "ZeroGPU"  # every refusal is a Gradio error with a title that begins so
QUOTA, BROKEN = "ZeroGPU quota exceeded", "ZeroGPU worker error"
NEXT = -1  # before the ids of a distribution, where a scored text has its top_n
VERBS = ("next_of_each", "score", "inside")
Ask = Callable[..., Any]
Tell = Callable[[str], None]

_lendable: list[Callable[[], Predictor]] = []
_opened: dict[int, Predictor] = {}


def on_gpu(number: int, verb: str, *given: Any) -> Any:
    """The one function that a GPU is lent for: a verb of the predictor of a lendable model.

    The process it runs in was forked when the model was whole; its predictor is made there.
    """
    if verb not in VERBS:
        raise ValueError(verb)
    if number not in _opened:
        _opened[number] = _lendable[number]()
    return getattr(_opened[number], verb)(*given)


def seconds_of(number: int, verb: str, given: Any, *_: Any) -> int:
    """For how long a GPU is asked for, by the number of tokens."""
    n_tokens = sum(map(len, given)) if verb == "next_of_each" else len(given)
    return SECONDS_TO_BEGIN + -(-n_tokens // TOKENS_A_SECOND)


class LentPredictor:
    """What a Predictor does, on a lent GPU. Safe to use from many threads.

    ``ask`` is ``on_gpu`` as ``spaces.GPU`` wraps it. ``fallback`` answers where no GPU is lent,
    after ``tell`` was given the ``sentence`` about it. Until ``lend`` the model is on the CPU
    of this process, and what it answers is kept for good: the stock.
    """

    def __init__(
        self,
        model: Any,
        way: type[PackedModel] | type[WholeModel],
        limits: Limits,
        ask: Ask,
        fallback: tuple[str, Any],
        tell: Tell,
    ) -> None:
        self.limits = limits
        self._model, self._ask, self._tell = model, ask, tell
        self._name_of_fallback, self._fallback = fallback
        few = replace(limits, distribution_bytes=0, scored_bytes=0, n_lookahead=0)
        self._number = len(_lendable)
        _lendable.append(lambda: Predictor(way(model), few))
        self._here: Predictor | None = _lendable[self._number]()
        self._stock = BoundedMemory[Any](limits.distribution_bytes // 2)
        self.forget()

    def lend(self, device: str = "cuda") -> None:
        """From now on a GPU is asked for. To be called in the thread that imported ``spaces``."""
        self._here = None
        self._model.to(device)

    def forget(self) -> None:
        """Keep the stock alone, and ask for a GPU again."""
        self._recent = BoundedMemory[Any](self.limits.distribution_bytes // 2)
        self._not_before = 0.0

    def next(self, document: Document, *, may_grow: bool = True) -> Distribution:
        """The distribution after a document; nothing is prepared after it."""
        return self.next_of_each([document])[0]

    def next_of_each(self, documents: Sequence[Document]) -> list[Distribution]:
        """The distribution after each document, all missing ones in one call."""
        found = {d: known for d in documents if (known := self._known((NEXT, *d))) is not None}
        missing = [document for document in dict.fromkeys(documents) if document not in found]
        if missing:
            answers, ours = self._answer("next_of_each", missing)
            for document, answer in zip(missing, answers, strict=True):
                found[document] = answer
                self._keep(ours, (NEXT, *document), answer, answer.logprob_by_id.nbytes)
        return [found[document] for document in documents]

    def score(self, ids: Document, top_n: int, report: ScoreReport | None) -> ScoredText:
        """What the model made of each token, in one call; ``report`` hears of its end."""
        scored: ScoredText | None = self._known((top_n, *ids))
        if scored is None:
            answer, ours = self._answer("score", ids, top_n, None)
            scored = ScoredText(answer.ids, *answer.columns)  # its arrays locked again
            self._keep(ours, (top_n, *ids), scored, sum(c.nbytes for c in scored.columns))
        if report is not None:
            report(scored, len(ids))
        return scored

    def inside(self, ids: Document, token_ids: Sequence[int]) -> Inside:
        """How the logits of some tokens come about."""
        found: Inside = self._answer("inside", ids, tuple(token_ids))[0]
        return found

    def _known(self, key: tuple[int, ...]) -> Any:
        stock = self._stock.get(key)
        return self._recent.get(key) if stock is None else stock

    def _keep(self, ours: bool, key: tuple[int, ...], answer: Any, n_bytes: int) -> None:
        """Keep an answer of the model itself, until ``lend`` for good."""
        if ours:
            (self._stock if self._here is not None else self._recent).put(key, answer, n_bytes)

    def _answer(self, verb: str, *given: Any) -> tuple[Any, bool]:
        """(the answer, whether it is the model's own)."""
        if self._here is not None:
            return getattr(self._here, verb)(*given), True
        title = "no GPU was free a moment ago"
        if time.monotonic() >= self._not_before:
            try:
                return self._ask(self._number, verb, *given), True
            except Exception as error:
                title = _refusal(error)
                if title != QUOTA:  # which is one visitor's, while a queue is everybody's
                    self._not_before = time.monotonic() + SECONDS_BETWEEN_TRIES
        self._tell(self._sentence(title))
        return getattr(self._fallback, verb)(*given), False

    def _sentence(self, title: str) -> str:
        why, then = "Hugging Face has no GPU free at the moment", "Try again in a minute."
        if title == QUOTA:
            why = "The GPU time that Hugging Face lends you is used up for today"
            then = "Sign in to Hugging Face for more, or come back tomorrow."
        return (
            f"{why}, so {self._name_of_fallback} answered this on the CPU; the numbers on "
            f"this page are now its own. {then}"
        )


def _refusal(error: Exception) -> str:
    """The title of a refusal to lend a GPU; raises what is none.

    They are errors of Gradio, which nothing here knows, so they are known by their titles.
    """
    title = str(getattr(error, "title", ""))
    if not title.startswith(REFUSED):
        raise error
    if title == BROKEN:
        raise LabError(
            "The GPU broke this off, so there is no answer. Try again, with a shorter text "
            "if it happens again."
        ) from error
    return title
