"""A folded panel of a demo, in the words of the person who uses it."""

from playwright.sync_api import expect


class Panel:
    """One opened panel: its parts by name."""

    def __init__(self, demo, name):
        self.demo = demo
        fold = demo.unfold(name)
        self.root = fold.locator("xpath=ancestor::div[contains(@class, 'block')][1]")

    def button(self, name):
        """The button with this name."""
        return self.root.get_by_role("button", name=name, exact=True)

    def table(self, name):
        """The lines of the table with this name, without its head."""
        return self.root.get_by_role("table", name=name).locator("tbody tr")

    def title(self):
        """The first line above a table."""
        return self.root.locator(".lab-table-title").first

    def code(self):
        """The code of the panel, unfolded."""
        self.root.get_by_role("button", name="Show the code").click()
        content = self.root.locator(".cm-content")
        expect(content).to_be_visible()
        return content


def cells(line):
    """What a table's line says, cell by cell."""
    return line.locator("td").all_inner_texts()
