"""The page for reviewers, as a browser shows it."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.findings import Figures, FileEdit
from migfix.review.highlight import lines_of
from migfix.review.page import _figures
from migfix.review.sides import table
from tests import checking
from tests.processes import ran

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
in_a_browser = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")

FIRST = checking.whole(
    "for post in Post.objects.filter(title='</script><b>'):\n    print(post.rank)\n"
    "for post in Post.objects.all():\n    post.kind = 1\n    post.save()\n"
    "for person in Person.objects.all():\n    kept.append(person)"
)
SECOND = checking.whole("for person in Person.objects.all():\n    print(person.name)").replace(
    "0001_initial", "0002_fill"
)


THIRD = checking.whole(
    "for post in Post.objects.all():\n    post.slug = post.title.swapcase()\n    post.save()"
).replace("0001_initial", "0003_more")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for app_, files in {
        "shop": {
            "0001_initial": checking.MODELS,
            "0002_fill": FIRST,
            "0003_more": SECOND,
            "0004_save": THIRD,
        },
        "blog": {"0001_odd": "class Migration(migrations.RunPython: x ="},
    }.items():
        folder = tmp_path / app_ / "migrations"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def review(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["review", "shop", "--database", "mysql", *arguments])
    assert result.exit_code == 0, result.output
    return Path("migfix-review.html").read_text()


def in_browser(page: str, script: str) -> Any:
    """What the script gives, run in the page after its own."""
    run = f"<script>document.title = JSON.stringify((() => {{{script}}})())</script>"
    Path("tried.html").write_text(page.replace("</body>", f"{run}</body>"))
    done = ran(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            Path("tried.html").resolve().as_uri(),
        ],
        capture_output=True,
        text=True,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None, done.stderr
    return json.loads(unescape(title[1]))


FUNCTIONS = """
const at = (id) => document.getElementById(id);
const places = () => [...document.querySelectorAll("article")].filter((card) => !card.hidden).map((card) => card.dataset.place);
const change = (element, value) => {
  if (element.type === "checkbox") element.checked = value; else element.value = value;
  element.dispatchEvent(new Event(element.type === "search" ? "input" : "change", { bubbles: true }));
};
const risk = (name) => document.querySelector(`#risks input[value=${name}]`);
const box = (place) => document.querySelector(`article[data-place="${place}"] input[type=checkbox]`);
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
"""


def test_it_stands_alone(project: Path):
    page = review()
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    assert "</script><b>" not in page
    assert page.count("<article") == 5
    assert "What helps: Keep what is needed of them" in page
    assert "as of then" in page


def test_it_goes_where_it_is_asked_for(project: Path):
    arguments = ["review", "shop", "-o", "page.html"]
    assert CliRunner().invoke(app, arguments).stdout == "page.html: open it in a browser\n"
    assert Path("page.html").read_text().startswith("<!DOCTYPE html>")
    gone = CliRunner().invoke(app, ["review", "shop", "-o", "nowhere/page.html"])
    assert (gone.exit_code, "there is no folder nowhere" in gone.stderr) == (2, True)
    assert CliRunner().invoke(app, ["review", "-"]).exit_code == 2


def test_a_file_that_fails_is_said(project: Path):
    result = CliRunner().invoke(app, ["review", "."])
    assert result.exit_code == 2
    assert "blog/migrations/0001_odd.py: line 1" in Path("migfix-review.html").read_text()


@in_a_browser
def test_loops_are_filtered(project: Path):
    found = in_browser(
        review(),
        FUNCTIONS + """
        const found = { all: places() };
        change(risk("left"), false); found.rewritten = places();
        change(at("search"), "SHOP.Person stream"); found.searched = places();
        change(at("search"), "person nothing-like-this"); found.nothing = places();
        change(at("search"), ""); change(risk("left"), true); change(risk("safe"), false); found.left = places();
        change(risk("safe"), true); change(at("grouping"), "file"); found.byFile = places();
        found.headings = [...document.querySelectorAll("h2")].map((each) => each.textContent);
        return found;
        """,
    )
    first = [f"shop/migrations/0002_fill.py:{line}" for line in (11, 13)]
    left, second = "shop/migrations/0002_fill.py:16", "shop/migrations/0003_more.py:11"
    third = "shop/migrations/0004_save.py:11"
    assert found == {
        "all": [*first, second, third, left],
        "rewritten": [*first, second, third],
        "searched": [second],
        "nothing": [],
        "left": [left],
        "byFile": [*first, left, second, third],
        "headings": [
            f"shop/migrations/{name}.py" for name in ("0002_fill", "0003_more", "0004_save")
        ],
    }


@in_a_browser
def test_it_is_used_by_keys(project: Path):
    found = in_browser(
        review(),
        FUNCTIONS + """
        const found = [];
        const card = () => document.activeElement.dataset.place || document.activeElement.id;
        for (const key of ["j", "j", "x", "k", "f", "/"]) { press(key); found.push(card()); }
        return [...found, box("shop/migrations/0002_fill.py:13").checked,
          document.querySelector("article details").open];
        """,
    )
    first, second = (f"shop/migrations/0002_fill.py:{line}" for line in (11, 13))
    assert found == [first, second, second, first, first, "search", False, True]


@in_a_browser
@needs_git
@pytest.mark.parametrize(
    "lines",
    [
        ("0002_fill.py:11",),
        ("0002_fill.py:13", "0003_more.py:11"),
        ("0002_fill.py:11", "0002_fill.py:13"),
        ("0003_more.py:11", "0004_save.py:11"),
    ],
)
def test_the_command_and_the_patch_do_what_was_chosen(project: Path, lines: tuple[str, ...]):
    chosen = [f"shop/migrations/{each}" for each in lines]
    found = in_browser(
        review(),
        FUNCTIONS + f"""
        at("none").click();
        const before = [at("command").textContent, migfix.command()];
        for (const place of {json.dumps(chosen)}) change(box(place), true);
        return [before, migfix.command(), at("command").textContent, migfix.patch()];
        """,
    )
    nothing, command, shown, patch = found
    assert nothing == ["nothing is chosen", ""]
    assert command == shown
    Path("migfix.patch").write_text(patch)
    before = written(project)
    ran(["git", "init", "-q"], check=True)
    ran(["git", "apply", "migfix.patch"], check=True)
    patched = written(project)
    assert patched != before
    for name, text in before.items():
        (project / name).write_text(text)
    for name in patched.keys() - before.keys():
        (project / name).unlink()
    assert command.startswith("migfix apply shop --database mysql --only ")
    assert CliRunner().invoke(app, [*command.split()[1:], "--allow-dirty"]).exit_code == 0
    assert written(project) == patched


def written(project: Path) -> dict[str, str]:
    return {
        path.relative_to(project).as_posix(): path.read_text()
        for path in (project / "shop").rglob("*.py")
    }


@in_a_browser
def test_all_of_it_needs_no_list(project: Path):
    found = in_browser(review(), 'document.getElementById("all").click(); return migfix.command()')
    assert found == "migfix apply shop --database mysql"


@in_a_browser
def test_what_was_not_asked_for_is_never_part_of_the_command(project: Path):
    only = "shop/migrations/0002_fill.py:11"
    page = review("--only", only, "--only", "shop/migrations/0002_fill.py:13")
    script = f"""const box = document.querySelector('article[data-place="{only}"] input');
    document.getElementById("all").click(); const all = migfix.command();
    box.checked = false; return [all, migfix.command()];"""
    command = "migfix apply shop --database mysql --only "
    other = "shop/migrations/0002_fill.py:13"
    assert in_browser(page, script) == [f"{command}{only} --only {other}", f"{command}{other}"]


@in_a_browser
@needs_git
def test_a_patch_where_a_folder_has_the_name_of_its_parent(project: Path, monkeypatch):
    ran(["git", "init", "-q"], check=True)
    site = project / "shop"
    (site / "shop").mkdir()
    shutil.move(site / "migrations", site / "shop" / "migrations")
    shutil.copytree(site / "shop", site / "more")
    monkeypatch.chdir(site)
    assert CliRunner().invoke(app, ["review", ".", "--database", "mysql"]).exit_code == 0
    patch = in_browser(Path("migfix-review.html").read_text(), "return migfix.patch()")
    Path("migfix.patch").write_text(patch)
    ran(["git", "apply", "--check", "migfix.patch"], check=True)


def test_the_sql_of_both_stands_there_where_they_ran(project: Path):
    assert "review --verify runs both versions and shows it" in review()
    page = review("--verify", "--rows", "5", "--only", "shop/migrations/0004_save.py:11")
    sql = unescape(re.sub("<.*?>", "", page[page.index('<details class="sql">') :]))
    before, _, after = sql.partition('UPDATE "shop_post" SET "slug" = ')
    assert "all that the RunPython of the loop of line 11 sent, forwards, with 5 rows" in before
    assert re.search(r'5 . UPDATE "shop_post" SET "title" = %s', before)
    assert after


def test_rows_of_both_sides_belong_together():
    before = b"a = 1\n\x0c\nb = 2\nc = 3\n"
    rows = table(FileEdit(Path("x.py"), before, before.replace(b"c = 3", b"c = 4")))
    changed = re.findall(r'class="(?:old|new)"><pre>(.*?)</pre>', rows)
    assert [re.sub("<.*?>", "", each) for each in changed] == ["c = 3", "c = 4"]


def test_the_code_of_a_loop_that_stays_stands_there_once(project: Path):
    cards = review().split("<article ")[1:]
    (left,) = [card for card in cards if 'data-risk="left"' in card]
    code = left[left.index("<table>") : left.index("</table>")]
    assert re.sub("<.*?>", "", code).count("kept.append(person)") == 1
    assert left.count('<col class="no">') == 1
    assert all(card.count('<col class="no">') == 2 for card in cards if card != left)


def test_it_shows_what_verify_measured(project: Path):
    page = review("--verify")
    assert re.search(r"verify: equal; \d+ → \d+ queries, [\d.]+ → [\d.]+ s<", page)


def test_memory_is_shown_from_a_mebibyte_on():
    little, much = Figures(3, 0.5, 2**20 - 1), Figures(1, 0.25, 5 * 2**19)
    assert _figures(little, little) == "3 → 3 queries, 0.500 → 0.500 s"
    shown = "3 → 1 queries, 0.500 → 0.250 s, 1.0 → 2.5 MiB at the peak"
    assert _figures(little, much) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x = 1  # a<b\n", ['x = <i class="n">1</i>  <i class="c"># a&lt;b</i>']),
        (
            "for a in '&':",
            ['<i class="k">for</i> a <i class="k">in</i> <i class="s">&#x27;&amp;&#x27;</i>:'],
        ),
        (
            "x = '''a\nb'''",
            ['x = <i class="s">&#x27;&#x27;&#x27;a</i>', '<i class="s">b&#x27;&#x27;&#x27;</i>'],
        ),
        ("print(x", ['<i class="b">print</i>(x']),
        ("", []),
    ],
)
def test_colours_of_code(text, lines):
    assert lines_of(text) == lines
