"""Hostile links: over 500 values and some 40 whole queries made by hand, and any number at random.

What a link's reader, the demos that open it, and a browser are each held against.
"""

import base64
import random
import string
import zlib
from urllib.parse import quote


def packed(text, level=9):
    data = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(zlib.compress(data, level)).decode().rstrip("=")


BAD_NUMBERS = (
    "", " ", "-1", "+1", "1.5", "1e3", "1e999", "NaN", "nan", "inf", "-inf", "Infinity", "0x10",
    "²", "１", "٣", "1_000", "9" * 10, "9" * 5000, "true", "None", "[]", "{}", "1;2", "1 ", "\n1",
    "1\0", "--", "1,2", "1:2", "$(id)", "${7*7}", "{{7*7}}",
)  # fmt: skip
BAD_WORDS = (
    "a\0b", "\0", "\ud800", "a\udfffb", "a" * 20_001, "%00", "\x00\x01",
)  # fmt: skip
BAD_NAMES = (
    "javascript:alert(1)", "../../etc/passwd", "..", "/etc/passwd", "a/../b", "C:\\x", "a b", "\n",
    "file:///etc/passwd", "http://x.y/z", "<script>", "a/b/c", "-x", "a" * 97, "ａ", "a\n", "",
)  # fmt: skip
BAD_LISTS = (
    "", ",", "1,", ",1", "1,,2", "1,-2", "1,1048576", "1,99999999999", "1, 2", "a", "1.0", "1;2",
    ",".join(["1"] * 8193), "[1,2]", "1" * 50_000,
)  # fmt: skip
BAD_SPANS = (
    "", ":", "1:", ":1", "1:1", "2:1", "-1:2", "0:99999999999", "1:2:3", "1-2", "a:b", "0:1,0:1",
    "1:3,2:4", "5:6,1:2", "0:9999999,", "1:1048576", "0:8193",
)  # fmt: skip
BAD_JSON = (
    "", "null", "1", "{}", "[1]", "[[]]", '["a"]', "[" * 100_000, '[{"a":' * 50_000, "[{}]",
    '[{"role":5,"content":"x"}]', '[{"role":"user"}]', '[{"role":"user","content":[]}]',
    '[{"role":"user","content":"\\u0000"}]', '[{"role":"user","content":"\\ud800"}]',
    '[{"role":"user","content":"x","n":NaN}]', '[{"role":"user","content":"x","n":1e999}]',
    '[{"role":"user","content":"x","n":' + "9" * 5000 + "}]", '[{"role":"","content":"x"}]',
    '[{"role":"' + "r" * 41 + '","content":"x"}]', "[" + "{}," * 300 + "{}]",
    '[{"role":"user","content":"x","deep":' + "[" * 40 + "]" * 40 + "}]", "__import__('os')",
    '[{"role":"user","content":"x","n":1' + "0" * 400 + "}]", '[{"n":-1' + "0" * 4000 + "}]",
    '[{"role":"user","content":"x","n":1' + "0" * 5000 + "}]",
    '[{"role":"user","content":"x","n":1e999}]', '[{"role":"user","content":"x","n":-Infinity}]',
)  # fmt: skip
BAD_DRAWS = (
    "", ":", "1", "1:0.5", "1:2:1:0:1:0", "1:nan:1:0:1:0", "1:0.5:1:0:1", "1:0.5:1:0:0:0",
    "1:0.5:11:0:1:0", "1:0.5:1:-1:1:0", "1:greedy:1:0:1:0", "1:0.5:0:0:1:0", "0:0.5:1:0:1:0",
    "9:0.5:1:0:1:0", "2:0.5:1:0:1:0,1:0.5", "1:0.5:1:0:1:0,1:0.5", "1:0.5:1:0:1:0,2:x",
    "1:0.5:1e400:0:1:0", "1:0.5:1:0:1:0" + ",2:0.5" * 9000,
)  # fmt: skip
BAD_RUNS = (
    "", ":", "1:2", "1:2:3", "1:2:1:1:1", "0:1:1:1", "2:2:1:1", "3:2:1:1", "1:9:1:1", "-1:2:1:1",
    "1:3:1:1,2:3:1:1", "2:3:1:1,1:2:1:1", "1:2:4294967296:1", "1:2:1:11", "1:2:1:nan", "1:2:x:1",
    "1:8193:1:1", "1:2:1:1," * 9000,
)  # fmt: skip
BAD_PACKED = (
    "", "x", "!!!!", "=", "é", "AAAA", "a" * 8001, packed("text=x")[:-3], packed("text=x") + "AAAA",
    packed(b"\xff\xfe"), packed("a" * 500_000), packed(b"\0" * 5_000_000),
    packed("z=" + packed("x")),
    packed("text"), packed("=x"), packed("\0".join(f"a{i}=1" for i in range(5000))),
    packed("v=9\0demo=x\0ids=1"), packed("ids=" + ",".join(["1"] * 100_000)),
)  # fmt: skip
HOSTILE = {
    "seed": BAD_NUMBERS, "tokens": BAD_NUMBERS, "drawn": BAD_NUMBERS, "top_k": BAD_NUMBERS,
    "at": BAD_NUMBERS, "ahead": BAD_NUMBERS, "r": BAD_NUMBERS, "temperature": BAD_NUMBERS,
    "top_p": BAD_NUMBERS, "min_p": BAD_NUMBERS, "text": BAD_WORDS, "system": BAD_WORDS,
    "model": BAD_NAMES, "revision": BAD_NAMES, "spelling": BAD_NAMES, "ids": BAD_LISTS,
    "picks": BAD_SPANS, "span": BAD_SPANS, "messages": BAD_JSON, "tools": BAD_JSON,
    "draws": BAD_DRAWS, "replies": BAD_RUNS, "form": BAD_NAMES, "prompt": BAD_NUMBERS,
    "z": BAD_PACKED, "exact": BAD_NUMBERS, "control_tokens": BAD_NUMBERS,
    "reply": BAD_NAMES, "first": BAD_NUMBERS, "templated": BAD_NUMBERS,
    "until": BAD_NUMBERS, "compact": BAD_NUMBERS,
    "demo": (*BAD_NAMES, "Sampling", "next_token", "__class__", "demo"),
    "v": (*BAD_NUMBERS, "0", "2", "1.0", "v1"),
}  # fmt: skip
CASES = [(name, value) for name, values in HOSTILE.items() for value in values]

