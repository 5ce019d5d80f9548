from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from godot.errors import WrongEncoding
from godot.ingest.lines import RawLine, read_lines


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def lines_of(path: Path, content: bytes, **options: int) -> list[RawLine]:
    path.write_bytes(content)
    with opened(path) as fd:
        found = read_lines(fd, name=str(path), **options)
        return [line for lines in found for line in lines]


def test_every_line_comes_once_with_or_without_a_last_line_end(tmp_path: Path) -> None:
    found = lines_of(tmp_path / "a", b"one\ntwo\n\nfour")
    assert [line.text for line in found] == [b"one", b"two", b"", b"four"]


def test_the_mark_that_a_file_of_utf_8_may_begin_with_is_no_text(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbfone\r\n"
    found = lines_of(tmp_path / "a", marked + b"two \xef\xbb\xbf\n" + marked)  # as of `cat a b`
    assert [line.decoded() for line in found] == ["one", "two \ufeff", "one"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_file_of_utf_16_is_refused_by_its_name_before_its_first_line(
    encoding: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongEncoding, match=r"/a is UTF-16"):
        lines_of(tmp_path / "a", "\ufeffone\ntwo\n".encode(encoding))


def test_a_carriage_return_ends_no_line_but_is_taken_off_its_end(tmp_path: Path) -> None:
    found = lines_of(tmp_path / "a", b"5%\r10%\r100%\r\nnext\n")
    assert [line.text for line in found] == [b"5%\r10%\r100%", b"next"]


def test_lines_that_span_reads_are_put_together(tmp_path: Path) -> None:
    long = b"x" * 1_000_000
    found = lines_of(tmp_path / "a", b"a\n" + long + b"\nb\n")
    assert [line.text for line in found] == [b"a", long, b"b"]
    assert found[1].size == len(long)


def test_a_line_beyond_the_limit_keeps_its_head_and_tells_its_size(tmp_path: Path) -> None:
    found = lines_of(tmp_path / "a", b"y" * 1_000_000 + b"\nshort\n", max_bytes=1000)
    assert found == [RawLine(b"y" * 1000, 1_000_000), RawLine(b"short", 5)]


def test_an_empty_file_has_no_line(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "a", b"") == []


def test_a_quiet_pipe_yields_an_empty_list_so_that_what_came_can_be_sent() -> None:
    read, write = os.pipe()
    try:
        os.write(write, b"first\nhalf")
        chunks = read_lines(read, idle_s=0.01)
        assert next(chunks) == [RawLine(b"first", 5)]
        assert next(chunks) == []
        os.write(write, b" done")
        os.close(write)
        rest = [line for lines in chunks for line in lines]
        assert rest == [RawLine(b"half done", 9)]
    finally:
        os.close(read)
