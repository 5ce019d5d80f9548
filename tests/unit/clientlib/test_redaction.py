from __future__ import annotations

import json
import string
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlib import DEFAULT_FIELDS, Redactor
from clientlib.keyrules import MASK

STANDARD, WITH_SSN = Redactor(), Redactor(["ssn"])


def masks_text(key: str, redactor: Redactor = STANDARD) -> bool:
    return redactor.data({key: "v"}) == {key: MASK}


def masks_number(key: str, redactor: Redactor = STANDARD) -> bool:
    return redactor.data({key: 1}) == {key: MASK}


@pytest.mark.parametrize("name", DEFAULT_FIELDS)
@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.upper,
        str.title,
        lambda name: name.replace("_", "-"),
        lambda name: name.replace("_", ""),
        lambda name: name.replace("_", "."),
        lambda name: "".join(word.title() for word in name.split("_")),
        lambda name: f"user_{name}",
        lambda name: f"X-{name.replace('_', '-').title()}",
        lambda name: f"db{name.title().replace('_', '')}",
        lambda name: f"{name}2",
    ],
)
def test_a_standard_field_is_masked_in_any_spelling(name, spell):
    key = spell(name)
    assert masks_text(key)
    assert masks_number(key)
    assert STANDARD.data({"a": [{key: ["v"]}]}) == {"a": [{key: MASK}]}


@pytest.mark.parametrize(
    "key", ["tokens", "max_tokens", "token_count", "apiKeys", "passwordHash", "secretName"]
)
def test_a_name_elsewhere_in_the_key_masks_text_but_not_numbers(key):
    assert masks_text(key)
    assert not masks_number(key)
    assert STANDARD.data({key: True}) == {key: True}
    assert STANDARD.data({key: {"a": 1}}) == {key: MASK}


@pytest.mark.parametrize("key", ["tokenizer", "secretary", "user", "keyboard", "author", "pass"])
def test_words_that_only_look_alike_are_left_alone(key):
    assert not masks_text(key)


def test_own_fields_are_masked_beside_the_standard_ones():
    redactor = Redactor(["ssn", "Kontonummer", "Пароль"])
    for key in ("ssn", "SSN", "user_ssn", "kontonummer", "Пароль", "password"):
        assert masks_text(key, redactor), key
    assert not masks_text("ssn")


def test_the_data_given_is_not_changed():
    data = {"password": "p", "list": [{"token": "t"}]}
    STANDARD.data(data)
    assert data == {"password": "p", "list": [{"token": "t"}]}


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN"
PGP = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ\n-----END PGP PRIVATE KEY BLOCK-----"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI\n-----END EC PRIVATE KEY-----"
SECRETS = {
    "password=hunter2": "password=[REDACTED]",
    'body {"password": "a b", "n": 1}': 'body {"password": "[REDACTED]", "n": 1}',
    r"{\"token\": \"abc\", \"n\": 1}": r"{\"token\": \"[REDACTED]\", \"n\": 1}",
    "GET /x?access_token=abc&y=1": "GET /x?access_token=[REDACTED]&y=1",
    "Authorization: Bearer abcdefgh": "Authorization: Bearer [REDACTED]",
    "Authorization: Basic dXNlcjpwYXNz": "Authorization: Basic [REDACTED]",
    "got bearer abcdefghij1 there": "got bearer [REDACTED] there",
    "Cookie: a=b; sid=zzz; x=1": "Cookie: [REDACTED]",
    "db at postgres://bob:pw@h/db": "db at postgres://bob:[REDACTED]@h/db",
    "db at postgres://bob:p/w@h/db": "db at postgres://bob:[REDACTED]@h/db",
    "redis://:pw@h:1/0": "redis://:[REDACTED]@h:1/0",
    "AKIAIOSFODNN7EXAMPLE used": "[REDACTED] used",
    f"jwt {JWT} end": "jwt [REDACTED] end",
    f"key {PEM} end": "key [REDACTED] end",
    f"{PGP} end": "[REDACTED] end",
    PEM[:40]: "[REDACTED]",
    "ghp_" + "a" * 36: "[REDACTED]",
    "tokenizer: password=abc": "tokenizer: password=[REDACTED]",
    "'secret' => 'x'": "'secret' => '[REDACTED]'",
    # values that hold what ends another kind of value
    r'{"password": "a\"bcd", "n": 1}': '{"password": "[REDACTED]", "n": 1}',
    r'{"password": "C:\\", "n": "x"}': '{"password": "[REDACTED]"n": "x"}',  # rather than half
    r"""{'m': '{"token": "a\\"b", "n": 1}'}""": """{'m': '{"token": "[REDACTED]", "n": 1}'}""",
    r"{\"token\": \"a\\\"b\", \"n\": 1}": r"{\"token\": \"[REDACTED]\", \"n\": 1}",
    r"{\\\"token\\\": \\\"ab\\\"}": r"{\\\"token\\\": \\\"[REDACTED]\\\"}",
    "{'password': b'hunter2', 'n': 1}": "{'password': b'[REDACTED]', 'n': 1}",
    "<QueryDict: {'password': ['hun', 'ter2']}>": "<QueryDict: {'password': [REDACTED]}>",
    '{"token": {"v": ["a}b", 1]}, "n": 1}': '{"token": [REDACTED], "n": 1}',
    "f(password=Secret(value='x y'), n=1)": "f(password=[REDACTED], n=1)",
    "DB_PASSWORD=it'sme next": "DB_PASSWORD=[REDACTED] next",
    # names as other programs write them
    "user[password]=hunter2&a=1": "user[password]=[REDACTED]&a=1",
    "user%5Bpassword%5D=hunter2&a=1": "user%5Bpassword%5D=[REDACTED]&a=1",
    "os.environ['PASSWORD'] = 'x'": "os.environ['PASSWORD'] = '[REDACTED]'",
    'if token == "hunter2":': 'if token == "[REDACTED]":',
    "[('host', 'a'), ('x-api-key', 'abc')]": "[('host', 'a'), ('x-api-key', '[REDACTED]')]",
    "[(b'authorization', b'Basic dXM6cA==')]": "[(b'authorization', b'[REDACTED]')]",
    # credentials of every scheme
    "Authorization: token abcdef": "Authorization: token [REDACTED]",
    "Authorization: ApiKey abcdef": "Authorization: ApiKey [REDACTED]",
    'Authorization: Digest username="M, N", realm=x, response="66"\r\nHost: h': (
        "Authorization: [REDACTED]\r\nHost: h"
    ),
    "Authorization: AWS4-HMAC-SHA256 Credential=AK/s3, SignedHeaders=a;b, Signature=fe5f": (
        "Authorization: [REDACTED]"
    ),
}


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_inside_text_is_masked(text):
    assert STANDARD.text(text) == SECRETS[text]
    assert STANDARD.data({"body": text}) == {"body": SECRETS[text]}


