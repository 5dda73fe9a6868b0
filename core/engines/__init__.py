"""The seam: what every engine can do, and how one is opened.

The weakest engine (a remote server that returns a top-N) defines the verbs. There is
no ``generate``: the loop that makes a text is in ``core.sampling``, for all to read.
Knows nothing of torch or HTTP; those stay behind ``open_engine``.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, overload

from core.config import Settings
from core.progress import Progress
from core.tokens import ChatDocument, Distribution, Ids, ScoredText, Token, Vocabulary

Message = dict[str, Any]
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, those of WSL
ScoreReport = Callable[[ScoredText, int], None]


@dataclass(frozen=True)
class ModelInfo:
    """What may be said about the model that runs, for the header and for the demos.

    ``context_length`` is the most tokens taken here. ``prefix_ids`` stand before
    every plain text (BOS where the tokenizer adds one). ``stop_ids`` end a generated
    text. ``note`` says that this is not the intended model, or what else to know of it,
    ``remedy`` why and what whoever runs the program can do; ``chat_note`` what to know about
    its chat template. ``lent_template`` is the one written with where the model brings none.
    ``folder`` opens the same model with plain transformers. ``recomputes`` is whether
    ``score(exact=True)`` can do more than ``score``. ``n_listed`` is how many tokens of each
    prediction the engine gives, 0 for all. ``revision`` names these very weights, "" where
    nobody knows.
    """

    name: str
    licence: str
    source: str
    device: str
    dtype: str
    vocab_size: int
    context_length: int
    prefix_ids: tuple[int, ...] = ()
    stop_ids: frozenset[int] = frozenset()
    note: str = ""
    remedy: str = ""
    chat_note: str = ""
    lent_template: str = ""
    folder: str = ""
    recomputes: bool = True
    n_listed: int = 0
    revision: str = ""


class Engine(Protocol):
    """A language model, as five verbs over token ids. Safe to call from many threads."""

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""

    @property
    def vocabulary(self) -> Vocabulary:
        """All its tokens."""

    def tokenize(self, text: str, *, control_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text, without BOS.

        Text that spells a special token is plain text unless ``control_tokens``.
        """

    def decode(self, ids: Ids) -> str:
        """The text of the ids, special tokens spelt out."""

    @overload
    def next(self, ids: Ids) -> Distribution: ...

    @overload
    def next(self, ids: Sequence[Ids]) -> list[Distribution]: ...

    def next(self, ids: Ids | Sequence[Ids]) -> Distribution | list[Distribution]:
        """The distribution of the token after ``ids``; one for each of a list of documents.

        Raises NoPrediction for an empty document and ContextTooLong.
        """

    def score(
        self,
        ids: Ids,
        *,
        top_n: int = 10,
        report: ScoreReport | None = None,
        exact: bool = False,
    ) -> ScoredText:
        """What the model made of each token of ``ids``, with its ``top_n`` guesses there.

        ``report(part, total)`` is called as rows are finished, with those of the first tokens
        and how many tokens there are; what it raises ends the scoring. ``exact``: computed in
        float32, whatever the model runs in, where ``info.recomputes``. Ranks are 0 and entropies
        NaN where the engine does not say. Raises ContextTooLong.
        """

    def render_chat(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        control_tokens: bool = False,
        template: str | None = None,
    ) -> ChatDocument:
        """Write messages with the tokenizer's own chat template, as ids.

        Special-token text inside a message is plain text unless ``control_tokens``.
        ``template``, Jinja text, is written with instead of the tokenizer's own.
        Raises NoChatTemplate, and InputError when the template refuses the messages.
        """


def open_engine(
    settings: Settings,
    report: Callable[[Progress], None],
    tell: Callable[[str], None] = lambda sentence: None,
    offer: Callable[[Engine], None] = lambda text_side: None,
) -> Engine:
    """Get the weights, load the model and return the engine, reporting what is going on.

    ``tell`` is called, when something is asked of the engine, with what to know about the
    answer. ``offer`` is called, where it is there sooner, with an engine that already cuts texts
    and writes chats, and raises ModelNotReady for the rest. With an ``engine_url``: wait for the
    server that runs it. Raises ConfigError, WeightsError and EngineAway.
    """
    if settings.engine_url is not None:
        from core.engines.remote import open_remote

        return open_remote(settings, report)
    if settings.model == "toy":
        from core.engines.toy import ToyEngine

        return ToyEngine()
    if settings.zero_gpu:
        from core.engines.local import open_zero

        return open_zero(settings, report, tell)
    return _open_in_process(settings, report, offer)


def _open_in_process(
    settings: Settings, report: Callable[[Progress], None], offer: Callable[[Engine], None]
) -> Engine:
    """The text side first: importing what computes takes longer than reading it."""
    from core.engines.text_side import read_ahead
    from core.weights import obtain

    found = obtain(settings, _has_gpu(), report)
    report(Progress(f"Loading {found.name} into memory"))
    text_side = read_ahead(found, settings)
    if text_side is not None:
        offer(text_side)
    from core.engines.local import open_local

    return open_local(found, settings, text_side)


def _has_gpu() -> bool:
    """Whether there is one; torch, slow to import, is asked only where there may be."""
    if sys.platform == "linux" and not any(Path(device).exists() for device in GPU_DEVICES):
        return False
    from core.engines.local import has_gpu

    return has_gpu()
