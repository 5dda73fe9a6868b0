"""Show the code: a few lines of plain transformers and numpy with the panel's own values.

Strings only; the tests run each of them and compare with what the panels show. Knows
nothing of engines beyond what ``ModelInfo`` says.
"""

from collections.abc import Sequence

from core.config import DTYPES
from core.document import Document
from core.engines import Message, ModelInfo
from core.sampling import Sampler
from core.tokens import Ids


def tokenize_code(info: ModelInfo, text: str, control_tokens: bool) -> str:
    """The token ids of a text."""
    return f"""from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({info.folder!r})
text = {text!r}
ids = tokenizer(
    text, add_special_tokens=False, split_special_tokens={not control_tokens}
)["input_ids"]
for token_id in ids:
    print(token_id, repr(tokenizer.decode([token_id])))
print(len(text), "characters,", len(text.encode()), "bytes,", len(ids), "tokens")
"""


def next_token_code(info: ModelInfo, ids: Ids, n: int) -> str:
    """The top candidates after a document."""
    return f"""{logits_code(info, ids)}
logprobs = logits[-1].log_softmax(-1)  # over the whole vocabulary
top = logprobs.topk({n})
for rank, (logprob, token_id) in enumerate(zip(top.values, top.indices), start=1):
    bits = -logprob / torch.log(torch.tensor(2.0))
    print(rank, repr(tokenizer.decode([token_id])), f"{{logprob.exp():.6f}} {{bits:.4f}} bits")
print("everything else", f"{{1 - top.values.exp().sum():.6f}}")
entropy_bits = -(logprobs.exp() * logprobs).sum() / torch.log(torch.tensor(2.0))
print("entropy", f"{{entropy_bits:.4f}} bits")
"""


def sampling_code(info: ModelInfo, ids: Ids, sampler: Sampler, r: float | None) -> str:
    """One draw: the stages in order, the cumulative sum, the first token past r."""
    stages = "\n".join(_stages(sampler))
    return f"""{logits_code(info, ids)}
import numpy as np

logprobs = logits[-1].log_softmax(-1).numpy().astype(np.float64)
order = np.argsort(-logprobs, kind="stable")  # most likely first
scores = logprobs[order]


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


{stages}
probs = softmax(scores)  # renormalised over the tokens that are left
r = {0.0 if r is None else r!r}
cumulative = probs.cumsum()
cumulative /= cumulative[-1]  # the last is exactly 1, so every r hits a token
hit = np.searchsorted(cumulative, r, side="right")  # the first cumulative > r
chosen = int(order[hit])
print(len(probs), "tokens kept; r hits", chosen, repr(tokenizer.decode([chosen])), probs[hit])
"""


def _stages(sampler: Sampler) -> list[str]:
    """The lines of the stages that are on."""
    if sampler.greedy:
        return ["scores = scores[:1]  # greedy: the most likely token"]
    lines = [f"scores = scores / {sampler.temperature!r}  # temperature"]
    if sampler.top_k:
        lines.append(f"scores = scores[scores >= scores[:{sampler.top_k}][-1]]  # top-k, ties stay")
    if sampler.top_p < 1:
        lines += [
            "mass_from_here = softmax(scores)[::-1].cumsum()[::-1]",
            f"scores = scores[: max(1, (mass_from_here > 1 - {sampler.top_p!r}).sum())]  # top-p",
        ]
    if sampler.min_p:
        lines.append(
            f"scores = scores[softmax(scores) >= {sampler.min_p!r} * softmax(scores)[0]]  # min-p"
        )
    return lines


def surprisal_code(info: ModelInfo, ids: Ids) -> str:
    """Bits of every token of a text, and the sums."""
    return f"""{logits_code(info, ids)}
import math

logprobs = logits.log_softmax(-1)
total_bits = 0.0
for i in range(1, len(ids)):  # row i-1 of the logits predicts token i
    bits = -logprobs[i - 1, ids[i]].item() / math.log(2)
    total_bits += bits
    print(i, repr(tokenizer.decode([ids[i]])), f"{{bits:.4f}}")
bits_per_token = total_bits / (len(ids) - 1)
print(f"{{total_bits:.4f}} bits, {{bits_per_token:.4f}} per token")
print(f"perplexity {{2**bits_per_token:.4f}}")
"""


