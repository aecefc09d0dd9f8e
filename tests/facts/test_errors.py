"""Where errors of a loop are caught, and where what was done before them stays."""

from __future__ import annotations

from textwrap import indent

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from tests import checking
from tests.checking import EVERYWHERE, outcome_of

# `rank` may be NULL, `kind` may not: any row but the first may fail.
LOOP = """\
for post in Post.objects.all():
    post.kind = post.rank
    post.save()
"""
HEAD = """\
import contextlib
import functools

from django.db import connection, migrations, models, transaction


"""
PROCESS = "def process(Post):\n" + indent(LOOP, "    ") + "\n\n"
FORWARDS = 'def forwards(apps, schema_editor):\n    Post = apps.get_model("shop", "Post")\n'
MIGRATION = """

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
AUTOCOMMIT = MIGRATION.replace("dependencies", "atomic = False\n    dependencies")


def in_forwards(around: str = "{}", ending: str = MIGRATION) -> str:
    """A migration whose function holds the loop in the place of ``{}``."""
    return HEAD + FORWARDS + indent(_placed(around, LOOP), "    ") + ending


def called(
    around: str = "{}", between: str = "", ending: str = MIGRATION, process: str = PROCESS
) -> str:
    """A migration whose function calls another one, which holds the loop, in the place of ``{}``."""
    return (
        HEAD
        + process
        + between
        + FORWARDS
        + indent(_placed(around, "process(Post)\n"), "    ")
        + ending
    )


def nested(before: str, after: str = "process()\n") -> str:
    """A migration whose function defines another one, which holds the loop, between these lines."""
    process = "def process():\n" + indent(LOOP, "    ")
    return HEAD + FORWARDS + indent(before + process + after, "    ") + MIGRATION


def _placed(around: str, code: str) -> str:
    before, _, after = around.partition("{}")
    spaces = before.rpartition("\n")[2]
    return before.removesuffix(spaces) + indent(code, spaces) + after.lstrip("\n")


def is_safe(source: str, databases: tuple[str, ...] = EVERYWHERE) -> bool:
    """Is the loop one update() without an ``--unsafe-fixes``?"""
    unsafe = outcome_of(source, select=("MF101",), databases=databases, unsafe=True).loops[0]
    assert unsafe.changed, unsafe
    loop = outcome_of(source, select=("MF101",), databases=databases).loops[0]
    assert loop.changed or loop.blocked_by == "transaction", loop
    return loop.changed


MAKE = "\n\ndef make():\n    return forwards\n"
MADE = MIGRATION.replace("(forwards)", "(make())")
METHOD = (
    HEAD
    + "class Step:\n    @staticmethod\n    def process(apps, editor):\n"
    + '        Post = apps.get_model("shop", "Post")\n'
    + indent(LOOP, "        ")
)
OF_METHOD = MIGRATION.replace("(forwards)", "(Step.process)")
STEPS = """\
def steps():
    try:
        yield 1
    finally:
        print(connection.queries)


def named_steps():
    found = steps()
    return [*found] if connection else steps()


def listed_steps():
    return ["a"]


class Steps:
    def items(self):
        yield from steps()


def pages(found):
    last = 0
    while last < 9:
        for page in found:
            yield page
        yield from "ab"
        last += 1


def steps_of_steps():
    for step in steps():
        yield step


def all_steps():
    yield from steps()


def opened_steps():
    with open("log"):
        yield 1


