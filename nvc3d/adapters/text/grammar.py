"""A small German and a small English, and how one says what the other does.

Nouns have genders and cases, adjectives end by both, verbs come second or last, or in two parts: no
word for word will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from nvc3d.adapters.text.pairs import Pairs

T = TypeVar("T")

LANGUAGES = ("de", "en")
SIZES = {"train": 4000, "val": 100, "test": 100}

# German, gender, plural, English, plural
_BEINGS = (
    ("Mann", "m", "Männer", "man", "men"),
    ("Frau", "f", "Frauen", "woman", "women"),
    ("Kind", "n", "Kinder", "child", "children"),
    ("Mädchen", "n", "Mädchen", "girl", "girls"),
    ("Hund", "m", "Hunde", "dog", "dogs"),
    ("Katze", "f", "Katzen", "cat", "cats"),
    ("Pferd", "n", "Pferde", "horse", "horses"),
    ("Vogel", "m", "Vögel", "bird", "birds"),
    ("Lehrerin", "f", "Lehrerinnen", "teacher", "teachers"),
    ("Bäcker", "m", "Bäcker", "baker", "bakers"),
)
_THINGS = (
    ("Ball", "m", "Bälle", "ball", "balls"),
    ("Tür", "f", "Türen", "door", "doors"),
    ("Fenster", "n", "Fenster", "window", "windows"),
    ("Apfel", "m", "Äpfel", "apple", "apples"),
    ("Blume", "f", "Blumen", "flower", "flowers"),
    ("Buch", "n", "Bücher", "book", "books"),
    ("Hut", "m", "Hüte", "hat", "hats"),
    ("Lampe", "f", "Lampen", "lamp", "lamps"),
    ("Fahrrad", "n", "Fahrräder", "bicycle", "bicycles"),
    ("Stuhl", "m", "Stühle", "chair", "chairs"),
)
_ADJECTIVES = (
    ("alt", "old"),
    ("klein", "small"),
    ("groß", "big"),
    ("rot", "red"),
    ("grün", "green"),
    ("schön", "beautiful"),
    ("neu", "new"),
    ("müde", "tired"),
    ("braun", "brown"),
    ("schnell", "fast"),
)


class _Verb(NamedTuple):
    one: str  # er sieht
    many: str
    participle: str
    infinitive: str
    prefix: str  # that goes to the end: er macht auf
    english: tuple[str, str, str]  # he sees, they see, saw


_VERBS = (
    _Verb("sieht", "sehen", "gesehen", "sehen", "", ("sees", "see", "saw")),
    _Verb("kauft", "kaufen", "gekauft", "kaufen", "", ("buys", "buy", "bought")),
    _Verb("findet", "finden", "gefunden", "finden", "", ("finds", "find", "found")),
    _Verb("sucht", "suchen", "gesucht", "suchen", "", ("looks for", "look for", "looked for")),
    _Verb("malt", "malen", "gemalt", "malen", "", ("paints", "paint", "painted")),
    _Verb("trägt", "tragen", "getragen", "tragen", "", ("carries", "carry", "carried")),
    _Verb("hebt", "heben", "aufgehoben", "aufheben", "auf", ("picks up", "pick up", "picked up")),
    _Verb("nimmt", "nehmen", "mitgenommen", "mitnehmen", "mit", ("takes", "take", "took")),
)
_PLACES = (
    ("im Garten", "in the garden"),
    ("auf der Straße", "on the street"),
    ("vor dem Haus", "in front of the house"),
    ("unter dem Baum", "under the tree"),
    ("neben dem Auto", "next to the car"),
    ("am See", "by the lake"),
)
_TIMES = (("heute", "today"), ("jetzt", "now"), ("am Abend", "in the evening"), ("oft", "often"))
_PAST = (("gestern", "yesterday"), ("letzte Woche", "last week"), ("am Montag", "on Monday"))
_JOINTS = (("weil", "because"), ("während", "while"), ("wenn", "when"))
_NUMBERS = (("zwei", "two"), ("drei", "three"), ("viele", "many"))

# Of the nominative and the accusative, by gender and of the plural.
_THE = {"m": ("der", "den"), "f": ("die", "die"), "n": ("das", "das"), "p": ("die", "die")}
_A = {"m": ("ein", "einen"), "f": ("eine", "eine"), "n": ("ein", "ein")}
_AFTER_THE = {"m": ("e", "en"), "f": ("e", "e"), "n": ("e", "e"), "p": ("en", "en")}
_AFTER_A = {"m": ("er", "en"), "f": ("e", "e"), "n": ("es", "es"), "p": ("e", "e")}


def pairs(source: str, target: str, seed: int) -> dict[str, Pairs]:
    """Sentences for training, validation and test, none of them twice. Raises as `drawn`."""
    return {part: found for part, (found, _) in drawn(source, target, seed).items()}


def drawn(source: str, target: str, seed: int) -> dict[str, tuple[Pairs, list[str]]]:
    """The same, and the verb of each first clause.

    Raises ValueError on other languages than "de" and "en", or one alone.
    """
    if {source, target} != set(LANGUAGES):
        raise ValueError(
            f"the built-in sentences are in {' and '.join(LANGUAGES)}, got {source} and {target}: "
            "give --data for others"
        )
    rng = np.random.default_rng(seed)
    made: dict[str, tuple[str, str]] = {}
    while len(made) < sum(SIZES.values()):
        german, *others = _sentence(rng)
        made.setdefault(german, (others[0], others[1]))
    english, verbs = map(list, zip(*made.values(), strict=True))
    columns = ([*made], english) if source == "de" else (english, [*made])
    found, first = {}, 0
    for part, size in SIZES.items():
        own = slice(first, first + size)
        found[part] = Pairs(*(column[own] for column in columns)), verbs[own]
        first += size
    return found


class _Drawn(NamedTuple):
    german: str
    english: str
    plural: bool


def _one(rng: np.random.Generator, some: Sequence[T]) -> T:
    return some[int(rng.integers(len(some)))]


def _noun(rng: np.random.Generator, some: Sequence[tuple[str, ...]], case: int) -> _Drawn:
    """A noun with what stands before it, in the nominative (0) or the accusative (1)."""
    one, gender, many, english, englishes = _one(rng, some)
    plural, definite = rng.random() < 0.3, rng.random() < 0.5
    number, numbers = _one(rng, _NUMBERS)
    kind = "p" if plural else gender
    ends = (_AFTER_THE if definite else _AFTER_A)[kind][case]
    adjective, beside = _one(rng, _ADJECTIVES) if rng.random() < 0.6 else ("", "")
    article = _THE[kind][case] if definite else number if plural else _A[kind][case]
    first = (beside or english)[0]
    other = "the" if definite else numbers if plural else "an" if first in "aeiou" else "a"
    ending = ends[1:] if adjective.endswith("e") else ends
    return _Drawn(
        " ".join(
            filter(None, [article, adjective and adjective + ending, many if plural else one])
        ),
        " ".join(filter(None, [other, beside, englishes if plural else english])),
        plural,
    )


def _sentence(rng: np.random.Generator) -> tuple[str, str, str]:
    """A sentence, what it is in English, and its first verb there."""
    who, what, verb = _noun(rng, _BEINGS, 0), _noun(rng, _THINGS, 1), _one(rng, _VERBS)
    place, there = _one(rng, _PLACES) if rng.random() < 0.4 else ("", "")
    past = rng.random() < 0.5
    when, then = _one(rng, _PAST if past else _TIMES)
    now = verb.many if who.plural else verb.one
    finite = ("haben" if who.plural else "hat") if past else now
    end = verb.participle if past else verb.prefix
    if rng.random() < 0.5:  # what comes first is not who does it: the verb stays second
        german = [when, finite, who.german, what.german, place, end]
    else:
        german = [who.german, finite, when, what.german, place, end]
    said = verb.english[2 if past else 1 if who.plural else 0]
    english = [who.english, said, what.english, there, then]
    if rng.random() < 0.3:  # a clause whose verb comes last
        joint, joined = _one(rng, _JOINTS)
        other, thing, does = _noun(rng, _BEINGS, 0), _noun(rng, _THINGS, 1), _one(rng, _VERBS)
        last = does.infinitive if other.plural else does.prefix + does.one
        german[-1:] = [german[-1] + ",", joint, other.german, thing.german, last]
        english[-1] += (
            f" {joined} {other.english} {does.english[int(other.plural)]} {thing.english}"
        )
    return _written(german), _written(english), verb.english[1]


def _written(words: list[str]) -> str:
    text = " ".join(filter(None, words)).replace(" ,", ",")
    return text[0].upper() + text[1:] + "."