def chat_code(
    info: ModelInfo,
    messages: Sequence[Message],
    tools: Sequence[Message],
    ids: Ids,
    n_templated: int,
    *,
    template: str = "",
    add_generation_prompt: bool = True,
    hide: bool = False,
) -> str:
    """The document a template makes of the first messages, and the ids that are on the screen.

    ``n_templated``: how many leading ids still are as the template wrote them. ``template``:
    Token Lab's, where one was used. ``hide``: the messages spell special tokens and are to
    keep them as plain text.
    """
    lent = template or info.lent_template
    own = "# not the model's own template: this one is Token Lab's\n"
    own += f"tokenizer.chat_template = {lent!r}\n"
    tokenized = 'tokenizer(rendered, add_special_tokens=False)["input_ids"]'
    return f"""from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({info.folder!r})
{own if lent else ""}messages = {list(messages)!r}
tools = {list(tools)!r}
{HIDING if hide else ""}rendered = tokenizer.apply_chat_template(
    messages, tools=tools or None, add_generation_prompt={add_generation_prompt}, tokenize=False
)
print(rendered)
prompt_ids = {"plain_ids(rendered)" if hide else tokenized}
ids = {list(ids)!r}  # the document on the screen
n = {n_templated}  # its first ids are the template's, the others came after
print(ids[:n] == prompt_ids[:n])
print(tokenizer.decode(ids))
"""


HIDING = """import json
import re

# special-token text in a message stays text: hidden from the template, brought back after it
names = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
names.sort(key=len, reverse=True)
marks = {name: f"\\uf8f0{i}\\uf8f1" for i, name in enumerate(names)}


def replaced(text, pairs):
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def plain_ids(text):
    ids = []
    for piece in re.split("(" + "|".join(map(re.escape, names)) + ")", text):
        back = replaced(piece, [(mark, name) for name, mark in marks.items()])
        as_text = piece not in names
        ids += tokenizer(back, add_special_tokens=False, split_special_tokens=as_text)["input_ids"]
    return ids


given = json.dumps([messages, tools], ensure_ascii=False)
messages, tools = json.loads(replaced(given, marks.items()))
"""


def forced_code(info: ModelInfo, context: Ids, found: Ids) -> str:
    """What the model gives some tokens after a context, however unlikely they are."""
    return f"""{logits_code(info, context)}
import math

logprobs = logits[-1].log_softmax(-1)
for token_id in {list(found)!r}:
    logprob = logprobs[token_id].item()
    rank = 1 + (logprobs > logprobs[token_id]).sum().item()
    rank += (logprobs[:token_id] == logprobs[token_id]).sum().item()  # ties by lowest id
    bits = -logprob / math.log(2)
    print(rank, repr(tokenizer.decode([token_id])), f"{{math.exp(logprob):.3g}} {{bits:.4f}} bits")
"""


def path_code(info: ModelInfo, document: Document) -> str:
    """The bits of the tokens that were picked, and the probability of all of them together."""
    return f"""{logits_code(info, document.ids)}
import math

picked = {sorted(document.picks)!r}  # the positions of the tokens that were chosen
logprobs = logits.log_softmax(-1)
total_bits = sum(-logprobs[i - 1, ids[i]].item() for i in picked) / math.log(2)
print(f"{{total_bits:.4f}} bits, probability {{2**-total_bits:.6g}}")
"""


def logits_code(info: ModelInfo, ids: Ids) -> str:
    """The lines every model snippet begins with: float32 logits of a document."""
    dtype = info.dtype if info.dtype in DTYPES else DTYPES[0]
    return f"""import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = {info.folder!r}  # where {info.name} is, on the machine that runs Token Lab
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.{dtype})
ids = {list(ids)!r}
with torch.no_grad():
    logits = model(torch.tensor([ids])).logits[0].float()"""
