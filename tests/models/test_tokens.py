"""Whisper's prompts and languages, with the tokenizer of the weights that are served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from conch.contracts.errors import Internal, InvalidRequest, NotFound
from conch.models.tokens import MAX_HINT_TOKENS, Tokens


@pytest.fixture(scope="module")
def vocabulary(weights):
    return Tokenizer.from_file(str(weights("whisper") / "tokenizer.json"))


@pytest.fixture(scope="module")
def tokens(weights):
    return Tokens.load(weights("whisper") / "tokenizer.json", multilingual=True)


def spelled(vocabulary, ids):
    return [vocabulary.id_to_token(token) for token in ids]


def test_a_transcript_starts_with_its_language_and_task(tokens, vocabulary):
    assert spelled(vocabulary, tokens.prompt("vi", [])) == [
        "<|startoftranscript|>",
        "<|vi|>",
        "<|transcribe|>",
        "<|notimestamps|>",
    ]


def test_hints_stand_before_the_transcript(tokens, vocabulary):
    prompt = spelled(vocabulary, tokens.prompt("en", tokens.hints("Kowalski")))
    assert prompt[0] == "<|startofprev|>"
    start = prompt.index("<|startoftranscript|>")
    assert "".join(prompt[1:start]).replace("Ġ", " ") == " Kowalski"
    assert prompt[start:] == ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]


def test_a_model_of_one_language_is_told_none(weights, vocabulary):
    english = Tokens.load(weights("whisper") / "tokenizer.json", multilingual=False)
    assert english.languages == ["en"]
    assert spelled(vocabulary, english.prompt("en", [])) == ["<|startoftranscript|>", "<|notimestamps|>"]
    with pytest.raises(NotFound, match="language 'vi' is not one of en"):
        english.language("vi")


def test_all_languages_of_the_model_are_known(tokens):
    assert len(tokens.languages) == 99
    assert {"en", "vi", "de", "haw"} <= set(tokens.languages)


@pytest.mark.parametrize(
    ("name", "code"), [("en", "en"), ("EN", "en"), ("en-US", "en"), ("vi_VN", "vi"), (" de ", "de")]
)
def test_a_language_is_found_by_its_code(tokens, name, code):
    assert tokens.language(name) == code


@pytest.mark.parametrize("name", ["xx", "english", "transcribe", "<|en|>", "-", "x" * 1_000_000])
def test_an_unknown_language_is_refused_with_the_known_ones(tokens, name):
    with pytest.raises(NotFound, match=r"^language '.{1,21}' is not one of af, am, .*, zh$"):
        tokens.language(name)


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_blank_hints_are_no_hints(tokens, text):
    assert tokens.hints(text) == []


def test_hints_cannot_spell_a_special_token(tokens, vocabulary):
    special = {vocabulary.token_to_id(token) for token in ("<|endoftext|>", "<|startoftranscript|>", "<|vi|>")}
    assert special.isdisjoint(tokens.hints("<|endoftext|> <|startoftranscript|><|vi|>"))


def test_hints_up_to_the_limit_pass_and_more_are_refused_with_both_numbers(tokens):
    assert len(tokens.hints("call " * MAX_HINT_TOKENS)) == MAX_HINT_TOKENS
    with pytest.raises(InvalidRequest, match=f"prompt has {MAX_HINT_TOKENS + 1} tokens, the model takes 200"):
        tokens.hints("call " * (MAX_HINT_TOKENS + 1))
    with pytest.raises(InvalidRequest, match="prompt has 1000000 characters, the model takes 4000"):
        tokens.hints("a" * 1_000_000)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=40))
def test_text_that_was_cut_into_tokens_comes_back(tokens, text):
    assert tokens.text(tokens.hints(text)).strip() == text.strip()


def test_text_leaves_special_tokens_and_times_out(tokens, vocabulary):
    timed = vocabulary.token_to_id("<|notimestamps|>") + 50
    ids = [*tokens.prompt("en", []), timed, *tokens.hints("Turn it on."), vocabulary.token_to_id("<|endoftext|>")]
    assert tokens.text(ids) == " Turn it on."


def test_a_tokenizer_that_is_not_whisper_s_is_refused(weights):
    with pytest.raises(Internal, match=r"tokenizer\.json has no token <\|startoftranscript\|>"):
        Tokens.load(weights("embedding") / "tokenizer.json", multilingual=True)
