from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from migfix.findings import (
    Answer,
    Applicability,
    Assumed,
    FileOutcome,
    HelperChange,
    LoopOutcome,
    Outcome,
    Part,
)
from migfix.reports import as_text


def loop(line: int, outcome: Outcome, reason: str, **more: object) -> LoopOutcome:
    codes = more.pop("codes", ())
    applicability = Applicability.SAFE if codes else None
    facts = {"applicability": applicability, "codes": codes, "blocked_by": None} | more
    return LoopOutcome(line, 5, line + 2, "forwards", "shop.Order", outcome, reason=reason, **facts)


UPDATED = loop(12, Outcome.UPDATE, "becomes one update()", codes=("MF101",))
STREAMED = loop(30, Outcome.STREAM, "streams", codes=("MF201", "MF202"), blocked_by="value")
LEFT = loop(40, Outcome.LEFT, "row goes to send_mail()", blocked_by="row-escapes", offer="streams")
MIXED = FileOutcome(Path("shop/migrations/0007.py"), (UPDATED, LEFT, STREAMED))
UNTOUCHED = FileOutcome(Path("shop/migrations/0008.py"), (LEFT,))
BROKEN = FileOutcome(Path("shop/migrations/0009.py"), (UPDATED,), error="line 3 does not parse")
EVERYTHING = [MIXED, UNTOUCHED, BROKEN, FileOutcome(Path("shop/migrations/0010.py"))]


def test_apply_names_files_and_loops_what_was_left_and_the_totals() -> None:
    assert as_text.render(EVERYTHING, applied=True) == (
        "shop/migrations/0007.py\n"
        "shop/migrations/0007.py:12:5: MF101 becomes one update()\n"
        "shop/migrations/0007.py:30:5: MF201 MF202 streams\n"
        "\n"
        "Left alone:\n"
        "shop/migrations/0007.py:40:5: left: row goes to send_mail() (row-escapes)\n"
        "    --unsafe-fixes: streams\n"
        "shop/migrations/0008.py:40:5: left: row goes to send_mail() (row-escapes)\n"
        "    --unsafe-fixes: streams\n"
        "\n"
        "Rewrote 2 loops in 1 file.\n"
        "Left 2 loops alone (2 row-escapes).\n"
        "2 more with --unsafe-fixes.\n"
        "1 file failed, see the errors.\n"
    )


def test_check_has_one_line_per_loop_and_says_what_to_do() -> None:
    lines = as_text.render([MIXED], applied=False).splitlines()
    assert lines[:2] == [
        "shop/migrations/0007.py:12:5: MF101 becomes one update()",
        "shop/migrations/0007.py:30:5: MF201 MF202 streams",
    ]
    assert "Can rewrite 2 loops in 1 file; run migfix apply." in lines


def test_quiet_leaves_the_rewrites_only() -> None:
    for applied in (True, False):
        assert as_text.render(EVERYTHING, applied=applied, quiet=True).splitlines() == [
            "shop/migrations/0007.py:12:5: MF101 becomes one update()",
            "shop/migrations/0007.py:30:5: MF201 MF202 streams",
        ]


def test_editors_find_place_code_and_message_in_a_line() -> None:
    matcher = re.compile(r"^(.+?):(\d+):(\d+): (MF\d+) (.*)$")
    lines = as_text.render([MIXED], applied=False, quiet=True).splitlines()
    assert [match.groups() for line in lines if (match := matcher.match(line))] == [
        ("shop/migrations/0007.py", "12", "5", "MF101", "becomes one update()"),
        ("shop/migrations/0007.py", "30", "5", "MF201", "MF202 streams"),
    ]


def test_nothing_to_do_is_said() -> None:
    assert as_text.render([FileOutcome(Path("a.py"))], applied=True) == (
        "Nothing to rewrite in 1 file.\n"
    )


def test_an_unsafe_rewrite_is_marked() -> None:
    unsafe = loop(1, Outcome.DELETE, "r", codes=("MF102",), applicability=Applicability.UNSAFE)
    text = as_text.render([FileOutcome(Path("a.py"), (unsafe,))], applied=True)
    assert "a.py:1:5: MF102 [unsafe] r\n" in text


def test_a_reason_of_two_lines_stays_on_the_line_of_its_loop() -> None:
    outcome = FileOutcome(Path("a.py"), (loop(1, Outcome.LEFT, "one\n  two"),))
    assert "a.py:1:5: left: one two\n" in as_text.render([outcome], applied=False)


def test_reasons_are_counted_most_frequent_first() -> None:
    blockers = ("b", "a", "c", "c", None)
    loops = tuple(loop(1, Outcome.LEFT, "r", blocked_by=name) for name in blockers)
    text = as_text.render([FileOutcome(Path("a.py"), loops)], applied=False)
    assert "Left 5 loops alone (2 c, 1 a, 1 b).\n" in text


