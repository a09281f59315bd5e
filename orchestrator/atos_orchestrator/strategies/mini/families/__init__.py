"""The families of functions that atos-mini was trained on, by theme."""

from atos_orchestrator.strategies.mini.families import (
    arithmetic,
    conversions,
    dicts,
    integers,
    lists,
    searching,
    strings,
    texts,
)
from atos_orchestrator.strategies.mini.family import Family

THEMES: dict[str, tuple[Family, ...]] = {
    "arithmetic": arithmetic.FAMILIES,
    "whole numbers": integers.FAMILIES,
    "conversions": conversions.FAMILIES,
    "strings": strings.FAMILIES,
    "texts": texts.FAMILIES,
    "lists": lists.FAMILIES,
    "sorting and searching": searching.FAMILIES,
    "dictionaries": dicts.FAMILIES,
}
FAMILIES: dict[str, Family] = {family.name: family for theme in THEMES.values() for family in theme}