PARTS = st.sampled_from([*"a \"'\\,;}])[({&=:é\t", "\\'", "-- "])
SECRET = st.lists(PARTS, max_size=6).map(lambda parts: f"Zq{''.join(parts)}Zq")


@given(
    SECRET | st.lists(SECRET, min_size=1, max_size=3) | st.dictionaries(st.just("k"), SECRET),
    st.sampled_from(["password", "X-Api-Key", "clientSecret", "Authorization"]),
    st.lists(st.sampled_from([json.dumps, repr]), min_size=1, max_size=3),
)
def test_no_part_of_a_secret_stays_however_often_it_is_escaped(secret, name, ways):
    text: object = {"n": 1, name: secret, "z": "it's"}
    for written in ways:
        text = written({"m": text})
    assert "Zq" not in STANDARD.text(str(text))


@pytest.mark.parametrize("text", SECRETS)
def test_redacting_twice_changes_nothing_more(text):
    once = STANDARD.text(text)
    assert STANDARD.text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "basic authentication failed",
        "GET http://host:8080/a@b",
        "mail to ann@example.com from https://example.com",
        "used 4096 tokens",
        "max_tokens=4096, token_count: 12",
        "the tokenizer: fast",
        "eyJust a word",
        "missing fields: ['password', 'email']",
        "token",
    ],
)
def test_harmless_text_stays(text):
    assert STANDARD.text(text) == text


def test_what_nothing_closes_hides_no_more_than_its_line():
    """A traceback shows the first line of a call; what was raised stands below."""
    text = "    token = get_token(\n            ^^^^\nValueError: bad\n    secret = {1\nend"
    expected = f"    token = {MASK}\n            ^^^^\nValueError: bad\n    secret = {MASK}\nend"
    assert STANDARD.text(text) == expected


def test_a_secret_inside_a_key_is_masked_and_no_value_is_lost():
    data = {"redis://:a@h:6379/0": 1, "redis://:b@h:6379/0": {"AKIAIOSFODNN7EXAMPLE": 2}}
    key = f"redis://:{MASK}@h:6379/0"
    assert STANDARD.data(data) == {key: 1, f"{key}_2": {MASK: 2}}
    many = STANDARD.mapping({f"redis://:{n}@h:6379/0": n for n in range(20_000)})
    assert list(many.values()) == list(range(20_000))


