"""The agencies of the histories: cities of several provinces, each with every kind of agency."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.core.events.terms import AgencyKind

PROVINCES = ("甲", "乙", "丙")
CITIES = {"东": "east", "西": "west"}
_OF_CITY: dict[str, tuple[AgencyKind, str, str]] = {
    "police": ("public_security", "公安局", "Public Security Bureau"),
    "procuratorate": ("procuratorate", "人民检察院", "People's Procuratorate"),
    "court": ("court", "人民法院", "People's Court"),
    "detention_house": ("detention_house", "看守所", "Detention House"),
    "commission": ("supervision_commission", "监察委员会", "Supervision Commission"),
    "administration": ("administrative_agency", "市场监督管理局", "Market Regulation Bureau"),
    "depot": ("property_custodian", "涉案财物管理中心", "Property Depot"),
    "lab": ("forensic_lab", "司法鉴定中心", "Forensic Laboratory"),
    "correction": ("judicial_administration", "社区矫正管理局", "Community Correction Bureau"),
}
_OF_PROVINCE: dict[str, tuple[AgencyKind, str, str]] = {
    "upper_procuratorate": ("procuratorate", "人民检察院", "People's Procuratorate"),
    "upper_court": ("court", "高级人民法院", "High People's Court"),
    "prison": ("judicial_administration", "第一监狱", "First Prison"),
}


def cities() -> tuple[Mapping[str, str], ...]:
    """Return, of each city, the agencies that its cases come to, by what they are; those of its province among them."""
    return tuple(
        {role: _id_of(role, p, city) for role in _OF_CITY} | {role: _id_of(role, p) for role in _OF_PROVINCE}
        for p in range(len(PROVINCES))
        for city in CITIES
    )


def agencies() -> list[tuple[str, AgencyKind, str, str, str]]:
    """Return id, kind, both names and jurisdiction of all agencies, those of provinces first."""
    provinces = [
        (_id_of(role, p), kind, f"{name}省{zh}", f"{en} of Province {p + 1}", f"{p + 1:02}")
        for p, name in enumerate(PROVINCES)
        for role, (kind, zh, en) in _OF_PROVINCE.items()
    ]
    return provinces + [
        (
            _id_of(role, p, city),
            kind,
            f"{province}省{city}城市{zh}",
            f"{en} of {CITIES[city].title()} City, Province {p + 1}",
            f"{p + 1:02}/{c + 1:02}",
        )
        for p, province in enumerate(PROVINCES)
        for c, city in enumerate(CITIES)
        for role, (kind, zh, en) in _OF_CITY.items()
    ]


def _id_of(role: str, province: int, city: str = "") -> str:
    return f"{role.replace('_', '-')}-{province + 1}{CITIES[city][0] if city else ''}"
