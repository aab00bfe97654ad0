"""Right-to-left names in texts and templates: what is set apart, and what stays as it is."""

from __future__ import annotations

import pytest
from jinja2 import Environment
from markupsafe import Markup

from ledger.i18n.bidi import isolated
from ledger.i18n.html_bidi import RightToLeft, apart

ARABIC, HEBREW = "مركز الشرطة", "שלום"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("the phone 12, 手机", "the phone 12, 手机"),
        (ARABIC, f"<{ARABIC}>"),
        (f"{ARABIC} 12", f"<{ARABIC} 12>"),
        (f"{HEBREW} ({ARABIC})", f"<{HEBREW} ({ARABIC})>"),
        (f"from {HEBREW} {ARABIC} 12, 5 pieces", f"from <{HEBREW} {ARABIC} 12>, 5 pieces"),
        (f"{ARABIC} → {HEBREW}", f"<{ARABIC}> → <{HEBREW}>"),
        (f"{HEBREW} (item-1): {ARABIC} offers", f"<{HEBREW}> (item-1): <{ARABIC}> offers"),
        (f"{ARABIC}移送{HEBREW}", f"<{ARABIC}>移送<{HEBREW}>"),
    ],
)
def test_names_are_set_apart_from_what_is_around_them(text: str, marked: str) -> None:
    """Each alone, with its digits and the blanks within it; all of a text that is nothing else."""
    assert isolated(text, "<", ">") == marked


@pytest.mark.parametrize("sign", ["\u064b", "٠", "،"], ids=["vowel", "digit", "comma"])
@pytest.mark.timeout(20)
def test_a_long_name_of_signs_takes_no_time(sign: str) -> None:
    """A sign is of the script and no letter, or a digit: what fits in two ways is not tried in all combinations."""
    name = ARABIC + sign * 4000
    assert isolated(f"{name}a", "<", ">").replace("<", "").replace(">", "") == f"{name}a"


def test_templates_set_every_value_in_the_text_of_a_page_apart() -> None:
    """Whatever the expression; not in tags and texts alone, nor where a template did it by hand, nor what is markup."""
    environment = Environment(autoescape=True, extensions=[RightToLeft])
    for template, page in {
        "<p>{{ name }}: {{ name | lower }}</p>": f"<p><bdi>{ARABIC}</bdi>: <bdi>{ARABIC}</bdi></p>",
        "{{ name if 1 else 2 }}{{ 5 }}": f"<bdi>{ARABIC}</bdi>5",
        '<a title="{{ name }} > {{ name }}">{{ name }}</a>': (
            f'<a title="{ARABIC} > {ARABIC}"><bdi>{ARABIC}</bdi></a>'
        ),
        "<option>{{ name }}</option>{{ name }}": f"<option>{ARABIC}</option><bdi>{ARABIC}</bdi>",
        "<text>a {{ name }}</text>{{ name }}": f"<text>a \u2068{ARABIC}\u2069</text><bdi>{ARABIC}</bdi>",
        "<bdi><b>{{ name }}</b></bdi>": f"<bdi><b>{ARABIC}</b></bdi>",
        "{% macro of(x) %}<i>{{ x }}</i>{% endmacro %}{{ of(name) }}": f"<i><bdi>{ARABIC}</bdi></i>",
        "{{ 'a < ' ~ name }}": f"a &lt; <bdi>{ARABIC}</bdi>",
    }.items():
        assert environment.from_string(template).render(name=ARABIC) == page, template
    markup = Markup("<i>") + ARABIC
    assert apart(markup) is markup
