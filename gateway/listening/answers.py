"""What was answered to a question of ours: yes, no, one of the names that we asked about, or something else.

Only an answer that says nothing but yes acts: whoever says more has said something else.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from conch.commands.contacts import Certainty, Contact, callee

MOST_NAME_WORDS = 5
"""Of an answer that names somebody: more is a command."""


class Kind(StrEnum):
    YES = "yes"
    NO = "no"
    NAME = "name"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Answer:
    kind: Kind
    name: str = ""
    """Of the contact, for NAME."""


@dataclass(frozen=True, slots=True)
class _Phrases:
    yes: frozenset[str]
    no: frozenset[str]


def _phrases(yes: str, no: str) -> _Phrases:
    return _Phrases(*(frozenset(_plain(phrase) for phrase in phrases.split(",")) for phrases in (yes, no)))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).casefold().replace("'", "")))


_BY_LANGUAGE = {
    "en": _phrases(
        "yes, yeah, yep, yup, ok, okay, sure, correct, right, thats right, that is right, affirmative, confirm,"
        " confirmed, do it, go ahead, of course, yes i did, i did",
        "no, nope, nah, no thanks, no thank you, cancel, cancel that, stop, dont, do not, dont do it, do not do it,"
        " wrong, thats wrong, negative, never mind, nevermind, forget it",
    ),
    "vi": _phrases(
        "có, vâng, dạ, dạ vâng, dạ có, ừ, ừm, đúng, đúng rồi, đúng vậy, phải, phải rồi, được, được rồi, đồng ý, ok,"
        " xác nhận, làm đi, gọi đi",
        "không, dạ không, không phải, không đúng, không cần, thôi, hủy, huỷ, hủy đi, huỷ đi, dừng, dừng lại, đừng,"
        " sai, sai rồi, chưa",
    ),
    "de": _phrases(
        "ja, jawohl, jep, genau, richtig, stimmt, das stimmt, korrekt, klar, ok, okay, in ordnung, bestätigt, gerne,"
        " mach das, ja bitte",
        "nein, nee, ne, nö, falsch, stopp, stop, halt, abbrechen, nicht, lieber nicht, nein danke, vergiss es",
    ),
    "fr": _phrases(
        "oui, ouais, ok, daccord, exact, exactement, cest ça, correct, bien sûr, vas y, allez y, confirmé,"
        " oui sil te plaît, oui sil vous plaît",
        "non, nan, stop, arrête, arrêtez, annule, annulez, annuler, faux, cest faux, pas du tout, laisse tomber,"
        " non merci",
    ),
    "es": _phrases(
        "sí, si, claro, correcto, exacto, vale, ok, de acuerdo, eso es, por supuesto, adelante, confirmado, hazlo",
        "no, para, alto, cancela, cancelar, cancelado, incorrecto, mal, no gracias, déjalo, olvídalo",
    ),
    "it": _phrases(
        "sì, si, certo, esatto, giusto, corretto, va bene, ok, daccordo, confermo, confermato",
        "no, ferma, stop, annulla, sbagliato, non farlo, lascia stare, no grazie",
    ),
    "pt": _phrases(
        "sim, claro, certo, correto, exato, isso, está bem, tá bom, ok, confirmo, confirmado, pode ser",
        "não, nao, para, pare, cancela, cancelar, errado, deixa, esquece, não obrigado",
    ),
    "nl": _phrases(
        "ja, jawel, klopt, dat klopt, juist, correct, goed, oké, ok, zeker, doe maar",
        "nee, neen, stop, fout, verkeerd, annuleer, annuleren, niet doen, laat maar, nee dank je",
    ),
    "ja": _phrases(
        "はい, ええ, うん, そうです, お願いします, 了解", "いいえ, いえ, だめ, やめて, 違います, キャンセル"
    ),
    "zh": _phrases(
        "是, 是的, 对, 对的, 好, 好的, 可以, 没错, 确认, 行", "不, 不是, 不对, 不要, 不用, 取消, 停, 算了, 错"
    ),
    "ko": _phrases(
        "네, 예, 응, 맞아요, 맞습니다, 그래요, 좋아요, 확인", "아니요, 아니오, 아니, 안돼요, 취소, 그만, 틀려요"
    ),
}

_ALL = _Phrases(
    *(frozenset[str]().union(*(getattr(one, kind) for one in _BY_LANGUAGE.values())) for kind in ("yes", "no"))
)
"""Where nobody knows the language. No word of one kind is of the other in another language."""

_POLITE = frozenset({"please", "sir", "madam", "thanks", "uh", "um", "ạ", "bitte", "merci", "gracias", "por favor"})


def answered(text: str, language: str, names: Sequence[str], contacts: Sequence[Contact] = ()) -> Answer:
    """To a question about `names`, perhaps none, of whom `contacts` have other spellings; `language` may be empty."""
    phrases = _BY_LANGUAGE.get(language, _BY_LANGUAGE["en"]) if language else _ALL
    said = _plain(text).split()
    if _made_of(said, phrases.yes):
        return Answer(Kind.YES)
    if _made_of(said, phrases.no):
        return Answer(Kind.NO)
    if names and len(said) <= MOST_NAME_WORDS and not any(word in phrases.no for word in said):
        candidates = [one for one in contacts if one.name in names]
        meant = callee(text, candidates)
        if meant.certainty is Certainty.SURE:
            return Answer(Kind.NAME, meant.names[0])
    return Answer(Kind.OTHER)


def _made_of(words: Sequence[str], phrases: Iterable[str]) -> bool:
    """Whether `words` are phrases and politeness, one behind the other, and not politeness alone."""
    if not words:
        return False
    whole = "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))
    polite = "|".join(map(re.escape, sorted(_POLITE)))
    pattern = rf"(?:(?:{polite}) )*(?:{whole})(?: (?:{whole}|{polite}))*"
    return re.fullmatch(pattern, " ".join(words)) is not None
