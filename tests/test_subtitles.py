import pytest

from conch.subtitles import Cue, to_srt, to_vtt

CUES = [Cue(0.0, 1.2345, "Call John."), Cue(3599.9996, 3661.5, "Summon <the> team & go")]


def test_subrip_numbers_its_cues_and_uses_a_comma():
    assert to_srt(CUES) == (
        "1\n00:00:00,000 --> 00:00:01,234\nCall John.\n\n2\n01:00:00,000 --> 01:01:01,500\nSummon <the> team & go\n"
    )


def test_webvtt_has_its_header_and_escapes_markup():
    assert to_vtt(CUES) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.234\nCall John.\n\n"
        "01:00:00.000 --> 01:01:01.500\nSummon &lt;the&gt; team &amp; go\n"
    )


@pytest.mark.parametrize("render", [to_srt, to_vtt])
def test_a_blank_line_inside_a_cue_does_not_end_it(render):
    assert "one\ntwo\n" in render([Cue(0, 1, "one\n\ntwo")])


def test_no_cues_are_an_empty_subrip_file_and_a_bare_webvtt_header():
    assert to_srt([]) == ""
    assert to_vtt([]) == "WEBVTT\n"