"""
TRY = "try:\n    {}\nexcept ValueError:\n    pass\n"
ANY = "try:\n    {}\nexcept Exception:\n    pass\n"
CAUGHT = {
    "a try": in_forwards(TRY),
    "a try of everything": in_forwards(ANY),
    "a bare except": in_forwards("try:\n    {}\nexcept:\n    pass\n"),
    "a finally that returns": in_forwards("try:\n    {}\nfinally:\n    return\n"),
    "a finally that breaks": in_forwards("while True:\n    try:\n        {}\n    finally:\n        break\n"),
    "a finally that continues": in_forwards(
        "for _ in '1':\n    try:\n        {}\n    finally:\n        if Post:\n            continue\n"
    ),
    "a finally of an else": in_forwards(
        "try:\n    print()\nexcept OSError:\n    raise\nelse:\n    {}\nfinally:\n    return\n"
    ),
    "a handler that may raise": in_forwards(
        "try:\n    {}\nexcept Exception:\n    if connection:\n        raise\n"
    ),
    "a handler that queries": in_forwards(
        "try:\n    {}\nexcept Exception:\n    Post.objects.update(votes=1)\n    raise\n"
    ),
    "a finally that queries": in_forwards("try:\n    {}\nfinally:\n    Post.objects.count()\n"),
    "a finally that tells": in_forwards("try:\n    {}\nfinally:\n    print(Post)\n"),
    "a finally that tells by a method": in_forwards("try:\n    {}\nfinally:\n    print(connection.queries())\n"),
    "a finally that tells of the connection": in_forwards("try:\n    {}\nfinally:\n    print(connection.queries)\n"),
    "a finally that connects what it makes": in_forwards("try:\n    {}\nfinally:\n    transaction.signal.connect(Post())\n"),
    "a finally that connects where it gets": in_forwards("try:\n    {}\nfinally:\n    Post().signal.connect(None)\n"),
    "a finally that keeps by a default": in_forwards("try:\n    {}\nfinally:\n    def tell(kept=Post): ...\n"),
    "a finally that keeps by a keyword": in_forwards("try:\n    {}\nfinally:\n    def tell(*, kept=Post): ...\n"),
    "a finally that calls": in_forwards("try:\n    {}\nfinally:\n    Post.refresh()\n"),
    "a finally that calls what it is given": in_forwards("try:\n    {}\nfinally:\n    Post().close()\n"),
    "a finally that calls what it makes": in_forwards("try:\n    {}\nfinally:\n    Post()()\n"),
    "a finally that calls under a name": in_forwards("print = Post\ntry:\n    {}\nfinally:\n    print()\n"),
    "a finally that keeps": in_forwards("try:\n    {}\nfinally:\n    connection.kept = Post\n"),
    "a finally that keeps in an item": in_forwards("try:\n    {}\nfinally:\n    connection.kept[Post()] = 1\n"),
    "a finally that asks": in_forwards("try:\n    {}\nfinally:\n    if Post:\n        print()\n"),
    "a finally that asks and queries": in_forwards(
        "try:\n    {}\nfinally:\n    if connection:\n        Post.objects.count()\n"
    ),
    "a finally that goes over rows": in_forwards(
        "try:\n    {}\nfinally:\n    for each in Post:\n        print()\n"
    ),
    "a finally that waits": in_forwards("try:\n    {}\nfinally:\n    while Post:\n        print()\n"),
    "a finally that raises a name": in_forwards("try:\n    {}\nfinally:\n    if connection:\n        raise Post\n"),
    "a finally whose loop has an else that goes on": in_forwards(
        "for _ in '1':\n    try:\n        {}\n    finally:\n        for y in '':\n            break\n"
        "        else:\n            continue\n"
    ),
    "a handler that tells what it knows": in_forwards("try:\n    {}\nexcept Exception:\n    print(Post)\n    raise\n"),
    "a handler that says what it knows": in_forwards(
        "try:\n    {}\nexcept Exception as error:\n    raise ValueError(f'after {Post}') from error\n"
    ),
    "a handler that names a cause": in_forwards(
        "try:\n    {}\nexcept Exception:\n    raise ValueError from Post\n"
    ),
    "a handler in a transaction of its own": in_forwards(
        "try:\n    with transaction.atomic():\n        {}\nexcept Exception:\n    Post.objects.count()\n    raise\n"
    ),
    "a handler that says it in another way": in_forwards(
        "try:\n    {}\nexcept Exception as error:\n    raise ValueError(f'after {error}') from error\n"
    ),
    "a handler that looks at the error": in_forwards(
        "try:\n    {}\nexcept Exception as error:\n    print(error.args, str(error))\n    raise\n"
    ),
    "a handler of the file's error": in_forwards(
        "try:\n    {}\nexcept Exception as error:\n    raise contextlib.CommandError(repr(error))\n"
    ),
    "a try that raises again": in_forwards("try:\n    {}\nexcept Exception as error:\n    print(error)\n    raise\n"),
    "a handler of one kind that tells and raises again": in_forwards(
        "try:\n    {}\nexcept ValueError:\n    print('no number')\n    raise\n"
    ),
    "a handler of one kind that raises another": in_forwards(
        "try:\n    {}\nexcept ValueError:\n    raise TypeError('no number')\n"
    ),
    "a handler that logs the error": in_forwards(
        "try:\n    {}\nexcept Exception:\n    connection.log.exception('x')\n    raise\n"
    ),
    "a handler that logs the error by a keyword": in_forwards(
        "try:\n    {}\nexcept Exception:\n    connection.log.error('x', exc_info=True)\n    raise\n"
    ),
    "a finally that tells a name of the file": in_forwards(
        "try:\n    {}\nfinally:\n    print(transaction)\n"
    ),
    "a finally that tells what is called as an error": in_forwards(
        "lastError = Post\ntry:\n    {}\nfinally:\n    print(lastError)\n"
    ),
    "the caller's finally": called("try:\n    {}\nfinally:\n    Post.objects.count()\n"),
    "suppress": in_forwards("with contextlib.suppress(Exception):\n    {}\n"),
    "a block of the unknown": in_forwards("with quiet:\n    {}\n"),
    "a stack": in_forwards("with contextlib.ExitStack() as stack:\n    {}\n"),
    "a transaction around the try": in_forwards(
        "with transaction.atomic():\n    try:\n        {}\n    except Exception:\n        pass\n"
    ),
    "a transaction around suppress": in_forwards(
        "with transaction.atomic(), contextlib.suppress(Exception):\n    {}\n"
    ),
    "a transaction of another database": in_forwards(
        "try:\n    with transaction.atomic(using='other'):\n        {}\nexcept Exception:\n    pass\n"
    ),
    "an error that is told apart": in_forwards(
        "try:\n    with transaction.atomic():\n        {}\nexcept ValueError:\n    pass\n"
    ),
    "an error that is looked at": in_forwards(
        "try:\n    with transaction.atomic():\n        {}\nexcept Exception as error:\n    print(error)\n"
    ),
    "the caller": called(ANY),
    "the caller's with": called("with contextlib.suppress(Exception):\n    {}\n"),
    "a caller of the caller": called(
        between="", process=PROCESS + "def middle(Post):\n    process(Post)\n\n\n"
    ).replace("    process(Post)\n\n\nclass", "    try:\n        middle(Post)\n    finally:\n        return\n\n\nclass"),
    "one of two callers": called("process(Post)\n" + ANY),
    "a deep caller": HEAD
    + PROCESS
    + "".join(
        f"def step{n}(Post):\n    {'process' if not n else f'step{n - 1}'}(Post)\n\n\n" for n in range(30)
    )
    + FORWARDS
    + "    try:\n        step29(Post)\n    except Exception:\n        pass\n"
    + MIGRATION,
    "a function that calls itself": called(
        process="def process(Post, deeper=True):\n    if deeper:\n        try:\n            process(Post, False)\n"
        "        except Exception:\n            pass\n" + indent(LOOP, "    ") + "\n\n"
    ),
    "a decorator": nested("import quiet\n\n@quiet\n"),
    "a decorator that is called": nested("import quiet\n\n@quiet.errors(ValueError)\n"),
    "a decorator around atomic": nested("import quiet\n\n@quiet\n@transaction.atomic\n"),
    "a function that is handed over": called("run(lambda: process(Post))\n"),
    "a function in a list": nested("", "for step in [process]:\n    step()\n"),
    "a partial that is handed over": nested("", "run(functools.partial(process))\n"),
    "a name for the function": nested("", "step = process\ntry:\n    step()\nexcept Exception:\n    pass\n"),
    "a function by its text": called("try:\n    globals()['process'](Post)\nexcept Exception:\n    pass\n"),
    "a lambda in a try": called("try:\n    (lambda: process(Post))()\nexcept Exception:\n    pass\n"),
    "a comprehension in a try": called("try:\n    [process(Post) for _ in '1']\nexcept Exception:\n    pass\n"),
    "a manager of the file": called(
        "with quiet():\n    {}\n",
        between="@contextlib.contextmanager\ndef quiet():\n    try:\n        yield\n    except Exception:\n"
        "        pass\n\n\n",
    ),
    "a class of the file": called(
        "with Quiet():\n    {}\n",
        between="class Quiet:\n    def __enter__(self):\n        pass\n\n    def __exit__(self, *error):\n"
        "        return True\n\n\n",
    ),
    "a manager that is entered before": called(
        "with contextlib.suppress(Exception), open(process(Post)):\n    pass\n"
    ),
    "a generator that runs elsewhere": called(
        "steps = (process(Post) for _ in '1')\ntry:\n    list(steps)\nexcept Exception:\n    pass\n"
    ),
    "a coroutine that runs elsewhere": called(
        "waiting = process(Post)\ntry:\n    asyncio.run(waiting)\nexcept Exception:\n    pass\n",
        process="async " + PROCESS,
    ),
    "another Exception": in_forwards(
        "Exception = ValueError\ntry:\n    with transaction.atomic():\n        {}\nexcept Exception:\n    pass\n"
    ),
    "a finally that closes an object of the project": in_forwards(
        "report = Report(Post)\ntry:\n    {}\nfinally:\n    report.close()\n"
    ),
    "a finally that closes what hangs on a model": in_forwards("try:\n    {}\nfinally:\n    Post.log.close()\n"),
    "a finally that closes what one of two names is": in_forwards(
        "log = open('log')\nlog = Report(log)\ntry:\n    {}\nfinally:\n    log.close()\n"
    ),
    "a finally that closes one of many": in_forwards(
        "try:\n    {}\nfinally:\n    for log in 'ab':\n        log.close()\n"
    ),
    "a handler that tells an object of the project": in_forwards(
        "report = Report(Post)\ntry:\n    {}\nexcept Exception:\n    report.error('failed')\n    raise\n"
    ),
    "a parameter that is closed": called(
        process=PROCESS.replace("(Post)", "(Post, log=None)").replace(
            indent(LOOP, "    "), "    try:\n" + indent(LOOP, "        ") + "    finally:\n        log.close()\n"
        )
    ),
    "an object of the project that is closed": in_forwards(
        "with contextlib.closing(Report(Post)):\n    {}\n"
    ),
    "an object of the project that is closed by its name": in_forwards(
        "report = Report(Post)\nwith contextlib.closing(thing=report):\n    {}\n"
    ),
    "a manager that is closing by another name": in_forwards(
        "closing = contextlib.closing\nwith closing(Report(Post)):\n    {}\n"
    ),
    **{
        f"a loop over {each}": called(f"for step in {each}:\n    {{}}\n", between=STEPS)
        for each in (
            "steps()", "enumerate(steps(), 1)", "zip('ab', steps())", "(step for step in steps())",
            "named_steps()", "Steps().items()", "imported()", "functools.partial(steps)()", "map(str, steps())",
            "steps() if connection else ()", "(steps() or ())", "[print, steps][1]()",
            "steps_of_steps()", "all_steps()", "opened_steps()",
        )
    },
    "a comprehension over a generator": called("[process(Post) for step in steps()]\n", between=STEPS),
    "another open": in_forwards("open = contextlib.suppress\nwith open(Exception):\n    {}\n"),
    "a cursor of something else": in_forwards("with functools.cursor():\n    {}\n"),
    "a generator of the file": called("with told():\n    {}\n", between="def told():\n    yield\n\n\n"),
    "a manager with another decorator": called(
        "with told():\n    {}\n", between="@quiet\n@contextlib.contextmanager\ndef told():\n    yield\n\n\n"
    ),
    "a manager with a transaction at times": called(
        "try:\n    with told():\n        {}\nexcept Exception:\n    pass\n",
        between="@contextlib.contextmanager\ndef told():\n    if connection:\n        with transaction.atomic():\n"
        "            yield\n    else:\n        yield\n\n\n",
    ),
    "a partial of something else": nested("", "functools.partial(run, process)()\n"),
    "an attribute of the function that is set": nested("", "process.kept = 1\nprocess()\n"),
    "one of two functions": nested("", "try:\n    (process if apps else print)()\nexcept Exception:\n    pass\n"),
    "a handler that may leave before it raises": in_forwards(
        "try:\n    {}\nexcept Exception:\n    if connection:\n        return\n    raise\n"
    ),
    "a handler that prints the error": in_forwards(
        "import traceback\ntry:\n    {}\nexcept Exception:\n    traceback.print_exc()\n    raise\n"
    ),
    "a handler that prints the error as a text": in_forwards(
        "import traceback\ntry:\n    {}\nexcept Exception:\n    print(traceback.format_exc())\n    raise\n"
    ),
    "a function by attrgetter()": called("process(Post)\noperator.attrgetter('process')\n"),
    "a function by methodcaller()": called("process(Post)\noperator.methodcaller('process')\n"),
    "a function by getattr()": called("process(Post)\ngetattr(connection, 'process')\n"),
    "a factory that is handed over": in_forwards(ending=MAKE + "\n\nrun(make)\n" + MADE),
    "a factory in a try": in_forwards(
        ending=MAKE + "\n\ndef other(apps, editor):\n    try:\n        make()(apps, editor)\n"
        "    except Exception:\n        pass\n" + MADE
    ),
    "what a factory makes in a list": in_forwards(
        ending=MAKE + "\n\ndef other(apps, editor):\n    run([make()])\n" + MADE
    ),
    "a method in a try": METHOD + "\n\ndef other(apps, editor):\n    try:\n        Step.process(apps, editor)\n"
    "    except Exception:\n        pass\n" + OF_METHOD,
}  # fmt: skip
if hasattr(__import__("ast"), "TryStar"):
    CAUGHT["except*"] = in_forwards("try:\n    {}\nexcept* Exception:\n    pass\n")

LET_THROUGH = {
    "no block": in_forwards(),
    "a finally": in_forwards("try:\n    {}\nfinally:\n    print('done')\n"),
    "a finally with a loop of its own": in_forwards(
        "try:\n    {}\nfinally:\n    for name in 'ab':\n        if name:\n            break\n"
    ),
    "a finally that defines": in_forwards(
        "try:\n    {}\nfinally:\n    def tell():\n        return 1\n"
    ),
    "a finally that puts back": in_forwards(
        "try:\n    {}\nfinally:\n    Post.objects.model.flag = True\n    kept = None\n    connection.close()\n"
    ),
    "a finally that connects again": in_forwards(
        "try:\n    {}\nfinally:\n    transaction.signal.connect(contextlib.suppress, sender='x')\n"
    ),
    "a finally with nothing": in_forwards("try:\n    {}\nfinally:\n    'done'\n    pass\n    import this\n"),
    "a finally that defines with a keyword": in_forwards("try:\n    {}\nfinally:\n    def tell(*, kept): ...\n"),
    "a handler that tells of any error": in_forwards(
        "import sys\ntry:\n    {}\nexcept Exception:\n    print('failed', file=sys.stderr)\n    raise\n"
    ),
    "a handler of one kind that only raises again": in_forwards(
        "try:\n    {}\nexcept ValueError:\n    raise\n"
    ),
    "a handler before its own finally": in_forwards(
        "try:\n    print()\nfinally:\n    {}\n"
    ),
    "the else of a try": in_forwards("try:\n    print()\nexcept OSError:\n    pass\nelse:\n    {}\n"),
    "a transaction in a try of everything": in_forwards(
        "try:\n    with transaction.atomic():\n        {}\nexcept Exception:\n    pass\n"
    ),
    "one without a savepoint": in_forwards(
        "try:\n    with transaction.atomic(savepoint=False):\n        {}\nexcept Exception:\n    pass\n"
    ),
    "one in suppress": in_forwards(
        "with contextlib.suppress(Exception), transaction.atomic():\n    {}\n"
    ).replace("contextlib.suppress(Exception), ", ""),
    "managers that let through": in_forwards(
        "with contextlib.nullcontext(), open('log'), connection.cursor() as cursor:\n    {}\n"
    ),
    **{
        f"a loop over {each}": called(f"for step in {each}:\n    {{}}\n", between=STEPS)
        for each in (
            "'ab'", "range(3)", "enumerate(['a'])", "{'a': 1}.keys()", "Post.objects.all()", "sorted(Post.names)",
            "listed_steps()", "pages([1])", "(step for step in [1, 2])", "'a b'.split()", "connection.names",
        )
    },
    "a name for a generator": called("found = steps()\nfor step in found:\n    {}\n", between=STEPS),
    "the else of a loop": called("for step in steps():\n    print(step)\nelse:\n    {}\n", between=STEPS),
    "a finally that closes a file": in_forwards(
        "log = open('log')\ntry:\n    {}\nfinally:\n    log.write('done')\n    log.close()\n"
    ),
    "a finally that closes what a block has opened": in_forwards(
        "with open('log') as log:\n    try:\n        {}\n    finally:\n        log.flush()\n"
    ),
    "a finally that closes a cursor": in_forwards(
        "cursor = schema_editor.connection.cursor()\ntry:\n    {}\nfinally:\n    cursor.close()\n"
    ),
    "a handler that tells a logger": in_forwards(
        "try:\n    {}\nexcept Exception:\n    logger.error('failed')\n    raise\n"
    ).replace("import contextlib\n", "import contextlib\nimport logging\n").replace(
        "def forwards", "logger = logging.getLogger(__name__)\n\n\ndef forwards"
    ),
    "cursors and files that are closed": in_forwards(
        "log = open('log')\nwith contextlib.closing(connection.cursor()), contextlib.closing(log):\n    {}\n"
    ),
    "a cursor of the schema editor": in_forwards("with schema_editor.connection.cursor():\n    {}\n"),
    "a try elsewhere": in_forwards("try:\n    print()\nexcept OSError:\n    pass\n{}\n"),
    "a caller": called(),
    "a caller in a transaction that is in a try": called(
        "try:\n    with transaction.atomic():\n        {}\nexcept Exception:\n    pass\n"
    ),
    "a function in a transaction": called(ANY, process="@transaction.atomic\n" + PROCESS),
    "a function in a transaction of its own": called(ANY, process="@transaction.atomic(durable=True)\n" + PROCESS),
    "a manager of the file": called(
        "with told():\n    {}\n",
        between="@contextlib.contextmanager\ndef told():\n    print()\n    try:\n        yield\n    finally:\n"
        "        print()\n\n\n",
    ),
    "a transaction made by a manager of the file": called(
        "try:\n    with together():\n        {}\nexcept Exception:\n    pass\n",
        between="@contextlib.contextmanager\ndef together():\n    with transaction.atomic():\n        yield\n\n\n",
    ),
    "a lambda": called().replace("RunPython(forwards)", "RunPython(lambda apps, editor: forwards(apps, editor))"),
    "a partial": called().replace("RunPython(forwards)", "RunPython(functools.partial(forwards))"),
    "a name for the function": nested("", "step = process\nstep()\n"),
    "a partial that is called": nested("", "functools.partial(process)()\n"),
    "a reverse": in_forwards().replace("(forwards)", "(migrations.RunPython.noop, reverse_code=forwards)"),
    "a comprehension": called("[process(Post) for _ in '1']\n"),
    "a decorator that lets through": called(process="@functools.lru_cache\n" + PROCESS),
    "an attribute of the same name": called("process(Post)\ntry:\n    Post.process()\nexcept Exception:\n    pass\n"),
    "a name with a type": nested("", "step: object = process\nstep()\n"),
    "one of two functions": nested("", "(process if apps else print)()\n"),
    "a function or another": nested("", "(process or print)()\n"),
    "the name of the function": nested("", "print(process.__name__)\nprocess()\n"),
    "a test of the function": nested("", "print(process is None)\nprocess()\n"),
    "a function that is named only": nested("", "process\nprocess()\n"),
    "a function that another one wraps": nested(
        "", "@functools.wraps(process)\ndef other():\n    pass\nprocess()\n"
    ),
    "a factory": in_forwards(ending=MAKE + MADE),
    "a factory with a test": in_forwards(
        ending=MAKE.replace("    return", "    if connection:\n        return") + MADE
    ),
    "a method": METHOD + OF_METHOD,
}  # fmt: skip


@pytest.mark.parametrize("name", CAUGHT)
def test_errors_that_may_be_caught(name):
    assert not is_safe(CAUGHT[name])


@pytest.mark.parametrize("name", LET_THROUGH)
def test_errors_that_are_let_through(name):
    assert is_safe(LET_THROUGH[name])


SEPARATE = "migrations.SeparateDatabaseAndState([migrations.RunPython(forwards)])"


def named(operations):
    """The RunPython under a name of its own."""
    whole = in_forwards()
    head, given, rest = whole.partition("operations = [migrations.RunPython(forwards)]")
    assert given
    return f"{head}op = migrations.RunPython(forwards)\n    {operations}{rest}"


def operations(written):
    """The RunPython where another list of operations is written."""
    whole = in_forwards()
    head, given, rest = whole.partition("[migrations.RunPython(forwards)]")
    assert given
    return head + written + rest


# Each with the databases on which it runs in a transaction.
ROLLING_BACK = ("postgresql", "sqlite")
OPERATIONS = {
    "plain": (in_forwards(), EVERYWHERE),
    "atomic": (in_forwards().replace("(forwards)", "(forwards, atomic=True)"), EVERYWHERE),
    "atomic by position": (in_forwards().replace("(forwards)", "(forwards, None, True)"), EVERYWHERE),
    "as the migration": (in_forwards().replace("(forwards)", "(forwards, atomic=None)"), EVERYWHERE),
    "not atomic": (in_forwards().replace("(forwards)", "(forwards, atomic=False)"), ROLLING_BACK),
    "not atomic by position": (in_forwards().replace("(forwards)", "(forwards, None, False)"), ROLLING_BACK),
    "perhaps atomic": (in_forwards().replace("(forwards)", "(forwards, atomic=SAFE)"), ROLLING_BACK),
    "by a name": (named("operations = [op]"), EVERYWHERE),
    "by a name in another operation": (
        named("operations = [migrations.SeparateDatabaseAndState([op])]"), (),
    ),
    "by a name that is used twice": (named("operations = [op]\n    others = [op]"), ()),
    "in another operation": (in_forwards().replace("migrations.RunPython(forwards)", SEPARATE), ROLLING_BACK),
    "atomic in another operation": (
        in_forwards().replace("migrations.RunPython(forwards)", SEPARATE.replace("forwards", "forwards, atomic=True")),
        ROLLING_BACK,
    ),
    "in a migration that is atomic": (
        in_forwards(ending=AUTOCOMMIT.replace("False", "True")), EVERYWHERE,
    ),
    "in a migration that is not": (in_forwards(ending=AUTOCOMMIT), ()),
    "atomic in a migration that is not": (
        in_forwards(ending=AUTOCOMMIT.replace("(forwards)", "(forwards, atomic=True)")), EVERYWHERE,
    ),
    "in another operation of one that is not": (
        in_forwards(ending=AUTOCOMMIT.replace(
            "migrations.RunPython(forwards)", SEPARATE.replace("forwards", "forwards, atomic=True")
        )), (),
    ),
    "in a transaction of the function": (
        in_forwards("with transaction.atomic():\n    {}\n", AUTOCOMMIT), EVERYWHERE,
    ),
    "in one of the database that is migrated": (
        in_forwards("with transaction.atomic(using=schema_editor.connection.alias):\n    {}\n", AUTOCOMMIT),
        EVERYWHERE,
    ),
    "in one by a name": (
        in_forwards("alias = schema_editor.connection.alias\nwith transaction.atomic(alias):\n    {}\n", AUTOCOMMIT),
        EVERYWHERE,
    ),
    "in one of another database": (
        in_forwards("with transaction.atomic('other'):\n    {}\n", AUTOCOMMIT), (),
    ),
    "in the transaction of a caller": (
        called("with transaction.atomic():\n    {}\n", ending=AUTOCOMMIT), EVERYWHERE,
    ),
    "in a transaction in which a generator is made": (
        called("print(*process(Post))\n{}", process="@transaction.atomic\n" + PROCESS.rstrip() + "\n    yield 1\n\n\n",
               ending=AUTOCOMMIT).replace("\n    process(Post)\n", "\n"), (),
    ),
    "with a transaction for each row": (
        in_forwards(ending=AUTOCOMMIT).replace(
            "        post.kind = post.rank\n        post.save()",
            "        with transaction.atomic():\n            post.kind = post.rank\n            post.save()",
        ), (),
    ),
    "a value for each that can be told": (in_forwards(ending=AUTOCOMMIT.replace("atomic =", "atomic: bool =")), ()),
    "of two values": (in_forwards(ending=AUTOCOMMIT.replace("atomic =", "atomic, x =").replace("False", "False, 1")), ()),
    "run in its own way": (
        in_forwards() + "\n    def apply(self, *args, **options):\n        return super().apply(*args, **options)\n",
        (),
    ),
    "in one that options choose": (
        in_forwards("with transaction.atomic(**options):\n    {}\n", AUTOCOMMIT), (),
    ),
    "in one of a name that is not known": (
        in_forwards("with transaction.atomic(using=alias):\n    {}\n", AUTOCOMMIT), (),
    ),
    "in one of another connection": (
        in_forwards("with transaction.atomic(using=functools.connection.alias):\n    {}\n", AUTOCOMMIT), (),
    ),
    "of a value in a test": (in_forwards(ending=AUTOCOMMIT.replace("atomic = False", "(atomic := False)")), ()),
    "of a value by `with`": (
        in_forwards(ending=AUTOCOMMIT.replace("atomic = False", "with functools as atomic: pass")), (),
    ),
    "of a class with another base": (
        in_forwards().replace("(migrations.Migration)", "(migrations.Migration, Base)"), (),
    ),
    "run in an imported way": (in_forwards() + "\n    from tools import run as apply\n", ()),
    "run as something else": (in_forwards() + "\n    apply = connection.apply\n", ()),
    "in another operation by a name": (
        in_forwards(ending=MIGRATION.replace("migrations.RunPython(forwards)", SEPARATE.replace(
            "migrations.RunPython(forwards)", "STEP"
        )).replace("\n\nclass", "\n\nSTEP = migrations.RunPython(forwards)\n\n\nclass")), (),
    ),
    **{
        f"of a class that sets it by {name}": (in_forwards() + f"\n    {line}\n", ())
        for name, line in {
            "a pattern": "match False:\n        case atomic:\n            pass",
            "vars()": "vars()['atomic'] = False",
            "locals()": "locals()['atomic'] = False",
            "update()": "vars().update(atomic=False)",
            "a name for vars()": "own = vars\n    own()['atomic'] = False",
            "a frame": "__import__('sys')._getframe().f_locals['atomic'] = False",
            "a handler": "try:\n        1 / 0\n    except ZeroDivisionError as atomic:\n        pass",
        }.items()
    },
    "of a class with more in it": (
        in_forwards() + "\n    numbers = []\n    for number in range(3):\n        if number:\n            numbers += [number]\n"
        "\n    @property\n    def title(self):\n        return 1\n",
        EVERYWHERE,
    ),
    "rows of a database that is not known": (in_forwards().replace("objects.all()", "objects.using(alias)"), ()),
    "rows of another database": (in_forwards().replace("objects.all()", "objects.using('other')"), ()),
    "rows of the database that is migrated": (
        in_forwards().replace("objects.all()", "objects.using(schema_editor.connection.alias)"), EVERYWHERE,
    ),
    "rows of another database in its transaction": (
        in_forwards("with transaction.atomic(using='other'):\n    {}\n").replace("objects.all()", "objects.using('other')"),
        EVERYWHERE,
    ),
    **{
        f"run by an own {name}": (in_forwards() + f"\n    def {name}(self, *args):\n        return None\n", ())
        for name in ("unapply", "__getattribute__", "atomic")
    },
    "run by an own coroutine": (in_forwards() + "\n    async def apply(self, *args):\n        return None\n", ()),
    "run by an own class": (in_forwards() + "\n    class apply:\n        pass\n", ()),
    "run by a module": (in_forwards() + "\n    import tools as apply\n", ()),
    "run by an imported function": (in_forwards() + "\n    from tools import apply\n", ()),
    "in one by its own name": (
        in_forwards("alias = alias\nwith transaction.atomic(alias):\n    {}\n", AUTOCOMMIT), (),
    ),
    "in one by names in a circle": (
        in_forwards("one = other\nother = one\nwith transaction.atomic(one):\n    {}\n", AUTOCOMMIT), (),
    ),
    "in one by None": (in_forwards("with transaction.atomic(using=None):\n    {}\n", AUTOCOMMIT), EVERYWHERE),
    "in one by the name of the connection": (
        in_forwards("with transaction.atomic(using=connection.alias):\n    {}\n", AUTOCOMMIT), EVERYWHERE,
    ),
    "in one by Django's name": (
        in_forwards("from django.db import DEFAULT_DB_ALIAS\nwith transaction.atomic(DEFAULT_DB_ALIAS):\n    {}\n", AUTOCOMMIT),
        EVERYWHERE,
    ),
    "in one of something else of the editor": (
        in_forwards("with transaction.atomic(using=schema_editor.other.alias):\n    {}\n", AUTOCOMMIT), (),
    ),
    "in one of something else of the connection": (
        in_forwards("with transaction.atomic(using=schema_editor.connection.vendor):\n    {}\n", AUTOCOMMIT), (),
    ),
    "in a transaction in which a generator of others is made": (
        called("print(*process(Post))\n{}", process="@transaction.atomic\n" + PROCESS.rstrip() + "\n    yield from ()\n\n\n",
               ending=AUTOCOMMIT).replace("\n    process(Post)\n", "\n"), (),
    ),
    "with a type": (in_forwards().replace("operations =", "operations: list ="), EVERYWHERE),
    "added": (in_forwards().replace("operations =", "operations = []\n    operations +="), EVERYWHERE),
    "in a tuple": (operations("(migrations.RunPython(forwards),)"), EVERYWHERE),
    "in a spread list": (operations("[*[migrations.RunPython(forwards)]]"), EVERYWHERE),
    "in a sum": (operations("[migrations.RunPython(forwards)] + []"), EVERYWHERE),
    "in another operation by a keyword": (
        operations(f"[{SEPARATE.replace('([', '(database_operations=[')}]"), ROLLING_BACK,
    ),
    "by a name of the other operation": (
        in_forwards().replace("operations = [migrations.RunPython(forwards)]", f"op = {SEPARATE}\n    operations = [op]"),
        ROLLING_BACK,
    ),
    "by a name, beside a method": (named("operations = [op]\n\n    def other(self):\n        pass"), EVERYWHERE),
    "by a name, beside an attribute": (named("connection.kept = [1]\n    operations = [op]"), EVERYWHERE),
    "by a name in a tuple": (named("operations = (op,)"), ()),
    "in a migration that is atomic, with a type": (
        in_forwards(ending=AUTOCOMMIT.replace("atomic = False", "atomic: bool = True")), EVERYWHERE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_where_an_error_is_rolled_back(name):
    source, databases = OPERATIONS[name]
    assert {each for each in EVERYWHERE if is_safe(source, (each,))} == set(databases)


READ = "for post in Post.objects.all():\n    print(post.title)\n"


@pytest.mark.parametrize(
    ("plain", "other"),
    [
        ("(forwards)", "(*FUNCTIONS)"),
        ("(forwards)", "(forwards, *OPTIONS)"),
        ("(forwards)", "(forwards, **OPTIONS)"),
        ("operations =", "steps ="),
        ("operations =", "steps: list ="),
        ("operations =", "steps = []\n    steps +="),
        (
            "operations = [migrations.RunPython(forwards)]",
            "operations = make([migrations.RunPython(forwards)])",
        ),
        (
            "operations = [migrations.RunPython(forwards)]",
            "op = migrations.RunPython(forwards)\n    operations = make(op)",
        ),
        (
            "migrations.RunPython(forwards)",
            SEPARATE.replace("migrations.RunPython(forwards)", SEPARATE),
        ),
        ("", '\n\ndelattr(Migration, "atomic")\n'),
        ("", "\n    def __new__(cls, *args):\n        return super().__new__(cls)\n"),
        ("", "\n\nclass Migration(functools.partial):\n    pass\n"),
        (
            "    operations",
            "    locals()['x'] = 1\n    if True:\n        atomic = False\n    operations",
        ),
        ("class Migration(migrations.Migration)", "class Migration(Base)"),
        (
            "class Migration(migrations.Migration)",
            "@decorated\nclass Migration(migrations.Migration)",
        ),
        (
            "class Migration(migrations.Migration)",
            "class Migration(migrations.Migration, metaclass=Base)",
        ),
        ("", "\n\nMigration.atomic = False\n"),
        ("", '\n\nsetattr(Migration, "atomic", False)\n'),
        ("", "\n    def __init__(self, *args):\n        super().__init__(*args)\n"),
    ],
)
def test_what_may_turn_transactions_off_where_no_model_is_known(plain, other):
    source = HEAD + FORWARDS + indent(READ, "    ") + MIGRATION
    changed = source.replace(plain, other) if plain else source + other
    codes = {}
    for text in (source, changed):
        loops = outcome_of(text, select=("MF202", "MF203"), databases=("postgresql",)).loops
        codes[text] = [loop.codes for loop in loops]
    assert codes == {source: [("MF202",)], changed: [("MF203",)]}


def test_what_is_said_of_an_error_that_is_not_rolled_back():
    loop = outcome_of(in_forwards(ending=AUTOCOMMIT), select=("MF101",)).loops[0]
    assert loop.reason == (
        "`rank` may be NULL, which `kind` does not take, and stop the loop half-way: it keeps the rows before, "
        "one query keeps none (atomic is set on line 15)"
    )


# --- other files ---------------------------------------------------------------------------------

HELPER = "def process(Post):\n" + indent(LOOP, "    ")
CALLING = """\
from django.db import migrations

