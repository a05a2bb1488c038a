"""Make a built site smaller without changing what it shows.

The theme's style sheets serve every site there is, and half of their rules match
nothing in this book. They go, and so does the indentation between elements. Formulas
say each height and margin anew, so each is said once for the page, as a class, and
the classes that they repeat have short names.
"""

import re
from collections.abc import Iterator
from pathlib import Path

TAG = re.compile(r"<[a-zA-Z/!](?:\"[^\"]*\"|'[^']*'|[^'\">])*>")
WHOLE = re.compile(r"<(pre|script|style|textarea)\b.*?</\1>", re.DOTALL)
STYLED = re.compile(r'<span(?: class="(?P<names>[^"]*)")? style="(?P<style>[^"]*)">')
NESTED = ("@media", "@supports", "@layer", "@container")
FUNCTION = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)")
NAME = re.compile(r"[.#]((?:[\w-]|\\.)+)")
# MathML as a screen reader needs it: HTML knows the name space, and the TeX behind a
# formula is for nobody to hear.
SOURCE = re.compile(
    r'<math xmlns="[^"]*"([^>]*)><semantics>(.*?)'
    r"<annotation [^>]*>.*?</annotation></semantics></math>",
    re.DOTALL,
)
# KaTeX hangs an index or an exponent into a table of seven elements. One that stands
# alone needs a size and a shift: the struts say how high the line is, not the table.
_SPAN = r'<span class="[^"]*"(?: style="[^"]*")?>'
SCRIPT = re.compile(
    r'<span class="msupsub"><span class="vlist-t(?: vlist-t2)?"><span class="vlist-r">'
    r'<span class="vlist" style="[^"]*"><span style="top:(?P<top>-?[\d.]+)em;'
    r'(?P<margins>(?:margin-\w+:-?[\d.]+em;)*)">'
    r'<span class="pstrut" style="height:(?P<strut>[\d.]+)em;"></span>'
    r'<span class="katex-sizing reset-size6 size3 mtight">'
    rf"(?P<inner>(?:{_SPAN}(?:[^<]|{_SPAN}[^<]*</span>)*</span>)+)</span></span></span>"
    r'(?:<span class="vlist-s">\u200b</span></span><span class="vlist-r">'
    r'<span class="vlist" style="[^"]*"><span></span></span>)?</span></span></span>'
)
SCALE = 0.7  # of size3 to size6
# The sign of a root, as KaTeX draws it: 500 bytes for each root of the page.
ROOT = re.compile(r'(?<=slice">)<path d="(?P<d>[^"]{200,})"/>')
ONE_CLASS = re.compile(r'<span class="([\w-]+)">')  # HTML asks for no quotes then
COLOR = re.compile(r"\[data-md-color-(?:primary|accent)=\"?([\w-]+)")
SHORT = {  # classes that KaTeX writes hundreds of times on a page
    "katex-base": "kb",
    "katex-strut": "ks",
    "mathnormal": "kn",
    "mclose": "kc",
    "mopen": "ko",
    "mpunct": "kp",
    "mspace": "kg",
    "msupsub": "ku",
    "mtight": "kt",
    "nulldelimiter": "kd",
    "pstrut": "kr",
    "reset-size6": "kz",
    "vlist": "kv",
    "vlist-r": "kvr",
    "vlist-s": "kvs",
    "vlist-t": "kvt",
    "vlist-t2": "kvu",
}
PICTURE = re.compile(r"(--[\w-]+):url\((?:\"[^\"]*\"|'[^']*'|[^)]*)\);?")


def slim(site: Path) -> None:
    """Rewrite the pages and the style sheets of a built site."""
    used: set[str] = set()
    for file in sorted(site.rglob("*.html")):
        html = page(file.read_text("utf-8"))
        file.write_text(ONE_CLASS.sub(r"<span class=\1>", html), "utf-8")
        for names in re.findall(r"\b(?:class|id)=\"([^\"]*)\"", html):
            used.update(names.split())
    for file in site.rglob("*.js"):
        used.update(re.findall(r"[\w-]+", file.read_text("utf-8")))
    sheets = sorted(site.rglob("*.css"))
    texts = [purge(_renamed(file), used) for file in sheets]
    asked = set(re.findall(r"var\((--[\w-]+)", "".join(texts)))
    for file, text in zip(sheets, texts, strict=True):
        file.write_text(
            PICTURE.sub(lambda m: m[0] if m[1] in asked else "", text), "utf-8"
        )


def _renamed(sheet: Path) -> str:
    """Return a style sheet; that of KaTeX with the short names of its classes."""
    text = sheet.read_text("utf-8")
    if "katex" not in sheet.name:
        return text
    longest_first = "|".join(sorted(map(re.escape, SHORT), key=len, reverse=True))
    each = re.compile(rf"\.({longest_first})(?![\w-])")
    return each.sub(lambda match: f".{SHORT[match[1]]}", text)


