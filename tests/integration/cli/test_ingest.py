from __future__ import annotations

import os
import random
import re
import time

import pytest

HOSTILE = (
    b"\x1b[2J\x1b]0;owned\x07cleared",
    b"NUL \x00 inside",
    b"invalid \xff\xfe\xc3( utf-8",
    b"carriage\rreturn\rbar 100%",
    b"\xe2\x80\xae right to left",
    b'{"msg":"json","level":"error","n":1,"nested":{"a":[1,2,{"b":null}]}}',
    b'{"msg":"\\ud800 lone","level":"info"}',
    b'{"msg":"nan","x":NaN}',
    b'{"broken": ',
    b"[" * 5000,
    b'{"a":' * 1000 + b"1" + b"}" * 1000,
    b'{"level":99999999999999999999999,"msg":5}',
    b'{"msg":"","component":"","trace_id":""}',
    b'level=warn msg="log fmt" n=1',
    b"   ",
    b"\t",
    b"2026-11-22T13:00:01Z ERROR in text",
    b"9999-99-99 99:99:99 no time",
    b"Feb 30 25:61:61 host prog[1]: x",
    b"<999>1 x",
    b'INSERT INTO logs VALUES (1); --" \\copy',
    "ünïcödé 漢字 🎉".encode(),
    b"x" * 300_000,
)


def summary(stderr: bytes) -> tuple[int, int, int]:
    found = re.search(rb"([\d,]+) lines? read, ([\d,]+) records? sent(?:, ([\d,]+) empty)?", stderr)
    assert found, stderr
    read, sent, empty = (int(text.replace(b",", b"")) for text in found.groups(b"0"))
    return read, sent, empty


def test_every_line_of_a_hostile_file_becomes_one_row(run, working, stored, tmp_path):
    choose = random.Random(7)
    lines = [choose.choice(HOSTILE) + b" %d" % i for i in range(1_200)] + list(HOSTILE)
    file = tmp_path / "hostile.log"
    file.write_bytes(b"\n".join(lines))
    with working():
        done = run("ingest", str(file))
        rows = stored(len(lines))
    assert (done.returncode, done.stdout) == (0, b"")
    assert summary(done.stderr) == (len(lines), len(lines), 0)
    assert not any("\0" in row[0] for row in rows)


def test_a_line_of_ten_megabytes_is_one_record_that_names_its_size(here, working, stored):
    with working():
        done = here("ingest", stdin=b"before\n" + b"y" * 10_000_000 + b"\nafter\n")
        rows = stored(3)
    assert summary(done.stderr) == (3, 3, 0)
    assert max(len(row[0]) for row in rows) == 65_536
    notes = [row[3]["godot"] for row in rows if row[3]]
    assert notes == [{"truncated": {"message": 10_000_000}}]


def test_an_empty_line_is_a_record_unless_they_are_to_be_skipped(here, working, stored):
    with working():
        done = here("ingest", "-", stdin=b"\none\n\r\n\ntwo")
        stored(5)
        skipping = here("ingest", "--skip-empty", "-", stdin=b"\nthree\n\n")
        rows = stored(6)
    assert summary(done.stderr) == (5, 5, 0)
    assert summary(skipping.stderr) == (3, 1, 2)
    assert sorted(row[0] for row in rows) == ["", "", "", "one", "three", "two"]
    assert {row[2] for row in rows} == {"stdin"}


def test_lines_keep_their_time_level_and_names(here, working, stored, tmp_path):
    file = tmp_path / "app.log"
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 60))
    file.write_text(
        f"{now} ERROR plain\n"
        f'{{"msg":"json","level":"warning","time":"{now}Z","logger":"shop","order":1}}\n'
        f'time="{now}Z" level=debug msg=fmt service=cart order=2\n'
        "neither\n"
    )
    with working():
        here("ingest", str(file), "--component", "given", "--level", "debug")
        rows = {row[0]: row for row in stored(4)}
    assert {message: row[1:4] for message, row in rows.items()} == {
        "ERROR plain": ("ERROR", "given", None),
        "json": ("WARN", "shop", {"order": 1}),
        "fmt": ("DEBUG", "cart", {"order": "2"}),
        "neither": ("DEBUG", "given", None),
    }
    for message in ("ERROR plain", "json", "fmt"):
        assert rows[message][4].strftime("%Y-%m-%d %H:%M:%S") == now


