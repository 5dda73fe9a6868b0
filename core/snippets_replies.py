"""Show the code of the replies table: the bits of each reply, from plain transformers.

Strings only; a test runs it. Knows nothing of engines beyond what ``ModelInfo`` says.
"""

from collections.abc import Sequence

from core.engines import ModelInfo
from core.snippets import logits_code
from core.tokens import Ids


def replies_code(info: ModelInfo, start: int, documents: Sequence[Ids]) -> str:
    """Total bits and bits per token of the tokens from ``start`` on, for each document."""
    return f"""{logits_code(info, documents[0])}
import math

start = {start!r}  # where every reply begins
for ids in {[list(ids) for ids in documents]!r}:
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].float()
    logprobs = logits.log_softmax(-1)
    total_bits = sum(-logprobs[i - 1, ids[i]].item() for i in range(start, len(ids))) / math.log(2)
    n = len(ids) - start
    print(n, "tokens", f"{{total_bits:.4f}} bits, {{total_bits / n:.4f}} per token")
"""
