"""What callers wait for: distributions of documents, scored texts, a look inside.

Values and how far they are; knows nothing of how a pass is done.
"""

import queue
from collections.abc import Iterator, Sequence

from core.engines.local.packed import Pause
from core.engines.local.scheduler import Job, Urgency
from core.inside import Inside
from core.tokens import Distribution, ScoredText, unscored_columns

Document = tuple[int, ...]


class Prediction(Job):
    """Somebody waits for the distributions after some documents."""

    def __init__(self, urgency: Urgency, documents: Sequence[Document]) -> None:
        super().__init__(urgency)
        self.documents = documents
        self.found: dict[Document, Distribution] = {}

    @property
    def missing(self) -> list[Document]:
        """The documents still to be computed."""
        return [document for document in self.documents if document not in self.found]


class InSteps(Job):
    """Somebody waits for something about one document that takes some passes, one after another."""

    def __init__(self, ids: Document) -> None:
        super().__init__(Urgency.SCORE)
        self.ids = ids
        self.steps: Iterator[None] = iter(())
        self.begun = False
        self.pause: Pause | None = None

    def advance(self, pause: Pause) -> None:
        """Do the next step."""
        self.begun, self.pause = True, pause
        for _ in self.steps:
            return
        if not self.done:
            raise RuntimeError("The steps were ended by another pass.")


class Inspection(InSteps):
    """Somebody waits to see how the logits of some tokens after a document come about."""

    def __init__(self, ids: Document, token_ids: Sequence[int]) -> None:
        super().__init__(ids)
        self.token_ids = token_ids
        self.found: Inside | None = None


class Scoring(InSteps):
    """Somebody waits for a scored text; ``news`` holds its parts as they grow, then None."""

    def __init__(self, ids: Document, top_n: int) -> None:
        super().__init__(ids)
        self.top_n = top_n
        self.columns = unscored_columns(len(ids), top_n)
        self.news: queue.SimpleQueue[ScoredText | None] = queue.SimpleQueue()

    @property
    def n_bytes(self) -> int:
        """Memory of the columns."""
        return sum(column.nbytes for column in self.columns)

    def tell(self, n_rows: int) -> None:
        """Let whoever waits see the first rows."""
        self.news.put(ScoredText(self.ids[:n_rows], *(c[:n_rows] for c in self.columns)))

    def end(self) -> None:
        """Say that no more news will come."""
        super().end()
        self.news.put(None)