WHOLE = (
    "", "?", "&", "=", "&&&==", "v", "v=1", "v=1&v=2", "%", "%%%", "v=1&text=%ff%fe",
    "v=1&text=%ed%a0%80", "v=1&text=%00", "v=1&text=\ud800", "v=1&" + "a=1&" * 200,
    "v=1&text=" + "a" * 100_000, "\0", "v=1#text=x", "v=1;text=x", "javascript:alert(1)",
    "v=1&__proto__=x&constructor=y&__class__=z", "http://x/?v=1", b"v=1", None, 5, [], {},
    {"v": 1}, {"v": "1", "text": ["x"]}, {"v": "1", "text": None}, {1: "x", "v": "1"},
    {"v": "1", "text": {"a": 1}}, {"v": "1", **{f"a{i}": "x" for i in range(200)}},
    {"v": "1", "text": "a" * 100_000}, {"v": ["1"]}, {"demo": 5},
)  # fmt: skip
SCRIPTS = (
    "<script>pwned=1</script>", "<img src=x onerror=pwned=1>", "<svg onload=pwned=1>",
    "<svg><script>pwned=1</script></svg>", "<body onload=pwned=1>", "<iframe srcdoc='<script>"
    "parent.pwned=1</script>'></iframe>", "<iframe src='javascript:parent.pwned=1'></iframe>",
    "<details open ontoggle=pwned=1>", "<input autofocus onfocus=pwned=1>",
    "<math><mtext><style><img src=x onerror=pwned=1></style></mtext></math>",
    "<a href='javascript:pwned=1'>x</a>", "[x](javascript:pwned=1)", "![x](x 'onerror=pwned=1')",
    "</textarea><script>pwned=1</script>", "</script><script>pwned=1</script>",
    "--><script>pwned=1</script>", "<![CDATA[<script>pwned=1</script>]]>", "${pwned=1}",
    "`${pwned=1}`", "{{pwned=1}}", "{{{pwned=1}}}", "{{constructor.constructor('pwned=1')()}}",
    "<%= pwned=1 %>", "#{pwned=1}", "{% set x = cycler.__init__.__globals__ %}", "\";pwned=1;//",
    "';pwned=1;//", "\\u003cimg src=x onerror=pwned=1\\u003e", "&lt;img src=x onerror=pwned=1&gt;",
    "&#60;img src=x onerror=pwned=1&#62;", "$$\\href{javascript:pwned=1}{x}$$",
    "\u2028pwned=1\u2029",
    "<img src=x onerror=\u00a0pwned=1>", "<IMG SRC=x ONERROR=pwned=1>",
    "<img/src=x/onerror=pwned=1>",
)  # fmt: skip


def random_queries(good, n=11_000):
    """``n`` queries: noise, and good ones with parts changed, doubled, cut and swapped."""
    numbers = random.Random(5)
    names = sorted(HOSTILE)
    noise = string.printable + "\0\x7fé猫👩‍🚀\ud800%&=+:,"
    for i in range(n):
        query = good[i % len(good)]
        for _ in range(numbers.randrange(1, 5)):
            at = numbers.randrange(len(query) + 1)
            kind = numbers.randrange(6)
            junk = "".join(numbers.choices(noise, k=numbers.randrange(1, 8)))
            if kind == 0:
                query = query[:at] + junk + query[at:]
            elif kind == 1:
                query = query[:at] + query[at + numbers.randrange(1, 9) :]
            elif kind == 2:
                query += f"&{numbers.choice(names)}={junk}"
            elif kind == 3:
                name = numbers.choice(names)
                query += f"&{name}={quote(numbers.choice(HOSTILE[name])[:900], errors='ignore')}"
            elif kind == 4:
                query = query[:at] + f"%{numbers.randrange(256):02x}" + query[at:]
            else:
                query = junk * numbers.randrange(1, 4)
        yield query