def test_colours_only_add_escapes() -> None:
    plain = as_text.render(EVERYTHING, applied=True)
    coloured = as_text.render(EVERYTHING, applied=True, color=True)
    assert "\x1b" not in plain
    assert plain.isascii()
    assert "\x1b[32mMF101\x1b[0m" in coloured
    for escape in ("\x1b[0m", "\x1b[1m", "\x1b[32m", "\x1b[33m"):
        coloured = coloured.replace(escape, "")
    assert coloured == plain


def test_doubts_stand_below_the_line_of_their_loop() -> None:
    reason = "; ".join(["does it", "and " + "more " * 20, "but " + "word " * 40 + "end", "last"])
    found = loop(1, Outcome.UPDATE, reason, codes=("MF101",), offer="deletes; but")
    text = as_text.render([FileOutcome(Path("a.py"), (found,))], applied=False, quiet=True)
    first, *others = text.splitlines()
    assert first == "a.py:1:5: MF101 does it"
    assert all(line.startswith("    ") and len(line) <= 100 for line in others)
    starts = [line.strip().partition(" ")[0] for line in others if line[4] != " "]
    assert starts == ["and", "but", "last", "--unsafe-fixes:"]
    assert " ".join(" ".join(others).split()).count("word") == 40


def test_verbose_says_what_each_codemod_says() -> None:
    answers = (
        Answer("MF101", Part.WHOLE, False, None, "no SQL form", "value"),
        Answer("MF202", Part.SOURCE, True, Applicability.SAFE, "streams"),
    )
    found = loop(1, Outcome.STREAM, "streams", codes=("MF202",), answers=answers)
    outcome = FileOutcome(Path("a.py"), (found,))
    plain = as_text.render([outcome], applied=False, quiet=True)
    told = as_text.render([outcome], applied=False, quiet=True, verbose=True)
    assert told == f"{plain}    MF101 no: no SQL form\n    MF202 yes: streams\n"


def new(path: str, before: bytes | None = None) -> HelperChange:
    module = path.removesuffix(".py").replace("/", ".")
    return HelperChange(Path(path), before, frozenset({"stream"}), module)


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((True, False), 'databases = ["postgresql"] under [tool.migfix] rewrites 1 of 2 loops otherwise.'),
        ((False, False), 'databases = ["postgresql"] under [tool.migfix] changes nothing.'),
        ((None, True), "[tool.migfix]; diff tells how much that changes."),
    ],
)  # fmt: skip
def test_what_it_would_change_to_say_that_there_is_one_database(answers, told) -> None:
    assumed = Assumed(("mysql", "postgresql"), "s.py:1 leaves it open", certain=False)
    loops = tuple(replace(UPDATED, otherwise_on_one=each) for each in answers)
    text = as_text.render([FileOutcome(Path("b.py"), loops, assumed=assumed)], applied=False)
    assert one_line(text).endswith(told)
    assert "leaves it open. If it runs on PostgreSQL alone" in one_line(text)


def test_the_databases_and_the_helpers_are_said() -> None:
    open_ = Assumed(("mysql", "oracle"), "s.py:1 leaves it open", certain=False)
    certain = Assumed(("oracle",), "t.py says", certain=True)
    one = FileOutcome(
        Path("a.py"),
        (UPDATED,),
        assumed=certain,
        helper=replace(new("_migfix.py"), module="._migfix"),
    )
    text = as_text.render([one], applied=True)
    assert "Created _migfix.py, which 1 file imports: add it to version control.\n" in text
    assert "Databases: Oracle, as t.py says.\n" in text
    other = FileOutcome(Path("b.py"), (UPDATED,), assumed=open_, helper=new("b/_migfix.py"))
    text = as_text.render([one, other], applied=False)
    assert "apply creates 2 helpers for the files that import them, such as _migfix.py" in text
    assert 'One for all, if each migration can import `b`: helper = "b._migfix" under' in one_line(
        text
    )
    assert "Databases in 1 file: Oracle, as t.py says.\n" in text
    assert "Databases in 1 file: MySQL and Oracle, since s.py:1 leaves it open. If it" in text
    grown = replace(other, helper=new("c/_migfix.py", b"a part"))
    text = as_text.render([one, grown], applied=True)
    assert "Created _migfix.py, which 1 file imports: add it to version control.\n" in text
    assert "Added to c/_migfix.py what 1 file imports: commit it with them.\n" in text
    silent = FileOutcome(Path("c.py"), (UPDATED,))
    assert "Databases" not in as_text.render([silent], applied=True)
