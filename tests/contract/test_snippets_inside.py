"""The code of "The classifier inside" runs and gives the panel's numbers."""

import contextlib
import io

import numpy as np
import pytest

from core.branches import Branches
from core.document import Document
from demos.ui import classifier

pytestmark = pytest.mark.usefixtures("float32_only")


def test_inside_code(real_engine):
    """Lengths, products, logits and probabilities of every listed token, and log-sum-exp."""
    words = (t.id for t in real_engine.tokenize("The capital of France is"))
    ids = (*real_engine.info.prefix_ids, *words)
    _, facts, table, _, code = classifier.show(real_engine, Branches.of(Document(ids)), None)
    names, printed = {"__name__": "snippet"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "snippet", "exec"), names)
    first, *lines = printed.getvalue().splitlines()
    shown = {fact["name"]: float(fact["exact"]) for fact in facts["facts"] if fact["exact"]}
    assert float(first.split()[3]) == pytest.approx(shown["length of h"], rel=1e-3)
    assert float(first.split()[5]) == pytest.approx(shown["log-sum-exp"], abs=1e-3)
    printed_numbers = [[float(number) for number in line.split()[-4:]] for line in lines]
    wanted = ["length of e", "h · e", "logit", "p"]  # as it is printed
    columns = [list(classifier.COLUMNS).index(name) for name in wanted]
    expected = [[float(row["cells"][at]) for at in columns] for row in table["rows"]]
    np.testing.assert_allclose(printed_numbers, expected, rtol=0, atol=0.006)
    probs = [numbers[-1] for numbers in printed_numbers]
    np.testing.assert_allclose(probs, [row[-1] for row in expected], rtol=0, atol=1e-4)
