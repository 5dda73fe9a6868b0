"""The Tokenizer's handlers as plain functions."""

import pytest
from handling import assert_sentence, chip_facts, chip_ids, facts, span

from core.errors import InputError
from demos import tokenizer

TEXT = "The cat\nsat."


def test_cut_shows_every_token_of_the_text(engine):
    """The strip holds exactly the engine's tokens, and the counts are those of the text."""
    text = "Zürich café 🚀\n猫"
    strip, counts, *_ = tokenizer.cut(engine, text, False)
    tokens = engine.tokenize(text)
    assert chip_ids(strip) == [token.id for token in tokens]
    assert facts(counts)["characters"] == str(len(text))
    assert facts(counts)["UTF-8 bytes"] == str(len(text.encode()))
    assert facts(counts)["tokens"] == str(len(tokens))


def test_chips_say_id_and_bytes(toy):
    """Hovering over a chip says the token's id and its bytes in hex."""
    strip = tokenizer.cut(toy, "A\n", False)[0]
    assert chip_facts(strip["tokens"][0]) == {"text": "'A'", "token id": "65", "bytes": "41"}
    assert strip["tokens"][1]["breaks"]


def test_spaces_and_line_breaks_are_visible(toy):
    """A space is drawn as a middle dot and a line break as an arrow, of kinds of their own."""
    strip = tokenizer.cut(toy, " \n", False)[0]
    assert [chip["parts"] for chip in strip["tokens"]] == [[["space", "·"]], [["newline", "↵"]]]


def test_split_characters_are_shown_as_bytes(toy):
    """A part of a character is labelled with its bytes and says which character it is part of."""
    strip = tokenizer.cut(toy, "é", False)[0]
    assert [chip["parts"] for chip in strip["tokens"]] == [[["byte", "C3"]], [["byte", "A9"]]]
    assert [chip_facts(chip)["part of"] for chip in strip["tokens"]] == ["é", "é"]
    assert "\ufffd" not in str(strip)


def test_three_cuts_hold_the_text(engine):
    """Characters and subwords make up the whole text again; words make it up without spaces."""
    _, _, characters, words, subwords, _ = tokenizer.cut(engine, TEXT, False)
    spelt = [eval(chip_facts(chip)["text"]) for chip in characters["tokens"]]
    assert "".join(spelt) == TEXT
    assert len(subwords["tokens"]) == len(engine.tokenize(TEXT))
    spelt = [eval(chip_facts(chip)["text"]) for chip in words["tokens"]]
    assert spelt == ["The", "cat", "sat", "."]


def test_whole_word_vocabulary_says_what_it_cannot_hold(smollm2):
    """A word that is no entry of the vocabulary is marked, and the heading counts it."""
    words = tokenizer.cut(smollm2, "The cat zxqvation", False)[3]
    marked = [chip.get("mark") == "unknown" for chip in words["tokens"]]
    assert marked == [False, False, True]
    assert "1 can't be written" in words["heading"]


def test_special_token_text_is_plain_unless_switched_on(engine):
    """Text that spells a special token is ordinary tokens; with the switch on it is that token."""
    special = min(engine.vocabulary.specials)
    name = engine.vocabulary.token(special).text
    plain = tokenizer.cut(engine, name, False)[0]
    control = tokenizer.cut(engine, name, True)[0]
    assert special not in chip_ids(plain)
    assert len(plain["tokens"]) > 1
    assert chip_ids(control) == [special]
    assert control["tokens"][0]["special"]


def test_special_tokens_lists_those_of_the_model(engine):
    """The folded list shows special tokens only, and counts all of them."""
    listed = tokenizer.special_tokens(engine)
    assert all(chip["special"] for chip in listed["tokens"])
    assert f"{len(engine.vocabulary.specials):,} tokens" in listed["heading"]


def test_look_counts_the_selected_span(toy):
    """A selected span gives its number of tokens, its bytes and its ids."""
    counted = facts(tokenizer.look(toy, "abc", False, span(1, 3)))
    assert counted == {"tokens selected": "2", "bytes selected": "2", "token ids": "98 99"}


def test_look_outlives_a_selection_of_another_text(toy):
    """A selection past the end of the text, or none, is not an error."""
    for picked in (span(2, 90), None, "x", {"start": "a"}, {"start": 3, "stop": 1}):
        assert facts(tokenizer.look(toy, "abc", False, picked))["tokens selected"]


def test_empty_text_empties_the_strip(toy):
    """Deleting all text leaves an empty strip and no numbers; it is not an error while typing."""
    strip, counts, characters, words, subwords, code = tokenizer.cut(toy, "", False)
    assert strip["tokens"] == characters["tokens"] == words["tokens"] == subwords["tokens"] == []
    assert counts["facts"] == []
    assert code == ""


@pytest.mark.parametrize("text", ["a" * 20_001, "a\0b", "a\ud800b", 5])
def test_bad_text_is_a_sentence(toy, text):
    """Text that can't be used raises an InputError that says what to do."""
    with pytest.raises(InputError) as error:
        tokenizer.cut(toy, text, False)
    assert_sentence(error)
