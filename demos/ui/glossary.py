"""Every term of the page in one sentence, in one place; the handout's words."""

GLOSSARY = {
    "characters": "What you typed, counted as Unicode characters.",
    "UTF-8 bytes": "How many bytes the text takes when stored as UTF-8.",
    "tokens": "The pieces of the vocabulary that the text is cut into; all a model ever sees.",
    "special tokens": "Control tokens such as <bos>, which mark structure and spell no text.",
    "characters per token": "How much text one token carries on average.",
    "entropy": "How unsure the model is: the bits you expect to be surprised by, over the "
    "whole vocabulary.",
    "everything else": "The probability of all tokens that are not listed.",
    "position": "Which token of the document is predicted; the first is 0.",
    "total bits": "The sum of −log2 p over the tokens that were predicted.",
    "bits per token": "Cross-entropy: total bits over the number of predicted tokens.",
    "perplexity": "2 to the bits per token, which is e to the nats per token: as unsure as "
    "between that many equal choices.",
    "bits per byte": "Total bits over UTF-8 bytes: comparable between different tokenizers.",
    "tokens scored": "Tokens that were predicted from something before them; the first has "
    "no prediction unless a start token stands before it.",
    "r": "The uniform random number in [0, 1) that decides which token is drawn.",
    "kept": "How many tokens are left after the sampler's stages.",
    "mass kept": "The share of the model's probability that the tokens left held.",
    "temperature": "Log-probabilities are divided by it: below 1 sharper, above 1 flatter.",
    "model's p": "Softmax over the whole vocabulary, before any truncation.",
    "sampler's p": "The probability after temperature and truncation, renormalised.",
    "turns": "Messages in the document, each opened by a control token.",
    "rank": "1 for the most likely token.",
}


def fact(name: str, value: str, exact: str = "") -> dict[str, str]:
    """One number for the Facts component, with its definition where there is one."""
    return {"name": name, "value": value, "exact": exact, "definition": GLOSSARY.get(name, "")}
