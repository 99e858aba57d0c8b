"""Each kind of change to a published .proto file, compiled by protoc."""

from pathlib import Path

import pytest

from tools.breaking import breaks
from tools.protos import descriptors

PUBLISHED = """
syntax = "proto3";
package conch.toy.v1;

service Toy {
  rpc Ask(Question) returns (Answer);
  rpc Listen(stream Question) returns (stream Answer);
}

message Question {
  reserved 9;
  string text = 1;
  repeated int32 numbers = 2;
  oneof source {
    string path = 3;
    bytes body = 4;
  }
  Mood mood = 5;
  optional float pace = 6;
  map<string, string> notes = 7;
  message Part {
    string name = 1;
  }
  Part part = 8;
}

message Answer {
  string text = 1;
}

enum Mood {
  MOOD_UNSPECIFIED = 0;
  MOOD_GLAD = 1;
}
"""


def compiled(folder: Path, text: str):
    source = folder / "proto/conch/toy/v1/toy.proto"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    return descriptors(folder)


CHANGES = {
    "field removed": ("  string text = 1;\n  rep", "  rep", "field conch.toy.v1.Question.text = 1 is gone"),
    "field renumbered": ("text = 1;\n  rep", "text = 11;\n  rep", "field conch.toy.v1.Question.text = 1 is gone"),
    "field retyped": ("string text = 1;\n  rep", "bytes text = 1;\n  rep", "its type was TYPE_STRING, is TYPE_BYTES"),
    "field renamed": ("string text = 1;\n  rep", "string words = 1;\n  rep", "its name was text, is words"),
    "list to one": ("repeated int32", "int32", "its label was LABEL_REPEATED, is LABEL_OPTIONAL"),
    "presence lost": ("optional float", "float", "optional was True, is False"),
    "out of a oneof": ("bytes body = 4;\n  }", "}\n  bytes body = 4;", "its oneof was source, is None"),
    "other message": ("Part part", "Answer part", "its message or enum was .conch.toy.v1.Question.Part"),
    "other map": ("map<string, string>", "map<string, int32>", "NotesEntry.value = 2: its type was TYPE_STRING"),
    "reservation lifted": ("  reserved 9;\n", "", "reserved number 9 of conch.toy.v1.Question is gone"),
    "value removed": ("  MOOD_GLAD = 1;\n", "", "enum value conch.toy.v1.Mood.MOOD_GLAD is gone"),
    "value renumbered": ("MOOD_GLAD = 1", "MOOD_GLAD = 2", "its number was 1, is 2"),
    "method removed": ("  rpc Ask(Question) returns (Answer);\n", "", "method conch.toy.v1.Toy.Ask is gone"),
    "other request": ("Ask(Question)", "Ask(Answer)", "its request was .conch.toy.v1.Question"),
    "no stream back": ("returns (stream Answer)", "returns (Answer)", "a stream of replies was True, is False"),
    "no stream in": ("(stream Question)", "(Question)", "a stream of requests was True, is False"),
    "service renamed": ("service Toy", "service Game", "service conch.toy.v1.Toy is gone"),
    "package moved": ("package conch.toy.v1", "package conch.toy.v2", "message conch.toy.v1.Question is gone"),
}


@pytest.mark.parametrize(("old", "new", "broken"), CHANGES.values(), ids=CHANGES)
def test_a_breaking_change_is_named(tmp_path, old, new, broken):
    assert PUBLISHED.count(old) == 1
    published = compiled(tmp_path, PUBLISHED)

    found = breaks(published, compiled(tmp_path, PUBLISHED.replace(old, new)))

    assert any(broken in one for one in found), found


def test_additions_break_nobody(tmp_path):
    published = compiled(tmp_path, PUBLISHED)
    grown = (
        PUBLISHED.replace("message Answer {", "message Answer {\n  Mood mood = 2;\n  optional string why = 3;")
        .replace("MOOD_GLAD = 1;", "MOOD_GLAD = 1;\n  MOOD_SAD = 2;")
        .replace("rpc Ask", "rpc Tell(Answer) returns (Answer);\n  rpc Ask")
        + "message More {}\nservice Other {}\n"
    )

    assert breaks(published, compiled(tmp_path, grown)) == []


def test_a_message_may_move_to_another_file(tmp_path):
    published = compiled(tmp_path, PUBLISHED)
    mood = PUBLISHED[PUBLISHED.index("enum Mood") :]
    other = tmp_path / "proto/conch/toy/v1/mood.proto"
    other.write_text(f'syntax = "proto3";\npackage conch.toy.v1;\n{mood}')
    moved = PUBLISHED.replace(mood, "").replace(
        "package conch.toy.v1;", 'package conch.toy.v1;\nimport "conch/contracts/pb/toy/v1/mood.proto";'
    )

    assert breaks(published, compiled(tmp_path, moved)) == []
