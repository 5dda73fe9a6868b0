"""Show the code of the panels that ask what comes next if: plain loops over plain transformers.

Strings only, like ``core.snippets``; the tests run each and compare with what the panels
show. Knows nothing of engines beyond what ``ModelInfo`` says.
"""

from core.engines import ModelInfo
from core.snippets import logits_code
from core.tokens import Ids

PREDICT = """

def predict(document):
    with torch.no_grad():
        rows = model(torch.tensor([document])).logits[0].float()
    return rows[-1].log_softmax(-1)  # over the whole vocabulary
"""


def recovery_code(info: ModelInfo, context: Ids, n_ranks: int, n: int) -> str:
    """Each of the most likely tokens forced, then always the most likely: bits of all of it."""
    return f"""{logits_code(info, context)}
import math
{PREDICT}

stop_ids = {sorted(info.stop_ids)!r}
forced = logits[-1].log_softmax(-1).topk({n_ranks})
for rank, (logprob, token_id) in enumerate(zip(*map(torch.Tensor.tolist, forced)), start=1):
    document, bits = [*ids, token_id], [-logprob / math.log(2)]
    while len(bits) < 1 + {n} and document[-1] not in stop_ids:
        logprobs = predict(document)
        best = logprobs.argmax().item()
        document.append(best)
        bits.append(-logprobs[best].item() / math.log(2))
    print(rank, repr(tokenizer.decode(document[len(ids):])), end=" ")
    after = f"{{sum(bits[1:]) / len(bits[1:]):.4f}}" if bits[1:] else "none"
    print(f"{{bits[0]:.4f}} bits forced, {{sum(bits):.4f}} in all, {{after}} per token after")
"""


def what_if_code(info: ModelInfo, ids: Ids, position: int, token_id: int) -> str:
    """The bits of every token before and after one token is replaced."""
    return f"""{logits_code(info, ids)}
import math

position, token_id = {position}, {token_id}
edited = [*ids[:position], token_id, *ids[position + 1 :]]
with torch.no_grad():
    edited_logits = model(torch.tensor([edited])).logits[0].float()
before, after = logits.log_softmax(-1), edited_logits.log_softmax(-1)
total = 0.0
for i in range(max(1, position), len(ids)):  # row i-1 of the logits predicts token i
    change = (before[i - 1, ids[i]] - after[i - 1, edited[i]]).item() / math.log(2)
    total += change
    print(i, repr(tokenizer.decode([edited[i]])), f"{{change:+.4f}} bits")
print(f"{{total:+.4f}} bits in all")
"""


def beams_code(info: ModelInfo, context: Ids, width: int, n: int) -> str:
    """Beam search and greedy decoding, each with the log-prob of all it wrote."""
    return f"""{logits_code(info, context)}
{PREDICT}

def beam_search(width):
    beams = [([], 0.0)]  # (tokens written, total log-prob)
    for _ in range({n}):
        extended = [beam for beam in beams if beam[0][-1:] and beam[0][-1] in stop_ids]
        if len(extended) == len(beams):
            break
        for written, total in beams:
            if not (written and written[-1] in stop_ids):
                top = predict([*ids, *written]).topk(width)
                for logprob, token_id in zip(top.values.tolist(), top.indices.tolist()):
                    extended.append(([*written, token_id], total + logprob))
        beams = sorted(extended, key=lambda beam: -beam[1])[:width]
    return beams


stop_ids = {sorted(info.stop_ids)!r}
for written, total in beam_search({width}):
    print("beam", repr(tokenizer.decode(written)), f"{{total:.4f}}")
written, total = beam_search(1)[0]  # one beam is greedy decoding
print("greedy", repr(tokenizer.decode(written)), f"{{total:.4f}}")
"""


def audit_code(info: ModelInfo, ids: Ids, start: int, stop: int) -> str:
    """What stands at each position, and what was predicted there: row i-1 predicts token i."""
    return f"""{logits_code(info, ids)}

logprobs = logits.log_softmax(-1)  # logprobs[i] is about what follows token i
for i in range({max(1, start)}, {stop}):
    row = logprobs[i - 1]
    best = row.argmax().item()
    print(i, "predicted", repr(tokenizer.decode([best])), f"{{row[best].exp():.6f}}", end=" ")
    if i < len(ids):
        rank = 1 + (row > row[ids[i]]).sum().item()
        rank += (row[: ids[i]] == row[ids[i]]).sum().item()  # ties by lowest id
        prob = f"{{row[ids[i]].exp():.6g}}"
        print("stands", repr(tokenizer.decode([ids[i]])), prob, rank, end="")
    print()
"""
