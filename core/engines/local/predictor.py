"""Distributions and scored texts of documents, computed once, soon, and for many at a time.

Puts together the prefix tree, the packed passes, the output layer and the scheduler.
Knows token ids only: no tokenizer, no text.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, pairwise, zip_longest
from typing import Any

import numpy as np
import torch

from core.engines import ScoreReport
from core.engines.local.inspection import looked_inside
from core.engines.local.jobs import Document, Inspection, InSteps, Prediction, Scoring
from core.engines.local.limits import Limits
from core.engines.local.output_layer import LOGITS_ROWS, log_normalizers, row_statistics
from core.engines.local.packed import PackedModel, Pause
from core.engines.local.prefix_tree import Node, NoRoom, PrefixTree
from core.engines.local.scheduler import Scheduler, Urgency
from core.engines.local.verified import WholeModel
from core.engines.memory import BoundedMemory
from core.inside import Inside
from core.tokens import Distribution, ScoredText

CLICK_TOKENS = 16  # a document with fewer tokens to compute is a click, else a prefill
PASS_TOKENS = 1280  # that go through the body together; a longer document goes in pieces,
LATER_TOKENS = 1024  # of this length,
FIRST_TOKENS = 128  # but the first piece of a text to score is short: its colours come soon
PASS_COLUMNS = 8192  # past tokens that one pass of many documents looks at
PASS_DOCUMENTS = 64
LOGITS_BYTES = 128 << 20  # of float32 logits at once: 128 rows of 262,144
FIRST_ROWS = 32  # those that are coloured first; then LOGITS_ROWS
LOOKAHEADS = 64  # documents on screens whose next clicks are prepared


class Predictor:
    """What a model predicts, for many callers at once. Safe to use from many threads."""

    def __init__(self, model: PackedModel | WholeModel, limits: Limits) -> None:
        self.model = model.with_slots(limits.n_slots)
        self.limits = limits
        self._tree = PrefixTree(limits.n_slots)
        self._distributions = BoundedMemory[Distribution](limits.distribution_bytes)
        self._scored = BoundedMemory[ScoredText](limits.scored_bytes)
        self._ahead: OrderedDict[Document, Prediction] = OrderedDict()
        self._ahead_lock = threading.Lock()
        fitting = max(1, LOGITS_BYTES // (4 * model.output.vocab_size))
        self._rows_at_once = min(fitting, LOGITS_ROWS)
        self._room = model.output.room()
        self._scheduler = Scheduler(self._join, self._do_pass)

    def next(self, document: Document, *, may_grow: bool = True) -> Distribution:
        """The distribution after a document; the likeliest next clicks are prepared after it.

        ``may_grow``: whether the model takes a longer document than this one.
        """
        (distribution,) = self.next_of_each([document])
        if may_grow and self.limits.n_lookahead:
            self._look_ahead(document, distribution)
        return distribution

    def next_of_each(self, documents: Sequence[Document]) -> list[Distribution]:
        """The distribution after each document."""
        found = {d: known for d in documents if (known := self._distributions.get(d)) is not None}
        missing = [d for d in dict.fromkeys(documents) if d not in found]
        if missing:
            job = Prediction(self._urgency_of(missing), missing)
            self._scheduler.submit(job)
            job.wait()
            found |= job.found
        return [found[d] for d in documents]

    def score(self, ids: Document, top_n: int, report: ScoreReport | None) -> ScoredText:
        """What the model made of each token; see Engine.score."""
        known = self._scored.get((top_n, *ids))
        if known is not None:
            return known
        job = Scoring(ids, top_n)
        job.steps = self._steps(job)
        self._scheduler.submit(job)
        try:
            while (part := job.news.get()) is not None:
                if report is not None:
                    report(part, len(ids))
        except BaseException:
            self._scheduler.cancel(job)
            raise
        job.wait()
        return ScoredText(ids, *job.columns)

    def inside(self, ids: Document, token_ids: Sequence[int]) -> Inside:
        """How the logits of some tokens come about; see LooksInside."""
        job = Inspection(ids, token_ids)
        job.steps = self._inspect(job)
        self._scheduler.submit(job)
        job.wait()
        assert job.found is not None  # a job that ended without error is done
        return job.found

    def _urgency_of(self, documents: Sequence[Document]) -> Urgency:
        # read beside the thread that owns the tree: a guess, and only of how long it will take
        most = max(self._tree.n_missing(document) for document in documents)
        return Urgency.CLICK if most <= CLICK_TOKENS else Urgency.PREFILL

    def _look_ahead(self, document: Document, shown: Distribution) -> None:
        """Prepare the clicks on the first candidates, in place of those of the step before."""
        clicks = [(*document, int(token)) for token in shown.top(self.limits.n_lookahead)]
        clicks = [click for click in clicks if self._distributions.get(click) is None]
        with self._ahead_lock:
            stale = {d for d in (document, document[:-1]) if d in self._ahead}
            if len(self._ahead) >= LOOKAHEADS:
                stale.add(next(iter(self._ahead)))
            for known in stale:
                self._scheduler.cancel(self._ahead.pop(known))
            if not clicks:
                return
            job = self._ahead[document] = Prediction(Urgency.LOOKAHEAD, clicks)
        self._scheduler.submit(job)

    def _join(self, jobs: Sequence[Any]) -> list[Any]:
        """The jobs of the next pass: the predictions it has room for, or one other.

        The rest keep their places in line.
        """
        if jobs and isinstance(jobs[0], InSteps):
            return self._first_in_steps(jobs)
        free = [job for job in jobs if any(map(self._is_free, job.missing))]
        if free and free[0].urgency is Urgency.LOOKAHEAD:
            return free[:1]
        batch = set(self._batch(free))
        return [job for job in free if not batch.isdisjoint(job.missing)]

    def _first_in_steps(self, jobs: Sequence[InSteps]) -> list[InSteps]:
        """The first whose text nobody else is having scored already."""
        begun = {job.ids for job in jobs if job.begun}
        return [job for job in jobs if job.begun or job.ids not in begun][:1]

    def _is_free(self, document: Document) -> bool:
        return not self._tree.under_way(document)

    def _do_pass(self, jobs: Sequence[Any], pause: Pause) -> None:
        if isinstance(jobs[0], InSteps):
            jobs[0].advance(pause)
            return
        for document, distribution in self._compute(self._batch(jobs), pause).items():
            self._distributions.put(document, distribution, distribution.logprob_by_id.nbytes)
            for job in (job for job in jobs if document in job.documents):
                job.found[document] = distribution
        for job in jobs:
            job.done = not job.missing
            if job.done and job.urgency is Urgency.LOOKAHEAD:
                job.documents, job.found = (), {}  # kept where memory is counted

    def _batch(self, jobs: Sequence[Prediction]) -> list[Document]:
        """The documents of one pass: one of each job in turn, as many as fit."""
        in_turn = chain.from_iterable(zip_longest(*(job.missing for job in jobs)))
        batch: list[Document] = []
        n_new = n_columns = 0
        for document in dict.fromkeys(in_turn):
            if document is None or not self._is_free(document):
                continue
            n_new += max(1, self._tree.n_missing(document))
            n_columns += len(document)
            full = len(batch) >= PASS_DOCUMENTS or n_new > PASS_TOKENS or n_columns > PASS_COLUMNS
            if batch and full:
                break
            batch.append(document)
        return batch

    def _compute(self, batch: Sequence[Document], pause: Pause) -> dict[Document, Distribution]:
        """One pass over some documents; a very long one gets only its next piece."""
        found = {d: known for d in batch if (known := self._distributions.get(d)) is not None}
        paths = self._pin([document for document in batch if document not in found])
        whole = [document for document, path in paths.items() if len(path) == len(document)]
        if not paths:
            return found
        try:
            ends = [paths[document][-1] for document in whole]
            rows = self.model.compute(list(paths.values()), ends, pause)
        finally:
            for path in paths.values():
                self._tree.release(path)
        return found | dict(zip(whole, self._distributions_of(rows), strict=True))

    @torch.inference_mode()
    def _distributions_of(self, rows: torch.Tensor) -> Iterator[Distribution]:
        for start in range(0, len(rows), self._rows_at_once):
            logits = self.model.logits(rows[start : start + self._rows_at_once], room=self._room)
            normalizers = log_normalizers(logits)
            for row, normalizer in zip(logits.cpu(), normalizers.cpu(), strict=True):
                # memory of its own, for rows are forgotten one by one; and numpy's, which fits
                # where an earlier one was: torch's is aligned and leaves as much unused beside it
                logprobs = np.empty(len(row), dtype=np.float32)
                torch.sub(row, normalizer, out=torch.from_numpy(logprobs))
                yield Distribution(logprobs)

    def _pin(self, documents: Sequence[Document]) -> dict[Document, list[Node]]:
        """The paths of the documents, as many as there is room for beside what is under way.

        Of a long document, the path up to where one pass gets.
        """
        paths: dict[Document, list[Node]] = {}
        with suppress(NoRoom):
            for document in documents:
                paths[document] = self._tree.pin(document[: self._reach(document)])
        return paths

    def _reach(self, document: Document) -> int:
        """How many tokens of a document are there after one more pass."""
        n_missing = self._tree.n_missing(document)
        if n_missing <= PASS_TOKENS or not self.model.in_pieces:
            return len(document)
        return len(document) - n_missing + LATER_TOKENS

    def _steps(self, job: Scoring) -> Iterator[None]:
        """Score a text in steps: a piece through the body, or some rows of it through the rest."""
        n, row = len(job.ids), self._copy_known(job)
        job.tell(row)
        while row < n:
            n_rows = (
                n - row if n - row <= PASS_TOKENS else FIRST_TOKENS if row == 1 else LATER_TOKENS
            )
            piece = job.ids[: row + n_rows - 1]
            while (reach := self._reach(piece)) < len(piece):  # its beginning was forgotten
                self._pass_over(piece[:reach], reach, job.pause)
                yield
            hidden = self._pass_over(piece, row - 1, job.pause)
            n_first = min(FIRST_ROWS, self._rows_at_once) if row == 1 else self._rows_at_once
            ends = [*range(n_first, n_rows, self._rows_at_once), n_rows]
            for start, end in pairwise((0, *ends)):
                yield
                self._fill(job, slice(row + start, row + end), hidden[start:end])
                job.tell(row + end)
            row += n_rows
        self._scored.put((job.top_n, *job.ids), ScoredText(job.ids, *job.columns), job.n_bytes)
        job.done = True

    def _inspect(self, job: Inspection) -> Iterator[None]:
        """Look inside in steps: what is missing of a long document piece by piece, then its end."""
        while (reach := self._reach(job.ids)) < len(job.ids):
            self._pass_over(job.ids[:reach], reach, job.pause)
            yield
        path = self._tree.pin(job.ids)
        try:
            hidden, logits = self.model.at_end(path, job.pause)
        finally:
            self._tree.release(path)
        job.found = looked_inside(self.model.output, hidden, logits, job.token_ids)
        job.done = True

    def _pass_over(self, piece: Document, start: int, pause: Pause | None) -> torch.Tensor:
        """One pass over the beginning of a text: hidden states of its tokens from ``start`` on."""
        path = self._tree.pin(piece)
        try:
            return self.model.compute([path], path[start:], pause)
        finally:
            self._tree.release(path)

    @torch.inference_mode()
    def _fill(self, job: Scoring, at: slice, rows: torch.Tensor) -> None:
        """Write the statistics of some rows into the columns of a scoring."""
        logits = self.model.logits(rows, job.pause)
        targets = torch.tensor(job.ids[at], device=logits.device)
        statistics = row_statistics(logits, targets, job.top_n)
        for column, values in zip(job.columns, statistics, strict=True):
            column[at] = values.cpu().numpy()

    def _copy_known(self, job: Scoring) -> int:
        """Copy the rows of the longest beginning that was scored already; 1 when there is none."""
        best, n_known = None, 1
        for key, scored in self._scored.items():
            n_common = common_length(key[1:], job.ids) if key[0] == job.top_n else 0
            if n_common > n_known:
                best, n_known = scored, n_common
        if best is not None:
            for mine, known in zip(job.columns, best.columns, strict=True):
                mine[:n_known] = known[:n_known]
        return n_known


def common_length(first: Document, second: Document) -> int:
    """How many tokens two documents begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
