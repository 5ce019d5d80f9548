"""What open_store says before it connects anywhere."""

from __future__ import annotations

import pytest

from dewey_logs import DeweyError, open_store


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/mcp", "cannot be reached"),
        ("http://name:password@dewey.example/mcp", "DEWEY_TOKEN"),
        ("mysql://x", "has to begin with postgresql://"),
        ("", "has to begin with postgresql://"),
        ("postgresql://host:port/x", "cannot be read|not supported|invalid"),
        ("postgresql://h/x?nonsense=1", 'cannot be read: .* "nonsense"$'),
        ("postgresql://u:hush%zz@h/x", r"cannot be read: .* token: \(hidden\)$"),
        ('postgresql://u:hu"sh hush@h/x', r"cannot be read: .* found in \(hidden\), use"),
    ],
)
def test_a_url_it_cannot_handle_is_one_clear_line(url, words):
    with pytest.raises(DeweyError, match=words) as caught:
        open_store(url).ping()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["reader_url", "owner_url"])
def test_the_other_urls_are_checked_too(name):
    with pytest.raises(DeweyError):
        open_store("postgresql:///x", **{name: "mysql://x"})  # type: ignore[arg-type]  # of two names


def test_opening_connects_nowhere():
    with open_store("postgresql:///x?host=/nonexistent"):
        pass
