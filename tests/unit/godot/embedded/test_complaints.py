from __future__ import annotations

from pathlib import Path

from godot.embedded import complaints
from godot.embedded.complaints import Complaints, complaint_in

INFO = '{"time": "t", "level": "INFO", "message": "serving"}\n'
WARNING = '{"time": "t", "level": "WARNING", "message": "store is away", "wait_s": 3}\n'


def test_information_is_not_a_complaint_and_the_rest_is_told_shortly() -> None:
    assert complaint_in(INFO) is None
    assert complaint_in(WARNING) == "WARNING store is away wait_s=3"
    assert complaint_in("Traceback (most recent call last):\n") == (
        "Traceback (most recent call last):"
    )
    assert complaint_in("\n") is None
    assert complaint_in("[1, 2]") == "[1, 2]"
    assert complaint_in(
        '{"level":"ERROR","message":"m","exception":"Traceback\\n  x\\nOops: 1"}'
    ) == ("ERROR m Oops: 1")


def test_only_whole_lines_written_since_are_told_once(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text(WARNING)
    followed = Complaints()
    followed.follow(log)
    followed.follow(tmp_path / "not-there-yet.log")
    assert list(followed.new()) == []
    with log.open("a") as out:
        out.write(INFO + WARNING + "half a")
    assert list(followed.new()) == [("worker-1", "WARNING store is away wait_s=3")]
    with log.open("a") as out:
        out.write(" line\n")
    assert list(followed.new()) == [("worker-1", "half a line")]
    log.write_text("emptied\n")
    assert list(followed.new()) == [("worker-1", "emptied")]


def test_of_a_flood_the_terminal_gets_whole_lines_from_the_end(tmp_path: Path) -> None:
    log = tmp_path / "mcp.log"
    followed = Complaints()
    followed.follow(log)
    lines = complaints.MAX_READ_BYTES // len(WARNING) * 3
    log.write_text(WARNING * lines)
    told = list(followed.new())
    assert set(told) == {("mcp", "WARNING store is away wait_s=3")}
    assert len(told) < lines / 2


def test_a_log_that_grew_large_is_kept_once_and_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "mcp.log"
    followed = Complaints()
    followed.follow(log)
    with log.open("ab") as writer:
        writer.write(INFO.encode() * (complaints.MAX_LOG_BYTES // len(INFO) + 2))
        writer.flush()
        assert list(followed.new()) == []
        writer.write(WARNING.encode())
        writer.flush()
    assert list(followed.new()) == [("mcp", "WARNING store is away wait_s=3")]
    assert log.read_text() == WARNING
    assert (tmp_path / "mcp.log.1").stat().st_size > complaints.MAX_LOG_BYTES
