"""Anonymity of what is published: texts that lead nobody to a case, an item or a person, and tables of counts.

``traces`` finds everything that has the form of an identifier of any origin. ``words`` returns what may be ids of a
ledger, to be compared with the ids that exist (``known_traces``). A name is found only after a role or a title. Digits
in words, and allusions that only local people understand, are not found: a person must read the text before it is
published.

``publish`` makes a table of counts and its totals fit to be published:

1. Every count under 5 is published as "fewer than 5" and no more.
2. A total that includes such a count is published as the sum of the published counts: "at least so many".

So the publication depends on a count under 5 only in that it is one: each may be anything from 0 to 4, whatever a
reader computes, even one who knows these rules. Exact totals with further counts withheld would reveal more, and would
be safe only from readers who do not know how those are chosen. No protection is promised against a comparison of
publications at different times.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from msgspec import Struct

_LONGEST_ID = 16  # parts between hyphens that an id has at most
_SHORTEST_ID = 4  # characters: a shorter one, or one without a digit, is a word like others
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_ROLES_ZH = (
    "被告人|犯罪嫌疑人|嫌疑人|被害人|受害人|证人|当事人|罪犯|服刑人员|社区矫正对象|原告|被告|辩护人|律师|民警|警官|检察官|法官|"
    "审判长|书记员|侦查员|鉴定人|见证人|持有人|经办人|承办人|姓名[为是]?|名叫|化名"
)
# The commonest family names, without those that mostly go on as other words: 和 于 应 时 全 安 万 常 成 水 金 向 方.
_FAMILIES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱林何郭马罗梁宋郑谢韩唐冯董程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范石"
    "闫苗高柳葛翟聂焦樊庞鲍祁耿霍邢甄俞褚姚谭廖邹熊陆郝孔白崔康毛邱秦江史顾侯邵孟龙段雷钱汤尹黎易武乔贺赖龚文"
)
_NO_NAMES = (
    "周围|周末|何时|何地|何种|何人|何以|马上|梁上|董事|程序|许可|许多|曾经|曾因|曾在|余款|余额|夏天|任职|任何|任意|范围|石油|"
    "陆续|白天|江边|江苏|江西|史料|顾客|龙头|雷雨|钱款|钱物|武器|文件|文化|文书|黄金|黄色|金额|孔洞|白色|马路|林业|易于|康复|"
    "高中|高度|高级|高额|高速|高龄|高价|高处|高于|高达|高空|高利|高校|高层|高考|焦点|焦急|毛病|石头|段时|叶片|田地|田间|汤水|江水"
)
_COMPOUND = "欧阳|司马|上官|诸葛|司徒|东方|皇甫|尉迟|公孙|慕容|令狐|夏侯|长孙|宇文|端木|轩辕|南宫|独孤"
_NAME_ZH = (
    rf"(?:(?:{_COMPOUND})(?!某)[\u4e00-\u9fff]"
    rf"|(?!{_NO_NAMES}|(?:{_COMPOUND})某)[{_FAMILIES}](?![某甲乙丙丁男女氏])[\u4e00-\u9fff](?!某))"
)
# Lower-case names are recognised by these: the commonest given names, family names in pinyin that are no words.
_NAMES_EN = (
    "john|james|robert|michael|william|david|richard|joseph|thomas|charles|daniel|peter|paul|george|kevin|jack|mary|anna|"
    "linda|susan|sarah|karen|nancy|lisa|emily|zhang|wang|liu|chen|yang|zhao|huang|zhou|zhu|guo|luo|zheng|liang|xie|tang|"
    "feng|deng|cao|peng|zeng|xiao|tian|dong|yuan|jiang|cai|jia|wei|xue|yan|ding|qian|qin|shi|xu|hu|lin|li"
)
_TITLES_EN = r"(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.?"
_ROLES_EN = (
    r"(?:[Dd]efendant|[Ss]uspect|[Vv]ictim|[Ww]itness|[Oo]ffender|[Oo]fficer|[Pp]rosecutor|[Jj]udge|[Ll]awyer|"
    r"[Cc]onvict|[Aa]ccused|named|called)"
)
_FORMS = {
    "digest or id": r"(?<![0-9a-f])[0-9a-f]{32,}(?![0-9a-f])",
    "id of an event": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "identity card": r"(?<!\d)(?:\d{6}[ -]?(?:19|20)\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{3}[ -]?[0-9Xx]|\d{15})"
    r"(?![\dA-Za-z])",
    "bank card": r"(?<!\d)\d{4}(?:[ -]?\d{4}){3}(?:[ -]?\d{1,3})?(?!\d)",
    "phone": r"(?<!\d)(?:(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}|0\d{2,3}[ -]?\d{3,4}[ -]?\d{4})(?!\d)",
    "passport": r"(?<![A-Za-z0-9])[DEGHKMPSdeghkmps][A-Za-z]?\d{7,8}(?![A-Za-z0-9])",
    "number of an organisation": r"(?<![0-9A-Z])[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Z])",
    "long number": r"(?<!\d)\d{9,}(?!\d)",
    "case number": r"[(\[〔【〈]\s*(?:19|20)\d{2}\s*[)\]〕】〉][^\s,。;:、]{0,30}?\d+\s*号"
    r"|(?<!\d)(?:19|20)\d{2}[\u4e00-\u9fff\d]{0,8}?[刑民行执赔][初终再更监申异复执][字第]{0,2}\d+\s*号",
    "address of a page": r"(?i:https?://|\bwww\.)[^\s,。;、]+",
    "number plate": rf"[{_PROVINCES}][A-Z][ ·.-]?[A-Z0-9]{{5,6}}(?![A-Z0-9])",
    "number of a seal": r"(?:封签|封条|封存|封印|铅封)(?:编号|号码|号)?\s*[:为是]?\s*(?=[\w-]*\d)[A-Za-z0-9][\w-]{2,}"
    r"|(?i:\bseal(?: no\.?| number)?:? )(?=[\w-]*\d)[A-Za-z0-9][\w-]{2,}",
    "number of an officer": r"(?:警号|工号|警官证号?|执法证号?)\s*[:为是]?\s*(?=[\w-]*\d)[A-Z0-9a-z][\w-]{2,}"
    r"|(?i:\b(?:badge|officer)(?: no\.?| number| id)?:? )(?=[\w-]*\d)[A-Za-z0-9][\w-]{2,}",
    "address": r"(?!某)[\u4e00-\u9fff](?:路|街|巷|弄|胡同|大道|小区|新村)\d+(?:弄|号|栋|幢|单元|室)"
    r"|\b\d{1,5} (?:[A-Z][a-z]+ ){1,3}(?:Road|Street|Lane|Avenue)\b",
    "address of mail": r"[\w.+-]+@[\w-]+\.[\w.]+",
    "name": rf"(?:{_ROLES_ZH})\s?[:为是]?\s?{_NAME_ZH}"
    rf"|{_NAME_ZH}[\u4e00-\u9fff]?\s?\((?:{_ROLES_ZH})\)"
    rf"|\b{_TITLES_EN} (?!Mou\b|X\b)[A-Z][a-z]+(?! Mou\b| X\b)(?: [A-Z][a-z]+)?"
    rf"|\b{_ROLES_EN} [A-Z][a-z]+ (?!Mou\b|X\b)[A-Z][a-z]+"
    rf"|\b{_ROLES_EN} (?:{_NAMES_EN}) (?!mou\b|x\b)[a-z]+",
}
# What to write instead, by the kind of trace.
INSTEAD: Mapping[str, str] = {
    "identity card": "leave the number out; say 'a man of about forty' where age matters",
    "bank card": "say 'a bank account' or 'the first account'",
    "phone": "say 'a telephone number'",
    "passport": "say 'a passport'",
    "number of an organisation": "say 'a company'",
    "long number": "leave it out, or say how many digits it has",
    "case number": "say 'a case of theft in a county'",
    "number plate": "say 'a car'",
    "number of a seal": "say 'the seal on the bag'",
    "number of an officer": "say 'the officer who sealed it'",
    "address": "say 'a flat in the district'",
    "digest or id": "leave it out: figures and signed events prove what happened",
    "id of an event": "leave it out: figures and signed events prove what happened",
    "address of mail": "say 'an e-mail address'",
    "address of a page": "leave it out: the page may name somebody",
    "name": "say what the person is: 'the suspect', 被告人某甲, 'Zhang X'",
    "case": "say 'a case of theft in a county'",
    "item": "say what it is: 'a phone'",
    "seal": "say 'the seal on the bag'",
    "officer": "say 'the officer who sealed it'",
}
_ANYTHING = "leave it out, or say what kind of thing it is"
_COMPILED = {kind: re.compile(form) for kind, form in _FORMS.items()}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_DIGIT = re.compile(r"\d")
_AROUND = 8  # characters of context that are shown on either side
SMALLEST_PUBLISHED = 5
Cell = tuple[str, str]  # row, column
Counts = Mapping[Cell, int]


class Trace(Struct, frozen=True, order=True):
    """A part of a text, from character ``start`` on (the first one is 0), that is an identifier of this ``kind``."""

    start: int
    text: str
    kind: str

    @property
    def instead(self) -> str:
        """Return what to write in its place."""
        return INSTEAD.get(self.kind, _ANYTHING)

    def shown_in(self, text: str) -> str:
        """Return the trace in brackets with a little of the text before and after it."""
        end = self.start + len(self.text)
        before, after = max(0, self.start - _AROUND), end + _AROUND
        shown = f"{text[before : self.start]}[{text[self.start : end]}]{text[end:after]}"
        return f"{'…' if before else ''}{shown}{'…' if after < len(text) else ''}"


def traces(text: str) -> tuple[Trace, ...]:
    """Return the parts of the text that have the form of an identifier, in their order.

    Full-width letters and digits count as plain ones. A part that has several forms is returned as the first of them.
    """
    plain, places = _plain(text)
    matches: list[Trace] = []
    taken: set[int] = set()
    for kind, form in _COMPILED.items():
        for match in form.finditer(plain):
            # The first form that fits a part names it, so the order of `_FORMS` matters.
            if taken.isdisjoint(range(*match.span())):
                taken.update(range(*match.span()))
                matches.append(_trace(text, places, match.span(), kind))
    return tuple(sorted(matches))


def words(text: str) -> frozenset[str]:
    """Return all that may be an id in the text, as written and in lower case: every run of parts between hyphens."""
    plain, _ = _plain(text)
    return frozenset(word for first, end in _runs(plain) for word in (plain[first:end], plain[first:end].lower()))


def known_traces(text: str, kinds: Mapping[str, str]) -> tuple[Trace, ...]:
    """Return the occurrences of the ids of ``kinds``, a mapping from an id to the kind of thing that it names."""
    plain, places = _plain(text)
    matches = set[Trace]()
    for first, end in _runs(plain):
        word = plain[first:end]
        kind = kinds.get(word) or kinds.get(word.lower())
        if kind is not None:
            matches.add(_trace(text, places, (first, end), kind))
    return tuple(sorted(matches))


def _plain(text: str) -> tuple[str, list[int]]:
    """Return the text in compatibility form, and for each of its characters the index of the original one.

    Invisible characters, such as a zero-width space, are left out: they would split a word.
    """
    visible = ("" if unicodedata.category(character) == "Cf" else character for character in text)
    parts = [unicodedata.normalize("NFKC", character) for character in visible]
    return "".join(parts), [place for place, part in enumerate(parts) for _ in part]


def _trace(text: str, places: list[int], span: tuple[int, int], kind: str) -> Trace:
    first, last = places[span[0]], places[span[1] - 1]
    return Trace(first, text[first : last + 1], kind)


def _runs(plain: str) -> Iterator[tuple[int, int]]:
    """Yield where each possible id begins and ends."""
    for match in _WORD.finditer(plain):
        parts = match[0].split("-")
        starts = [match.start()]
        for part in parts:
            starts.append(starts[-1] + len(part) + 1)
        for first in range(len(parts)):
            for end in range(first + 1, min(first + _LONGEST_ID, len(parts)) + 1):
                span = starts[first], starts[end] - 1
                if span[1] - span[0] >= _SHORTEST_ID and _DIGIT.search(plain[slice(*span)]):
                    yield span


class Total(Struct, frozen=True):
    """A sum of counts, ``exact``, or a lower bound if some of them are withheld."""

    at_least: int
    exact: bool


class PublishedCounts(Struct, frozen=True):
    """The published table: each count, or None for fewer than 5; totals by row, by column and of all."""

    cells: Mapping[Cell, int | None]
    rows: Mapping[str, Total]
    columns: Mapping[str, Total]
    total: Total


def publish(counts: Counts) -> PublishedCounts:
    """Return what may be published of a table; missing counts are 0. Requires counts that are not negative."""
    rows, columns = (sorted({cell[place] for cell in counts}) for place in (0, 1))
    cells: dict[Cell, int | None] = {}
    for cell in product(rows, columns):
        count = counts.get(cell, 0)
        cells[cell] = count if count >= SMALLEST_PUBLISHED else None
    return PublishedCounts(
        cells=cells,
        rows={row: _total(cells[row, column] for column in columns) for row in rows},
        columns={column: _total(cells[row, column] for row in rows) for column in columns},
        total=_total(cells.values()),
    )


def _total(counts: Iterable[int | None]) -> Total:
    """Sum the published counts alone."""
    published = list(counts)
    return Total(sum(count for count in published if count is not None), None not in published)
