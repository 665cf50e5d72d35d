from __future__ import annotations

import codecs
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import SearchSpaceError
from orchestrator.search_space import yaml_source
from orchestrator.search_space.document import Problem
from orchestrator.search_space.text_source import MAX_BYTES, MAX_LINE
from orchestrator.search_space.yaml_scalars import plain_scalar
from orchestrator.search_space.yaml_source import MAX_DEPTH, MAX_VALUES, parse, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("-.inf", -math.inf),
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1e", "1e"),
        ("9" * 30, 1e30),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    resolved = plain_scalar(text)
    assert (resolved, type(resolved)) == (value, type(value))


def test_quotes_make_text_of_anything() -> None:
    assert parse("a: '1'\nb: \"true\"\nc: |\n  1\n", "f").values == {"a": "1", "b": "true", "c": "1\n"}


def test_an_alias_repeats_the_value_of_its_anchor() -> None:
    assert parse("a: &x {b: [1, 2]}\nc: *x\n", "f").values == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


TEXT = """name: wolf
parameters:
  model.depth: {values: [3, 4]}
  model.frames:
    values:
      - 3
limits:
"""


@pytest.mark.parametrize(
    ("location", "of_key", "place"),
    [
        (("name",), False, (1, 7)),
        (("name",), True, (1, 1)),
        (("parameters",), False, (2, 1)),
        (("parameters", "model.depth", "values", 1), False, (3, 29)),
        (("parameters", "model.frames", "values", 0), False, (6, 9)),
        (("parameters", "model.frames", "when"), False, (4, 3)),
        (("limits",), False, (7, 1)),
        (("metric", "name"), False, (1, 1)),
    ],
)
def test_a_problem_stands_at_its_value_or_at_the_key_of_what_spans_lines(
    location: tuple[str | int, ...], of_key: bool, place: tuple[int, int]
) -> None:
    assert parse(TEXT, "f").mistake(Problem(location, "wrong", of_key))[:2] == place


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(codecs.BOM_UTF8 + b"name: wolf\n")
    assert read(file).values == {"name": "wolf"}


def test_all_keys_given_twice_are_told_and_the_first_holds() -> None:
    document = parse("a: 1\nb: 2\na: 3\nb: 4\n", "f")
    assert document.values == {"a": 1, "b": 2}
    assert [(mistake.line, mistake.message) for mistake in document.mistakes] == [
        (3, "the key 'a' stands already on line 1; keep one"),
        (4, "the key 'b' stands already on line 2; keep one"),
    ]


def refusal(file: Path) -> str:
    with pytest.raises(SearchSpaceError) as caught:
        read(file)
    return str(caught.value)


def written(folder: Path, content: bytes) -> Path:
    file = folder / "space.yaml"
    file.write_bytes(content)
    return file


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, b"# comment\n" * 1_000_000)
    monkeypatch.setattr(Path, "open", lambda path, _: pytest.fail(f"{path} was read"))
    assert refusal(file) == f"{file}: the file has 10,000,000 bytes, more than {MAX_BYTES:,}; name a search space"


def test_text_that_is_not_utf_8_is_refused_at_its_first_wrong_byte(tmp_path: Path) -> None:
    file = written(tmp_path, "name: wolf\ndescription: für Ünal\n".encode("latin-1"))
    assert refusal(file).startswith(f"{file}:2:15: the byte 0xfc is not UTF-8; save the file")


def test_utf_16_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "name: wolf\n".encode("utf-16"))
    assert refusal(file).startswith(f"{file}:1:1: the byte 0xff is not UTF-8")


def test_a_control_character_is_refused_at_its_place(tmp_path: Path) -> None:
    file = written(tmp_path, b"name: wolf\nbase: \x07\n")
    assert refusal(file) == f"{file}:2:7: the character U+0007 is not allowed in YAML; remove it"


@pytest.mark.parametrize("content", [b"", b"  \n\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused_with_a_line_to_begin_with(tmp_path: Path, content: bytes) -> None:
    file = written(tmp_path, content)
    assert refusal(file).startswith(f"{file}:1:1: the file is empty; a search space begins with a line such as")


def test_a_missing_file_a_folder_and_a_device_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yaml").endswith("none.yaml: there is no such file; check the path")
    assert refusal(tmp_path) == f"{tmp_path}: is a folder; name the YAML file in it"
    assert refusal(Path("/dev/zero")) == "/dev/zero: is not a regular file; name a YAML file"


def test_an_endless_line_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, b"name: wolf\nbase: " + b"[" * 20_000)
    monkeypatch.setattr(yaml_source, "YAML", lambda **_: pytest.fail("it was parsed"))
    assert refusal(file) == f"{file}:2:{MAX_LINE + 1}: the line has 20,006 characters, more than 8,000; break it"


@pytest.fixture
def events_taken(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The events that the parser was asked for."""
    taken: list[Any] = []
    original = yaml_source.YAML.parse

    def parse(yaml: yaml_source.YAML, text: str) -> Iterator[Any]:
        for event in original(yaml, text):
            taken.append(event)
            yield event

    monkeypatch.setattr(yaml_source.YAML, "parse", parse)
    return taken


def test_the_parser_stops_at_the_first_value_too_many(tmp_path: Path, events_taken: list[Any]) -> None:
    file = written(tmp_path, b"name: wolf\nbase:\n" + b"- 1\n" * 30_000)
    assert f"more than {MAX_VALUES:,} values up to here" in refusal(file)
    assert len(events_taken) < MAX_VALUES + 10


def test_the_parser_stops_at_the_first_level_too_deep(tmp_path: Path, events_taken: list[Any]) -> None:
    file = written(tmp_path, b"a: " + b"[" * 5_000)
    assert f"{file}:1:{3 + MAX_DEPTH}: nested more than {MAX_DEPTH} levels deep" in refusal(file)
    assert len(events_taken) < 2 * MAX_DEPTH


def test_an_alias_bomb_is_counted_and_never_expanded(tmp_path: Path, events_taken: list[Any]) -> None:
    lines = ["a0: &a0 [1, 1]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 100))]
    message = refusal(written(tmp_path, "\n".join(lines).encode()))
    assert "aliases expanded" in message
    assert len(events_taken) < 100


@pytest.mark.parametrize(
    "text", ["a: [1\n", "a: 'x\n", "a: b: c\n", "%YAML 1.2.3.4\n---\n", "a: *b\n", "&a\n", "\t\n:"]
)
def test_broken_yaml_is_refused_with_line_and_advice(text: str) -> None:
    with pytest.raises(SearchSpaceError, match=r"^f:\d+:\d+: .*; (check|remove|indent|a search space begins)"):
        parse(text, "f")


def test_a_version_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match=r"^f: not valid YAML .*; remove lines that begin with %"):
        parse(f"%YAML 1.{'9' * 5000}\n---\na: 1\n", "f")
