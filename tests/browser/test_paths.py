"""Branches of a document, as a person walks and compares them."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture(params=["/next-token", "/chat-document"])
def demo(visit, open_page, request):
    demo = open_page(visit(request.param))
    expect(demo.rows).to_have_count(10)
    demo.expect_quiet()
    return demo


def branch_twice(demo):
    """Two paths that part after the document as it was given; the second one is shown."""
    given = demo.ids()
    demo.rows.first.click()
    expect(demo.chips).to_have_count(len(given) + 2)
    demo.rows.first.click()
    expect(demo.chips).to_have_count(len(given) + 3)
    first = demo.ids()
    demo.chips.nth(len(given)).click()
    expect(demo.title).to_contain_text(f"(token {len(given)})")
    demo.rows.nth(1).click()
    expect(demo.chips).to_have_count(len(given) + 2)
    return given, first, demo.ids()


def test_one_path_is_no_tree(demo):
    """Nothing is shown of paths as long as there is one."""
    expect(demo.root.locator(".lab-path")).to_have_count(0)
    expect(demo.root.get_by_text("Paths taken")).to_be_hidden()


def test_return_to_a_path_and_compare(demo):
    """The tree shows what is shared once; a click returns; two paths stand side by side."""
    given, first, second = branch_twice(demo)
    lines = demo.root.locator(".lab-path")
    expect(lines).to_have_count(3)  # what they share, and two ends
    expect(demo.root.locator(".lab-path-here")).to_have_count(1)
    demo.button("compare").click()
    strips = [
        demo.root.get_by_role("listbox", name=name) for name in ("This path", "The other path")
    ]
    expect(strips[0].get_by_role("option")).to_have_count(1)
    expect(strips[1].get_by_role("option")).to_have_count(2)
    expect(demo.root.get_by_text(f"This path, from token {len(given)}:")).to_be_visible()
    expect(demo.root.get_by_role("button", name="the other path's bits")).to_be_visible()
    lines.nth(1).locator(".lab-path-text").click()
    expect(demo.chips).to_have_count(len(first) + 1)
    assert demo.ids() == first
    expect(strips[0]).to_be_hidden()  # it would be compared with itself
    demo.button("Undo").click()
    expect(demo.chips).to_have_count(len(second) + 1)
    assert demo.ids() == second
    expect(strips[1]).to_be_visible()
    demo.rows.first.click()
    expect(strips[0].get_by_role("option")).to_have_count(2)


def test_redo(demo):
    """Undo and Redo go back and forth; a new choice keeps the path that was left."""
    given = demo.ids()
    for n in (1, 2):
        demo.rows.first.click()
        expect(demo.chips).to_have_count(len(given) + 1 + n)
    written = demo.ids()
    for n in (1, 2):
        demo.button("Undo").click()
        expect(demo.chips).to_have_count(len(given) + 3 - n)
    for n in (1, 2):
        demo.button("Redo").click()
        expect(demo.chips).to_have_count(len(given) + 1 + n)
    assert demo.ids() == written
    demo.button("Redo").click()
    demo.expect_quiet()
    assert demo.ids() == written
