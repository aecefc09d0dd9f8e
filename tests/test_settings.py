from __future__ import annotations

from pathlib import Path

import pytest

from migfix import settings as read
from migfix.disk.files import Files
from migfix.settings import (
    Overrides,
    Settings,
    SettingsError,
    codes_of,
    grouped_by_settings,
    known_codes,
)

NO_OVERRIDES = Overrides()


def settings_for(path: Path, overrides: Overrides) -> Settings:
    return read.settings_for(path, overrides, Files())


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that is a repository, so that no settings above it count."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(folder: Path, content: str, name: str = "pyproject.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return folder / name


# -- codes


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("MF101", {"MF101"}),
        ("mf101", {"MF101"}),
        ("loop-to-update", {"MF101"}),
        ("loop_to_update", {"MF101"}),
        ("MF1", {"MF101", "MF102"}),
        ("MF", set(known_codes())),
    ],
)
def test_a_code_a_name_and_a_prefix_stand_for_codes(name: str, codes: set[str]) -> None:
    assert codes_of([name], "--select") == codes


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MF1O1", "did you mean 'MF101'?"),
        ("loop-to-udpate", "did you mean 'loop-to-update'?"),
        ("M", "known are MF101, MF102"),
        ("", "known are MF101"),
        ("zzz", "known are MF101"),
    ],
)
def test_an_unknown_code_is_an_error_that_helps(name: str, hint: str) -> None:
    with pytest.raises(SettingsError) as error:
        codes_of(["MF101", name], "--select")
    assert str(error.value).startswith(f"--select: there is no codemod {name!r}; ")
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


# -- [tool.migfix]


def test_without_a_file_everything_is_at_its_default(repository: Path) -> None:
    settings = settings_for(repository, NO_OVERRIDES)
    assert settings.codes == set(known_codes())
    assert (settings.unsafe_fixes, settings.databases, settings.exclude) == (False, None, ())
    assert settings.batch_size == 1000
    assert settings.config is None


def test_every_key_of_the_file_is_read(repository: Path) -> None:
    file = configure(
        repository,
        '[tool.migfix]\nselect = ["MF1", "stream-rows"]\nignore = ["MF102"]\nunsafe-fixes = true\n'
        'databases = ["postgresql", "sqlite"]\nexclude = ["*/old/*"]\nbatch-size = 500\n',
    )
    settings = settings_for(repository / "shop" / "0001.py", NO_OVERRIDES)
    assert settings.codes == {"MF101", "MF202"}
    assert settings.unsafe_fixes is True
    assert settings.databases == {"postgresql", "sqlite"}
    assert settings.exclude == ("*/old/*",)
    assert settings.batch_size == 500
    assert settings.config == file


def test_a_path_to_exclude_starts_at_the_file_that_names_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(repository, '[tool.migfix]\nexclude = ["0001_*.py", "api/old/", "web/*", "*/x/*"]\n')
    (repository / "api").mkdir()
    monkeypatch.chdir("api")
    exclude = settings_for(Path("shop"), NO_OVERRIDES).exclude
    assert exclude == ("0001_*.py", "old", "../web/*", "*/x/*")


def test_the_command_line_wins_over_the_file(repository: Path) -> None:
    configure(
        repository,
        '[tool.migfix]\nunsafe-fixes = true\ndatabases = ["postgresql"]\nexclude = ["a"]\n'
        "batch-size = 500\n",
    )
    settings = settings_for(
        repository,
        Overrides(unsafe_fixes=False, databases=("mysql",), exclude=("b",), batch_size=9, jobs=3),
    )
    assert settings.unsafe_fixes is False
    assert settings.databases == {"mysql"}
    assert settings.exclude == ("b",)
    assert settings.batch_size == 9
    assert settings.jobs == 3


def test_a_select_of_the_command_line_brings_back_what_the_file_ignores(repository: Path) -> None:
    configure(repository, '[tool.migfix]\nselect = ["MF2"]\nignore = ["MF101"]\n')
    assert settings_for(repository, Overrides(select=("MF1",))).codes == {"MF101", "MF102"}


def test_an_ignore_of_the_command_line_adds_to_the_file(repository: Path) -> None:
    configure(repository, '[tool.migfix]\nselect = ["MF1", "MF2"]\nignore = ["MF201"]\n')
    codes = settings_for(repository, Overrides(ignore=("MF102", "MF202"))).codes
    assert codes == {"MF101", "MF203"}