def page(html: str) -> str:
    """Return the page without indentation, save where it shows."""
    pieces, at = [], 0
    for whole in WHOLE.finditer(html):
        pieces += [_outdent(html[at : whole.start()]), whole[0]]
        at = whole.end()
    return _say_once("".join([*pieces, _outdent(html[at:])]))


def _say_once(html: str) -> str:
    """Turn the style attributes of formulas into classes of the page.

    They keep the rank of a style attribute: nothing in a style sheet outranks them.
    """
    names: dict[str, str] = {}

    def named(span: re.Match[str]) -> str:
        name = names.setdefault(span["style"], f"k{len(names)}")
        return f'<span class="{" ".join(filter(None, (span["names"], name)))}">'

    html = SCRIPT.sub(_hung, SOURCE.sub(r"<math\1>\2</math>", html))
    html = _drawn_once(STYLED.sub(named, html))
    html = re.sub(r'(?<=<span class=")[^"]*(?=">)', _short, html)
    rules = "".join(
        f".{name}{{{style.strip().rstrip(';').replace(';', '!important;')}!important}}"
        for style, name in names.items()
    )
    return html.replace("</head>", f"<style>{rules}</style></head>") if rules else html


def _drawn_once(html: str) -> str:
    """Draw each sign of a root where it stands first, and point to it from then on."""
    ids: dict[str, str] = {}

    def one(path: re.Match[str]) -> str:
        if path["d"] in ids:
            return f'<use href="#{ids[path["d"]]}"/>'
        ids[path["d"]] = f"root-{len(ids)}"
        return path[0].replace("<path", f'<path id="{ids[path["d"]]}"')

    return ROOT.sub(one, html)


def _hung(script: re.Match[str]) -> str:
    """Return an index or an exponent as one element, at its size and height."""
    up = (-float(script["top"]) - float(script["strut"])) / SCALE
    margins = re.sub(
        r"-?[\d.]+(?=em)",
        lambda length: f"{float(length[0]) / SCALE:.4g}",
        script["margins"],
    )
    style = f"font-size:{SCALE}em;line-height:0;vertical-align:{up:.4g}em;{margins}"
    return f'<span class="mtight" style="{style}">{script["inner"]}</span>'


def _short(names: re.Match[str]) -> str:
    return " ".join(SHORT.get(name, name) for name in names[0].split(" "))


def _outdent(html: str) -> str:
    """Drop blank lines and indentation from the text between tags, never inside one."""
    pieces, at = [], 0
    for tag in TAG.finditer(html):
        pieces += [re.sub(r"\s*\n\s*", "\n", html[at : tag.start()]), tag[0]]
        at = tag.end()
    return "".join([*pieces, re.sub(r"\s*\n\s*", "\n", html[at:])])


def purge(css: str, used: set[str]) -> str:
    """Return the style sheet without the rules whose class or id occurs nowhere."""
    kept = []
    for head, body in rules(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        if body is None:
            kept.append(f"{head};")
        elif head.startswith(NESTED):
            inner = purge(body, used)
            kept.append(f"{head}{{{inner}}}" if inner else "")
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        else:
            selectors = [s for s in _split(head) if wanted(s, used)]
            kept.append(f"{','.join(selectors)}{{{body}}}" if selectors else "")
    return "".join(kept)


def wanted(selector: str, used: set[str]) -> bool:
    """Say whether a selector may match: all its names occur, and no right-to-left."""
    bare = FUNCTION.sub("", selector)
    names = NAME.findall(re.sub(r"\[[^\]]*\]", "", bare))
    names += COLOR.findall(bare)
    return "[dir=rtl]" not in bare and used.issuperset(names)


def rules(css: str) -> Iterator[tuple[str, str | None]]:
    """Yield each rule as what stands before its braces and what stands inside."""
    start = 0
    while start < len(css):
        end = _find(css, start, ";{")
        head = css[start:end].strip()
        if end == len(css) or css[end] == ";":
            if head:
                yield head, None
            start = end + 1
            continue
        close = _find(css, end + 1, "}")
        yield head, css[end + 1 : close].strip()
        start = close + 1


def _split(selectors: str) -> list[str]:
    """Split a list of selectors at its own commas."""
    parts, start = [], 0
    while start <= len(selectors):
        end = _find(selectors, start, ",")
        parts.append(selectors[start:end].strip())
        start = end + 1
    return parts


def _find(css: str, start: int, wanted: str) -> int:
    """Return the place of the first wanted sign outside strings and brackets."""
    depth, quote, at = 0, "", start
    while at < len(css):
        sign = css[at]
        if sign == "\\":
            at += 1
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif depth == 0 and sign in wanted:
            return at
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        at += 1
    return len(css)
