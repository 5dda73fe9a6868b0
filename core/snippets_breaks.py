"""Show the code of a broken template: two documents, and how far their next tokens are apart.

Strings only; a test runs it. Knows nothing of engines beyond what ``ModelInfo`` says.
"""

from core.engines import ModelInfo
from core.snippets import logits_code
from core.tokens import Ids


def break_code(info: ModelInfo, true: Ids, broken: Ids, n: int) -> str:
    """The ``n`` most likely tokens after either document, and the divergence in bits."""
    return f"""{logits_code(info, true)}
import math

broken_ids = {list(broken)!r}
with torch.no_grad():
    broken_logits = model(torch.tensor([broken_ids])).logits[0].float()
p = logits[-1].double().log_softmax(-1)  # the true document, over the whole vocabulary
q = broken_logits[-1].double().log_softmax(-1)
for name, first, second in (("true", p, q), ("broken", q, p)):
    for token_id in first.topk({n}).indices:
        here, there = first[token_id].exp().item(), second[token_id].exp().item()
        rank = 1 + (second > second[token_id]).sum().item()
        text = repr(tokenizer.decode([token_id]))
        print(name, text, f"{{here:.6f}}, in the other {{there:.6f}} at rank {{rank}}")
kl_bits = (p.exp() * (p - q)).sum().item() / math.log(2)
moved = (p.exp() - q.exp()).abs().sum().item() / 2
print(f"KL divergence {{kl_bits:.4f}} bits, probability moved {{moved:.6f}}")
"""
