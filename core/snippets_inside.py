"""Show the code of "The classifier inside": h · e for some tokens in plain transformers.

A string only, like ``core.snippets``; a test runs it and compares with what the panel shows.
"""

from core.engines import ModelInfo
from core.inside import Inside
from core.snippets import logits_code
from core.tokens import Ids


def inside_code(info: ModelInfo, context: Ids, token_ids: Ids, found: Inside) -> str:
    """The context vector, the rows, their products, and softmax over the whole vocabulary."""
    shaped = "\n".join(_shaping(found))
    return f"""{logits_code(info, context)}
    h = model.get_decoder()(torch.tensor([ids])).last_hidden_state[0, -1].float()
head = model.get_output_embeddings()  # a row e of {len(found.hidden)} numbers for each token
candidates = {list(token_ids)!r}
e = head.weight.detach()[candidates].float()
products = e @ h
{shaped}
log_sum_exp = logits[-1].logsumexp(-1)  # over the whole vocabulary
probs = (shaped - log_sum_exp).exp()
print("length of h", f"{{h.norm():.4f}}", "log-sum-exp", f"{{log_sum_exp:.4f}}")
for token_id, row, product, logit, prob in zip(candidates, e, products, shaped, probs):
    token = repr(tokenizer.decode([token_id]))
    print(token, f"{{row.norm():.4f}} {{product:.4f}} {{logit:.4f}} {{prob:.6f}}")
"""


def _shaping(found: Inside) -> list[str]:
    """The lines from products to logits."""
    lines = ["shaped = products"]
    if found.bias is not None:
        lines.append("shaped = shaped + head.bias.detach()[candidates].float()")
    if found.scale is not None:
        lines.append(f"shaped = shaped * {found.scale!r}")
    if found.softcap is not None:
        cap = repr(found.softcap)
        lines.append(f"shaped = {cap} * torch.tanh(shaped / {cap})  # the model's soft cap")
    return lines
