from __future__ import annotations

from pathlib import Path

import pytest

from dewey_logs.tools.tokens import BadTokens, TokenFile, add, make


def test_the_file_keeps_no_token_and_finds_it_all_the_same(tmp_path: Path):
    path = tmp_path / "tokens"
    text, line = make("agent-1", ["logs:write", "logs:read", "logs:read"])
    assert text not in line
    path.write_text("# who may call")
    add(path, line)
    add(path, f"{make('other', ['logs:admin'])[1]} 5")
    token = TokenFile(path).find(text)
    assert token is not None
    assert (token.name, token.scopes) == ("agent-1", frozenset({"logs:read", "logs:write"}))
    assert TokenFile(path).find(text[:-1]) is None
    assert TokenFile(path).find("") is None


def test_a_new_file_is_its_owners_alone(tmp_path: Path):
    path = tmp_path / "tokens"
    add(path, make("a", ["logs:read"])[1])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_name_is_there_once(tmp_path: Path):
    path = tmp_path / "tokens"
    add(path, make("a", ["logs:read"])[1])
    with pytest.raises(BadTokens, match="'a' already"):
        add(path, make("a", ["logs:admin"])[1])


def test_what_others_may_write_to_is_not_believed(tmp_path: Path):
    path = tmp_path / "tokens"
    add(path, make("a", ["logs:admin"])[1])
    path.chmod(0o666)
    with pytest.raises(BadTokens, match="chmod 600"):
        TokenFile(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a logs:read", "allowed is NAME"),
        (f"a logs:all {'0' * 64}", "no scope 'logs:all'"),
        (f"a/b logs:read {'0' * 64}", "name 'a/b'"),
        ("a logs:read secret", "godot token"),
        (f"a logs:read {'0' * 64} often", "'often' is no number"),
        (f"a logs:read {'0' * 64} nan", "'nan' is no number"),
        (f"a logs:read {'0' * 64}\na logs:read {'1' * 64}", "line 2: a second 'a'"),
    ],
)
def test_a_line_that_says_nothing_usable_is_named(tmp_path: Path, line: str, said: str):
    path = tmp_path / "tokens"
    path.write_text(line)
    with pytest.raises(BadTokens, match=said):
        TokenFile(path)


@pytest.mark.parametrize(
    ("name", "scopes", "said"),
    [
        ("a b", ["logs:read"], "name 'a b'"),
        ("a\nb", ["logs:read"], r"name 'a\\nb'"),
        ("a", [" "], "no scope ' '"),
        ("a", ["logs:read logs:write"], "no scope 'logs:read logs:write'"),
    ],
)
def test_what_would_be_another_line_is_named_as_it_was_given(
    name: str, scopes: list[str], said: str
):
    with pytest.raises(BadTokens, match=said):
        make(name, scopes)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(BadTokens, match="GODOT_TOKENS_FILE="):
        TokenFile(tmp_path / "none")
