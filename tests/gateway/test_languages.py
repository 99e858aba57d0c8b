from gateway.languages import LanguageVote


def test_nothing_said_has_no_language() -> None:
    vote = LanguageVote()
    assert (vote.leader, vote.settled) == ("", "")


def test_a_little_speech_leads_and_settles_nothing() -> None:
    vote = LanguageVote()
    vote.add("en", speech_s=3.0, probability=1.0)
    assert (vote.leader, vote.settled) == ("en", "")


def test_speech_counts_by_how_sure_the_recogniser_is() -> None:
    vote = LanguageVote()
    vote.add("de", speech_s=6.0, probability=0.25)
    vote.add("vi", speech_s=5.0, probability=0.9)
    assert (vote.leader, vote.settled) == ("vi", "vi")
