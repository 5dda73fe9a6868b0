"""The editor of a chat's messages as a page component.

Knows nothing of what the messages are written with.
"""

from typing import Any

from core.messages import ROLES
from demos.ui.component import ScriptedComponent


class MessageList(ScriptedComponent):
    """Messages to edit, add, delete and move; text in it is never replaced by a late update.

    Props: ``messages``, what the document holds, taken over unless something was changed here
    since; ``fresh``, a word that when it is new makes ``messages`` be taken over anyway;
    ``written``, ``{"roles", "words", "notes"}``: of messages with these roles, the role words
    that the template writes, and what is to be said of it. ``value``: a list of ``{"role",
    "content", "tool_calls"?}``, the calls as JSON text, or None. Event ``edit``.
    """

    SCRIPT = "message_list.js"
    PICK_EVENTS = ("edit",)

    def __init__(
        self,
        value: Any = None,
        *,
        messages: list[dict[str, Any]] | None = None,
        fresh: str = "",
        written: dict[str, Any] | None = None,
        **layout: Any,
    ) -> None:
        props = {"messages": messages or [], "fresh": fresh, "written": written}
        super().__init__(value, {"roles": list(ROLES)}, **props, **layout)
