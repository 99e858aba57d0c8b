"""A closed list of words, as it is best read: in lines."""


def words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())
