"""What can go wrong for a reasonable user, as sentences they can act on.

Every message says what happened and what to do. Knows nothing of Gradio: one
place in ``demos/ui`` turns a ``LabError`` into a message on the page. Anything
that is not a ``LabError`` is a bug and must stay visible as one.
"""


class LabError(Exception):
    """Base of everything Token Lab tells a user; ``str(error)`` is the sentence."""


class InputError(LabError):
    """The text, number or JSON that was given can't be used as it is."""


class ContextTooLong(InputError):
    """More tokens than the model, or this installation, can take at once."""

    def __init__(self, n_tokens: int, limit: int) -> None:
        super().__init__(
            f"This document has {n_tokens:,} tokens; the model here takes at most {limit:,}. "
            "Shorten it and try again."
        )
        self.n_tokens = n_tokens
        self.limit = limit


class NoPrediction(InputError):
    """Nothing stands before the position, so there is no distribution to show."""


class NoChatTemplate(LabError):
    """The model's tokenizer has no chat template to write messages with."""


class ConfigError(LabError):
    """A setting (an environment variable) has a value that can't be used."""


class WeightsError(LabError):
    """A model's weights can't be had, or are not what they should be."""


class ModelNotReady(LabError):
    """The model is asked for a prediction before it is there."""

    def __init__(self, progress: str = "It is still being loaded.") -> None:
        super().__init__(
            f"The model is not ready yet. {progress} What you typed is kept; try again in a moment."
        )


class EngineAway(LabError):
    """The server that runs the model does not answer; ``why`` says how, within a sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The model server does not answer: {why}. What you typed is kept; try again in a "
            "moment. If it stays away, whoever runs this page should start the server again."
        )
        self.why = why
