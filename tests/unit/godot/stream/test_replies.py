from __future__ import annotations

from godot.stream.replies import claimed, entries, read_entries


def test_an_entry_has_its_fields_by_name():
    (found,) = entries([[b"5-1", [b"a", b"1", b"b", b"22"]]])
    assert found.id == (5, 1)
    assert found.fields == {b"a": b"1", b"b": b"22"}
    assert found.size == 5
    assert not found.trimmed


def test_an_entry_keeps_what_a_repeated_name_stands_for():
    flat = [b"a", b"1", b"a", b"22", b"b", b"3"]
    (found,) = entries([[b"5-1", flat]])
    assert found.raw == flat
    assert found.fields == {b"a": b"22", b"b": b"3"}
    assert found.size == 7


def test_an_entry_without_payload_was_trimmed():
    found = entries([[b"5-1", None], [b"6-18446744073709551615", [b"a", b"1"]]])
    assert [entry.trimmed for entry in found] == [True, False]
    assert [entry.id for entry in found] == [(5, 1), (6, 2**64 - 1)]


def test_nothing_read_is_an_empty_list():
    assert read_entries(None) == []
    assert read_entries({b"logs": []}) == []
    assert entries(None) == []


def test_a_claimed_page_names_the_purged_ids():
    page = claimed([b"7-0", [b"5-1"], [b"4-0", b"4-1"]])
    assert page.cursor == (7, 0)
    assert page.ids == [(5, 1)]
    assert page.purged == [(4, 0), (4, 1)]


def test_servers_before_redis_7_send_no_purged_ids():
    assert claimed([b"0-0", []]).purged == []