def test_an_empty_select_in_the_file_selects_nothing(repository: Path) -> None:
    configure(repository, "[tool.migfix]\nselect = []\n")
    assert settings_for(repository, NO_OVERRIDES).codes == set()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('slect = ["MF101"]', "[tool.migfix]: there is no key 'slect'; did you mean 'select'?"),
        ("unsafe_fixes = true", "[tool.migfix]: there is no key 'unsafe_fixes'; did you mean"),
        ("zzz = 1", "known are select, ignore, unsafe-fixes, databases, exclude, batch-size"),
        ('unsafe-fixes = "yes"', "[tool.migfix] unsafe-fixes must be true or false"),
        ("unsafe-fixes = 1", "[tool.migfix] unsafe-fixes must be true or false"),
        ('select = "MF101"', "[tool.migfix] select must be a list of strings"),
        ("exclude = [1]", "[tool.migfix] exclude must be a list of strings"),
        ("batch-size = 0", "[tool.migfix] batch-size must be a whole number, 1 or more"),
        ("batch-size = true", "[tool.migfix] batch-size must be a whole number, 1 or more"),
        ('batch-size = "9"', "[tool.migfix] batch-size must be a whole number, 1 or more"),
        ('ignore = ["MF9"]', "[tool.migfix] ignore: there is no codemod 'MF9'"),
        (
            'databases = ["postgres"]',
            "[tool.migfix] databases: there is no database 'postgres'; did you mean 'postgresql'?",
        ),
        ("databases = []", "[tool.migfix] databases: names no database"),
        ("select = [", "is not valid TOML: "),
    ],
)
def test_a_mistake_in_the_file_is_one_line_naming_file_and_key(
    repository: Path, line: str, message: str
) -> None:
    configure(repository / "api", f"[tool.migfix]\n{line}\n")
    with pytest.raises(SettingsError) as error:
        settings_for(repository / "api" / "x.py", NO_OVERRIDES)
    assert str(error.value).startswith("api/pyproject.toml: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_pyproject_without_a_table_of_ours_leaves_it_to_one_above(repository: Path) -> None:
    configure(repository, "[tool.migfix]\nunsafe-fixes = true\n")
    configure(repository / "api", '[project]\nname = "api"\n')
    assert settings_for(repository / "api", NO_OVERRIDES).unsafe_fixes is True


def test_the_nearest_file_counts_alone(repository: Path) -> None:
    configure(repository, "[tool.migfix]\nunsafe-fixes = true\n")
    configure(repository / "api", '[tool.migfix]\nexclude = ["x"]\n')
    settings = settings_for(repository / "api" / "shop", NO_OVERRIDES)
    assert (settings.unsafe_fixes, settings.exclude) == (False, ("x",))


def test_settings_above_the_repository_do_not_count(repository: Path) -> None:
    configure(repository, "[tool.migfix]\nunsafe-fixes = true\n")
    (repository / "vendored" / ".git").mkdir(parents=True)
    assert settings_for(repository / "vendored", NO_OVERRIDES).unsafe_fixes is False


def test_several_projects_are_run_each_under_its_own_file_deepest_first(repository: Path) -> None:
    configure(repository, "[tool.migfix]\nunsafe-fixes = true\n")
    api = configure(repository / "api", "[tool.migfix]\n")
    paths = [Path("a.py"), Path("api/b.py"), Path("c.py")]
    groups = grouped_by_settings(paths, lambda path: settings_for(path, NO_OVERRIDES))
    assert [(settings.config, group) for settings, group in groups] == [
        (api, [Path("api/b.py")]),
        (repository / "pyproject.toml", [Path("a.py"), Path("c.py")]),
    ]


@pytest.mark.parametrize("value", ['"a-b"', '"a..b"', '""', '["a"]', "1"])
def test_the_helper_is_the_name_of_a_module(value, repository):
    configure(repository, f"[tool.migfix]\nhelper = {value}\n")
    with pytest.raises(SettingsError, match="helper must be the dotted name of a module"):
        settings_for(Path("shop"), NO_OVERRIDES)


@pytest.mark.parametrize(
    ("glob", "path", "means"),
    [
        ("0007_fill.py", "shop/migrations/0007_fill.py", True),
        ("00*", "shop/migrations/0007_fill.py", True),
        ("shop", "shop/migrations/0007_fill.py", True),
        ("shop/*", "shop/migrations/0007_fill.py", True),
        ("./shop/migrations/", "shop/migrations/0007_fill.py", True),
        ("shop/migrations/0008*", "shop/migrations/0007_fill.py", False),
        ("migrations/*", "shop/migrations/0007_fill.py", False),
        ("op", "shop/migrations/0007_fill.py", False),
    ],
)
def test_more_is_ignored_in_some_files(glob: str, path: str, means: bool, repository: Path) -> None:
    configure(
        repository, f'[tool.migfix]\nper-file-ignores = {{"{glob}" = ["MF2", "batch-saves"]}}\n'
    )
    settings = settings_for(Path("shop"), NO_OVERRIDES)
    ignored = {"MF201", "MF202", "MF203", "MF301"} if means else set()
    assert settings.codes - settings.codes_for(Path(path)) == ignored
    assert settings.codes_for(repository / path) == settings.codes_for(Path(path))


def test_globs_of_paths_start_at_the_file_that_names_them(repository: Path) -> None:
    configure(repository / "api", '[tool.migfix]\nper-file-ignores = {"shop/*" = ["MF101"]}\n')
    settings = settings_for(Path("api"), NO_OVERRIDES)
    assert "MF101" not in settings.codes_for(Path("api/shop/x.py"))
    assert "MF101" in settings.codes_for(Path("shop/x.py"))


@pytest.mark.parametrize("value", ['["a"]', '{"a" = "MF101"}', '{"a" = [1]}', "1"])
def test_a_table_of_ignores_is_one(value: str, repository: Path) -> None:
    configure(repository, f"[tool.migfix]\nper-file-ignores = {value}\n")
    with pytest.raises(SettingsError, match="per-file-ignores must be a table of lists"):
        settings_for(Path("shop"), NO_OVERRIDES)


def test_a_file_of_settings_may_be_named(repository: Path) -> None:
    configure(repository, "[tool.migfix]\nbatch-size = 5\n")
    for name, text in {
        "a.toml": "[tool.migfix]\nbatch-size = 7\n",
        "b.toml": "batch-size = 7\n",
    }.items():
        configure(repository, text, name)
        settings = settings_for(Path("shop"), Overrides(config=Path(name)))
        assert (settings.batch_size, settings.config) == (7, repository / name)
    other = configure(repository, "[tool.black]\n", "c.toml")
    assert settings_for(Path("shop"), Overrides(config=other)).batch_size == 1000
    with pytest.raises(SettingsError, match=r"--config: gone\.toml cannot be read"):
        settings_for(Path("shop"), Overrides(config=Path("gone.toml")))
