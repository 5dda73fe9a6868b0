"""Every term of the page in one sentence, in one place; the handout's words."""

GLOSSARY = {
    "characters": "What you typed, counted as Unicode characters.",
    "UTF-8 bytes": "How many bytes the text takes when stored as UTF-8.",
    "token": "A piece of text from the vocabulary; all a model ever sees and all it predicts.",
    "tokens": "The pieces of the vocabulary that the text is cut into.",
    "tokens so far": "All tokens of the document in the strip, special ones and the reply's too.",
    "token id": "The number of a token in the vocabulary; a document is a list of these.",
    "piece": "The bytes a token stands for.",
    "vocabulary": "All tokens a model knows; it can write nothing else.",
    "special token": "A control token such as <bos>, which marks structure and spells no text.",
    "special tokens": "Control tokens such as <|im_start|> or <bos>, which mark structure and "
    "spell no text.",
    "characters per token": "How much text one token carries on average.",
    "context": "The document so far: everything the prediction is made from.",
    "next-token distribution": "A probability for every token of the vocabulary to come next.",
    "logit": "The score a model gives a token before softmax makes probabilities of all scores.",
    "context vector": "h: all that the model makes of the document so far, after its last norm.",
    "length of h": "The root of the sum of its squared numbers.",
    "length of e": "The length of the token's row in the output layer.",
    "h · e": "Both multiplied number by number and added up: how well the row fits the vector.",
    "log-sum-exp": "The logarithm of the sum of e^logit over the whole vocabulary: what softmax "
    "subtracts from every logit.",
    "log-prob": "The natural logarithm of a probability, as models compute it.",
    "probability": "Softmax over the whole vocabulary at temperature 1, before any truncation.",
    "model": "The model's own probability, before temperature and truncation.",
    "sampler": "The probability after temperature and truncation, renormalised.",
    "surprisal": "−log2 of the probability, in bits: 1 bit for a coin, more for the unexpected.",
    "entropy": "How unsure the model is: the surprisal to be expected, over the whole vocabulary.",
    "everything else": "The probability of all tokens that are not listed.",
    "rank": "1 for the most likely token.",
    "position": "Which token of the document is predicted; the first is 0.",
    "selected": "The tokens selected in the strip, and the sum of their surprisals.",
    "total bits": "The sum of −log2 p over the tokens that were predicted.",
    "cross-entropy": "The average surprisal: bits per token.",
    "bits per token": "Cross-entropy: total bits over the number of predicted tokens.",
    "perplexity": "2 to the bits per token, which is e to the nats per token: as unsure as "
    "between that many equal choices.",
    "bits per byte": "Total bits over the UTF-8 bytes of the predicted tokens: comparable "
    "between different tokenizers.",
    "tokens scored": "Tokens that were predicted from something before them; the first has "
    "no prediction unless a start token stands before it.",
    "computed in": "The kind of number the model calculates with; softmax is always float32.",
    "temperature": "Log-probabilities are divided by it: below 1 sharper, above 1 flatter.",
    "top-k": "Keeps the k most likely tokens, and what is tied with the last of them.",
    "top-p": "Nucleus: keeps the smallest set of most likely tokens whose mass reaches p.",
    "min-p": "Keeps tokens with at least p times the probability of the most likely one.",
    "greedy": "Always the most likely token; nothing is drawn.",
    "seed": "Where the random numbers start: the same seed gives the same text.",
    "r": "The uniform random number in [0, 1) that decides which token is drawn.",
    "kept": "How many tokens are left after the sampler's stages.",
    "model's mass kept": "How likely the tokens left are together for the model itself, at "
    "temperature 1.",
    "chat template": "The rule by which messages are written as one document.",
    "turn": "One message in the document, opened and closed by control tokens.",
    "turns": "Messages in the document, each opened by a control token.",
    "role": "Whose turn it is, a word in the document: system, user, assistant or model.",
    "forced token": "A token written whatever its probability, to see what follows from it.",
    "bits per token after": "The average surprisal of the tokens after the forced one.",
    "total change": "How many bits more (+) or fewer (−) the document costs with the new token.",
    "later tokens": "The change of all tokens after the one replaced, added up.",
    "beam search": "Keeps several texts at once: each step extends all of them and keeps the "
    "most probable.",
    "width": "How many texts a beam search keeps at every step.",
    "pruned": "Texts that a step of beam search gives up, as others are more probable.",
    "total log-prob": "The sum of the log-probs of the tokens written: how probable all of them "
    "are together.",
    "logits row": "Which row of the model's output: row i−1 predicts token i.",
    "KL divergence": "How many more bits a token of the first distribution costs, on average, "
    "for somebody who believes the second: 0 for the same one; over the whole vocabulary.",
    "probability moved": "The share of the probability that lies on other tokens than before: "
    "half the sum of all differences.",
    "prompt injection": "Words that the model reads as structure: control tokens, or orders.",
    "generation prompt": "The opening of the model's own turn, after which it goes on.",
}


def fact(name: str, value: str, exact: str = "") -> dict[str, str]:
    """One number for the Facts component, with its definition where there is one."""
    return {"name": name, "value": value, "exact": exact, "definition": GLOSSARY.get(name, "")}


def as_markdown() -> str:
    """The whole glossary as a list; what stands in angle brackets is text, not HTML."""
    listed = "\n".join(f"- **{term}**: {sentence}" for term, sentence in GLOSSARY.items())
    return listed.replace("<", "&lt;")