def test_pairs_in_a_list_are_judged_like_keys():
    headers = [["Host", "h"], ("x-api-key", "k"), ["token", 5], ["a", "password", "b"]]
    assert STANDARD.data({"headers": headers, "fields": ["password", "email"]}) == {
        "headers": [["Host", "h"], ["x-api-key", MASK], ["token", 5], ["a", "password", "b"]],
        "fields": ["password", "email"],
    }


def test_shapes_can_be_switched_off_and_names_still_count():
    redactor = Redactor(values=False)
    assert redactor.text("password=hunter2 Bearer abcdefgh1") == "password=hunter2 Bearer abcdefgh1"
    assert redactor.data({"password": "x", "a": JWT}) == {"password": MASK, "a": JWT}


KEYS = st.text(string.ascii_letters + string.digits + "-_. é", max_size=24)
HINTS = st.sampled_from([*DEFAULT_FIELDS, "apiKey", "Bearer abcdefgh1", JWT, "x", "a://b:c@d"])
VALUES = st.recursive(
    st.one_of(st.text(max_size=20), HINTS, st.integers(), st.booleans(), st.none()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.one_of(KEYS, HINTS), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.one_of(KEYS, HINTS, st.builds("{}{}".format, KEYS, HINTS)), VALUES))
def test_what_the_exact_rules_mask_the_byte_search_suspects(data):
    if WITH_SSN.data(data) != data:
        encoded = msgspec.json.encode(data)
        assert WITH_SSN.suspects(encoded)


@given(st.sampled_from(["api", "private"]), st.text(max_size=2), st.sampled_from(["key", "keys"]))
def test_the_byte_search_knows_every_separator_that_the_exact_rules_know(word, separator, key):
    data = {f"{word}{separator}{key}": "v"}
    encoded = msgspec.json.encode(data)
    assert STANDARD.suspects(encoded) or STANDARD.data(data) == data


def test_what_only_comes_together_in_the_search_is_no_suspect():
    assert not STANDARD.suspects(b'{"to":{"ken":[1234567890,1234567890]}}')
    assert STANDARD.suspects(b'{"to-ken":1}')
    assert STANDARD.suspects(b"[12345678901234567890]")


@given(st.text(max_size=300))
def test_any_text_can_be_redacted(text):
    assert isinstance(STANDARD.text(text), str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"postgres://u:p@h/x?t={JWT}", f"postgres://u:{MASK}@h/x?t={MASK}"),
        ("http://h:x/AKIAIOSFODNN7EXAMPLE", f"http://h:x/{MASK}"),
        ("eyJaaaaaaaaaa-AKIAIOSFODNN7EXAMPLE", f"eyJaaaaaaaaaa-{MASK}"),
        (f"postgres://u:{'p' * 2_000}@h", f"postgres://u:{MASK}@h"),
        ("redis://u:@h ghp_", "redis://u:@h ghp_"),
    ],
)
def test_a_run_without_a_secret_of_its_shape_hides_no_other(text, expected):
    assert STANDARD.text(text) == expected


REPEATED = {
    "jwt without dots": ("eyJ-", ""),
    "url without an end": ("ab://c:d", ""),
    "url with one @": ("ab://c:d", "@"),
    "urls in a list": ("http://user:pass,", "@"),
    "urls of names only": ("ab://:", "@"),
    "scheme of many words": ("a.b.c.d://e:", "@"),
    "key that stays": ("tokenizer=", ""),
    "key that stays, quoted": ('tokenizer="', ""),
    "number that stays": ("tokens=1,", ""),
    "cookie": ("cookie=a;", '"'),
    "private key": ("-----BEGIN PRIVATE KEY", ""),
    "bearer": ("bearer ", ""),
    "bracket that is never closed": ("token=(\n", ""),
    "quote that is never closed": ('token="\n', "'"),
    "backslashes": ('token="' + "\\" * 60, ""),
    "parameters": ("token=basic a=b,c=d,e ", ""),
}


def redaction_s(text: str) -> float:
    """Return the time of the fastest of three runs, of this thread alone."""
    found = []
    for _ in range(3):
        start = time.thread_time()
        STANDARD.text(text)
        found.append(time.thread_time() - start)
    return min(found)


@pytest.mark.parametrize("name", REPEATED)
def test_redaction_takes_time_in_proportion_to_the_text(name):
    """Twice the text four times over: 16 times as long when linear, 256 times when quadratic."""
    part, end = REPEATED[name]
    short, long = (
        "AKIA " + part * (size // len(part)) + end + " bearer" for size in (8_192, 131_072)
    )
    assert redaction_s(long) < 64 * max(redaction_s(short), 1e-4)