def test_old_lines_are_stored_with_their_own_time_kept(here, working, stored):
    with working():
        here("ingest", stdin=b"2020-01-01 00:00:00 long ago\n")
        (row,) = stored(1)
    assert row[3] == {"godot": {"created_at": "2020-01-01T00:00:00.000000Z"}}


def test_a_format_that_was_asked_for_and_does_not_fit_is_said(here, working, stored):
    with working():
        done = here("ingest", "--format", "json", stdin=b'{"msg":"a"}\nb\n')
        assert {row[0] for row in stored(2)} == {"a", "b"}
    assert b"1 line kept as text: no json" in done.stderr


def test_several_files_are_named_by_themselves(here, working, stored, tmp_path):
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("x\ny\n")
    with working():
        here("ingest", str(tmp_path / "a.log"), str(tmp_path / "b.log"))
        assert sorted(row[2] for row in stored(4)) == ["a.log", "a.log", "b.log", "b.log"]


def test_files_as_programs_of_windows_write_them(here, working, stored, tmp_path):
    """UTF-8 with a mark before it is read; UTF-16 is refused, and takes no other line with it."""
    marked, wide = tmp_path / "marked.log", tmp_path / "wide.log"
    marked.write_bytes(b'\xef\xbb\xbf{"level":"error","msg":"first"}\r\n')
    wide.write_bytes('\ufeff{"level":"error","msg":"rubbish"}\r\n'.encode("utf-16-le"))
    with working():
        done = here("ingest", str(marked), str(wide))
        rows = stored(1)
    assert [row[:2] for row in rows] == [("first", "ERROR")]
    assert done.returncode == 1
    assert summary(done.stderr) == (1, 1, 0)
    assert b"wide.log is UTF-16" in done.stderr


def test_a_quiet_pipe_is_sent_without_waiting_for_its_end(start, working, stored):
    with working():
        process = start("ingest", "-")
        process.stdin.write(b"first\n")
        process.stdin.flush()
        stored(1)
        assert process.poll() is None
        process.stdin.write(b"second\n")
        _, stderr = process.communicate(timeout=60)
        stored(2)
    assert summary(stderr) == (2, 2, 0)


def test_ingest_waits_for_the_worker_instead_of_outrunning_the_stream(
    run, start, working, stored, settings, tmp_path
):
    file = tmp_path / "long.log"
    file.write_text("".join(f"line {i}\n" for i in range(6_000)))
    process = start("ingest", str(file), GODOT_MAXLEN="1000")
    said = process.stderr.readline()
    assert b"entries are not stored yet, and no worker runs" in said
    assert process.poll() is None
    with working():
        _, stderr = process.communicate(timeout=60)
        rows = stored(6_000)
    assert process.returncode == 0
    assert summary(stderr) == (6_000, 6_000, 0)
    assert len({row[0] for row in rows}) == 6_000


def test_without_redis_ingest_fails_and_says_what_was_not_sent(here):
    done = here("ingest", stdin=b"a\nb\n", GODOT_REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"2 lines read, 0 records sent" in done.stderr
    assert b"2 lines NOT sent" in done.stderr


def test_wrong_arguments_are_exit_code_2(here, tmp_path):
    assert here("ingest", str(tmp_path / "absent")).returncode == 2
    assert here("ingest", str(tmp_path)).returncode == 2
    assert here("ingest", "--level", "loud", stdin=b"x\n").returncode == 2
    assert here("ingest", "--format", "xml", stdin=b"x\n").returncode == 2


@pytest.mark.parametrize("path", ["/var/log/dpkg.log", "/var/log/alternatives.log"])
def test_real_logs_of_this_machine_arrive_line_by_line(path, here, working, stored):
    if not os.access(path, os.R_OK) or not os.path.getsize(path):
        pytest.skip(f"{path} is not here")
    with open(path, "rb") as file:
        lines = [line.rstrip(b"\n") for line in file]
    with working():
        here("ingest", path)
        rows = stored(sum(1 for line in lines if line))
    assert {row[2] for row in rows} == {os.path.basename(path)}
    somewhere = lines[len(lines) // 2].decode("utf-8", "replace")
    assert any(row[0] in somewhere for row in rows)
