r"""Mathematics, rendered while the site builds: `$...$` and `$$...$$`, by KaTeX.

KaTeX's own JavaScript file runs in mini-racer, so that a page needs no script to show
a formula, and a formula that does not parse stops the build. Both kinds of markup come
out: HTML for the eye and MathML for a screen reader.
"""

import atexit
import json
import re
from functools import cache
from pathlib import Path
from threading import Lock

from py_mini_racer import JSEvalException, MiniRacer

KATEX = Path(__file__).parent / "vendor" / "katex.min.js"
# The colors of the book inside a formula; the classes are those of book.css.
MACROS = {
    r"\Pdata": r"\htmlClass{p-data}{P_{\text{data}}}",
    r"\pdata": r"\htmlClass{p-data}{p_{\text{data}}}",
    r"\Pmodel": r"\htmlClass{p-model}{P_{\text{model}}}",
    r"\pmodel": r"\htmlClass{p-model}{p_{\text{model}}}",
    r"\z": r"\htmlClass{latent}{z}",
    r"\R": r"\mathbb{R}",
    r"\E": r"\mathrm{E}",  # \mathbb would load a font of 28 KB for one letter
    r"\KL": r"\mathrm{KL}",
}
# Strict, but for the one extension that carries the colors.
RENDER = """
const render = (formula, displayMode) => katex.renderToString(formula, {
  displayMode, output: "htmlAndMathml", throwOnError: true, macros: {...%s},
  strict: code => code === "htmlExtension" ? "ignore" : "error",
  trust: context => context.command === "\\\\htmlClass",
})
"""
# A code span is matched first and left alone; so is an escaped dollar.
FORMULA = re.compile(
    r"(?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<escaped>\\\$)"
    r"|\$\$(?P<display>.+?)\$\$"
    r"|\$(?P<inline>(?:[^$\n\\]|\\.|\n(?!\s*\n))+?)\$"
    r"(?P<close>[.,;:?!)]*)",
    re.DOTALL,
)
_lock = Lock()


class FormulaError(ValueError):
    """KaTeX refused a formula."""


@cache
def _engine() -> MiniRacer:
    engine = MiniRacer()
    atexit.register(engine.close)  # its threads would keep the interpreter from ending
    engine.eval(KATEX.read_text(encoding="utf-8"))
    engine.eval(RENDER % json.dumps(MACROS))
    return engine


@cache
def render(formula: str, display: bool) -> str:
    """Return the HTML and MathML of a formula.

    Raises:
        FormulaError: the formula does not parse; the message is KaTeX's own.
    """
    call = f"render({json.dumps(formula)}, {json.dumps(display)})"
    with _lock:
        try:
            html = str(_engine().eval(call))
        except JSEvalException as error:
            raise FormulaError(str(error).strip().splitlines()[0]) from None
    return f'<div class="math" tabindex="0">{html}</div>' if display else html


def closed(html: str, mark: str) -> str:
    """Return an inline formula with the mark behind it, which no line break parts.

    A formula of several pieces may break between them, so it is left to do so.
    """
    if not mark or html.count('class="katex-base"') > 2:
        return html + mark
    return f'<span class="closed">{html}{mark}</span>'