from {where} import process{alias}


def forwards(apps, schema_editor):
    {call}


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
CALL = 'process(apps.get_model("shop", "Post"))'
IN_TRY = f"try:\n        {CALL}\n    except Exception:\n        pass"


def calling(call: str = CALL, where: str = "._common", alias: str = "") -> str:
    return CALLING.format(call=call, where=where, alias=alias)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Says whether the loop of a helper is rewritten as safe, given the other files of the project."""
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    (tmp_path / "shop" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "0001_initial.py").write_text(checking.MODELS)
    monkeypatch.chdir(tmp_path)

    def run(files: dict[str, str]) -> bool:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        said = CliRunner().invoke(
            app, ["check", "--select", "MF101", "--database", "postgresql", str(folder)]
        )
        assert "internal error" not in said.stdout
        return ": MF101 " in said.stdout

    return run


def test_a_helper_that_migrations_call(check):
    assert check({"_common.py": HELPER, "0002_fill.py": calling()})


@pytest.mark.parametrize(
    "files",
    [
        {"0002_fill.py": calling(IN_TRY)},
        {"0002_fill.py": calling(), "0003_again.py": calling(IN_TRY)},
        {"0002_fill.py": calling().replace("dependencies", "atomic = False\n    dependencies")},
        {"0002_fill.py": calling(), "../commands.py": calling(IN_TRY, "shop.migrations._common")},
        {
            "0002_fill.py": calling(),
            "../commands.py": calling(IN_TRY.replace("process(", "go("), "shop.migrations._common", " as go"),
        },
        {
            "0002_fill.py": calling(),
            "../tools.py": "from shop.migrations._common import process\n",
            "../commands.py": calling(IN_TRY, "shop.tools"),
        },
        {
            "0002_fill.py": calling(),
            "../commands.py": "from shop.migrations import _common\n\n\ndef run(model):\n    try:\n"
            "        _common.process(model)\n    except Exception:\n        pass\n",
        },
        {
            "0002_fill.py": calling(),
            "../commands.py": calling(IN_TRY, "shop.migrations._common").replace("import process", "import *"),
        },
        {
            "0002_fill.py": calling(),
            "../commands.py": "from importlib import import_module\n\n\ndef run(model):\n    try:\n"
            "        import_module('shop.migrations._common').process(model)\n    except Exception:\n"
            "        pass\n",
        },
    ],
    ids=lambda files: " ".join(files),
)  # fmt: skip
def test_a_helper_whose_errors_are_caught_elsewhere(files, check):
    assert not check({"_common.py": HELPER, **files})


@pytest.mark.parametrize(
    "files",
    [
        {
            "0002_fill.py": calling(),
            "../commands.py": "import _common\n\nprint(_common.__name__)\n",
        },
        {
            "0002_fill.py": calling(),
            "../tests/test_it.py": calling(IN_TRY, "shop.migrations._common"),
        },
        {
            "0002_fill.py": calling(),
            "../other.py": "from shop.else._common import process\n".replace("else", "unrelated"),
        },
    ],
    ids=lambda files: " ".join(files),
)
def test_a_helper_whose_errors_nobody_catches(files, check):
    assert check({"_common.py": HELPER, **files})


def test_a_migration_that_another_one_calls(check):
    own = called().replace("def process(Post):\n", "def process(Post):\n", 1)
    other = calling().replace("from ._common import process\n", "import importlib\n")
    imported = 'importlib.import_module("shop.migrations.0002_fill").process'
    assert check({"0002_fill.py": own, "0003_again.py": other.replace("process", imported)})
    caught = calling(IN_TRY).replace("from ._common import process\n", "import importlib\n")
    assert not check({"0002_fill.py": own, "0003_again.py": caught.replace("process", imported)})
