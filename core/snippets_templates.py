"""Show the code of the templates side by side: apply_chat_template with each, and the counts.

Strings only; a test runs it. Knows nothing of engines beyond what ``ModelInfo`` says.
"""

from collections.abc import Sequence

from core.chat_templates import Family
from core.engines import Message, ModelInfo


def templates_code(info: ModelInfo, messages: Sequence[Message], families: Sequence[Family]) -> str:
    """Each family's document of the messages, and its tokens counted with one tokenizer."""
    templates = "\n".join(
        f"    {family.name!r}: ({family.bos!r}, {family.controls!r},\n{family.template!r}),"
        for family in families
    )
    return f"""import re

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({info.folder!r})
messages = {list(messages)!r}
templates = {{  # name: (what stands first, control tokens, the template)
{templates}
}}
for name, (bos, controls, template) in templates.items():
    text = tokenizer.apply_chat_template(
        messages, chat_template=template, bos_token=bos, add_generation_prompt=True, tokenize=False
    )
    n = 0
    for piece in re.split("(" + "|".join(map(re.escape, controls)) + ")", text):
        encoded = tokenizer(piece, add_special_tokens=False, split_special_tokens=True)
        n += 1 if piece in controls else len(encoded["input_ids"])
    print(text)
    print(name, n, "tokens")
"""
