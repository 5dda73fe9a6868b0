"""The text that puts a demo into a course page: HTML, Markdown or Quarto, nothing from outside.

The page around the frame and the demo in it agree on one message, ``{tokenLabHeight: pixels}``,
which ``demos/ui/embed.js`` posts and ``RESIZER`` hears. Knows nothing of pages or engines.
"""

import re
from html import escape
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from core.errors import InputError

AUTO, LIGHT, DARK = "like the reader's device", "light", "dark"
THEMES = (AUTO, LIGHT, DARK)
HTML, MARKDOWN, QUARTO = "HTML", "Markdown", "Quarto"
FORMS = (HTML, MARKDOWN, QUARTO)
FRAME = ("embed", "__theme")
HOST = r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
MOST_ADDRESS = 16_000
START_HEIGHT = 900  # pixels, until the demo has said its own, and where no script may run
# a frame grows to what its own page says, and to no other; one such line serves all frames
RESIZER = (
    '<script>addEventListener("message", (e) => { const px = Number(e.data?.tokenLabHeight); '
    "if (px > 0 && px < 20000) for (const frame of document.querySelectorAll('iframe')) "
    "if (frame.contentWindow === e.source) frame.style.height = px + 'px'; });</script>"
)


def framed(link: object, own_path: str = "", theme: str = AUTO) -> str:
    """The address of a link's state for a frame: without header and footer, in a theme.

    ``own_path`` is what follows the link's path where its demo has a page of its own, "" where
    the link is to that page already. Raises InputError for what is no http(s) address.
    """
    parts = _address(link)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    given = {name: value for name, value in given.items() if name not in {*FRAME, "q"}}
    chosen = {"__theme": theme} if theme in (LIGHT, DARK) else {}
    query = urlencode(given | {"embed": "1"} | chosen, quote_via=quote, safe=":,/")
    path = parts.path.rstrip("/") + f"/{own_path}" if own_path else parts.path or "/"
    return urlunsplit((parts.scheme, parts.netloc, quote(path, safe="/%~"), query, ""))


def embed_code(address: str, title: str, form: str) -> str:
    """What goes into the source of a course page; ``title`` is for screen readers.

    Raises InputError for a form that there is not.
    """
    frame = (
        f'<iframe src="{escape(address)}" title="{escape(title)}" loading="lazy" '
        f'allow="clipboard-write" style="width: 100%; height: {START_HEIGHT}px; border: 0">'
        "</iframe>"
    )
    code = f"{frame}\n{RESIZER}"
    words = f"[{_plain(title)}]({_without_frame(address)})"
    if form == HTML:
        return code
    if form == MARKDOWN:  # where a site takes the HTML out, the link stays
        return f"{code}\n\n{words}"
    if form == QUARTO:
        return (
            f'::: {{.content-visible when-format="html"}}\n```{{=html}}\n{code}\n```\n:::\n\n'
            f'::: {{.content-visible unless-format="html"}}\n{words}\n:::'
        )
    raise InputError(f"Choose one of {', '.join(FORMS)}.")


def _address(link: object) -> SplitResult:
    """The parts of an http(s) address; raises InputError for anything else."""
    try:
        given = link.strip() if isinstance(link, str) and len(link) <= MOST_ADDRESS else ""
        parts = urlsplit(given.encode("ascii").decode())  # a browser's address is ASCII
        if parts.scheme in ("http", "https") and re.fullmatch(HOST, parts.netloc, re.ASCII):
            return parts
    except ValueError:
        pass
    raise InputError("There is no link to embed yet. Press “Embed” once more.")


def _without_frame(address: str) -> str:
    """The address of the whole page of what a frame shows."""
    head, _, query = address.partition("?")
    kept = [item for item in query.split("&") if item.partition("=")[0] not in FRAME]
    return f"{head}?{'&'.join(kept)}" if kept else head


def _plain(words: str) -> str:
    """Words that Markdown leaves as they are."""
    return re.sub(r"([\\`*_{}\[\]()<>#|!])", r"\\\1", " ".join(words.split()))
