"""One example for each codemod, and the ways in which real files say the same thing otherwise.

``EXAMPLES`` holds a loop and what it becomes, by code; ``SHAPES`` more of them, whose names begin with
a code: bodies that say more, and statements around the loop that go with it. ``HAZARDS`` are variants of a file, each a
function from an example's file to another file that means the same: applied to the file before and
to the file after, it says what the codemod must make of the variant. ``MAY_REFUSE`` names those that
a codemod may leave alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import indent

from tests.checking import MODELS

LINKED = MODELS.removesuffix("    ]\n") + (
    '        migrations.AddField("Post", "tags", models.ManyToManyField("Tag")),\n    ]\n'
)


@dataclass(frozen=True)
class Example:
    """A loop over ``Post`` or ``Token`` and what it becomes, both without indentation.

    ``drops``: statements beside the loop go or change as well. ``beside``: other codemods without which
    this one does nothing. ``models``: the project's, where these need more.
    """

    before: str
    after: str
    databases: tuple[str, ...] = ("postgresql",)
    drops: bool = False
    beside: tuple[str, ...] = ()
    models: str = MODELS

    def file(self, loop: str) -> str:
        return TEMPLATE.replace("    LOOP\n", indent(loop, "    ") + "\n")


TEMPLATE = '''\
"""Fills in what is missing."""

from django.db import migrations, models


def tidy(text):
    return text.strip()


def forwards(apps, schema_editor):
    Post = apps.get_model("shop", "Post")
    Token = apps.get_model("shop", "Token")
    LOOP


def backwards(apps, schema_editor):
    """for post in Post.objects.all(): nothing"""
    odd  =  [ 1,2 ]


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.RunPython(forwards, backwards),
    ]
'''
EXAMPLES = {
    "MF101": Example(
        'for post in Post.objects.filter(title="ab"):\n    post.kind = 1\n    post.save()',
        'Post.objects.filter(title="ab").update(kind=1)',
    ),
    "MF102": Example(
        'for token in Token.objects.filter(value="ab"):\n    token.delete()',
        'Token.objects.filter(value="ab").delete()',
    ),
    "MF201": Example(
        'for post in Post.objects.filter(title="ab"):\n    post.slug = tidy(post.title)\n    post.save()',
        'for post in Post.objects.filter(title="ab").only("slug", "title"):\n'
        "    post.slug = tidy(post.title)\n    post.save()",
    ),
    "MF202": Example(
        'for post in Post.objects.filter(title="ab"):\n    post.slug = tidy(post.title)\n    post.save()',
        'for post in Post.objects.filter(title="ab").iterator():\n'
        "    post.slug = tidy(post.title)\n    post.save()",
    ),
    "MF203": Example(
        'for post in Post.objects.filter(title="ab"):\n    post.slug = tidy(post.title)\n    post.save()',
        'for post in stream(Post.objects.filter(title="ab")):\n'
        "    post.slug = tidy(post.title)\n    post.save()",
        databases=("mysql",),
    ),
    "MF301": Example(
        'for post in Post.objects.filter(title="ab"):\n    post.slug = tidy(post.title)\n    post.save()',
        'with update_in_batches("slug") as batch:\n'
        '    for post in Post.objects.filter(title="ab"):\n'
        "        post.slug = tidy(post.title)\n        batch.save(post)",
        drops=True,
    ),
    "MF302": Example(
        'for post in Post.objects.filter(title="ab"):\n    Token.objects.create(value=tidy(post.title))',
        "with create_in_batches(Token.objects) as tokens:\n"
        '    for post in Post.objects.filter(title="ab"):\n'
        "        tokens.create(value=tidy(post.title))",
        drops=True,
    ),
    "MF303": Example(
        'for post in Post.objects.filter(title="ab"):\n'
        "    Token.objects.filter(pk=post.pk).update(value=tidy(post.title))",
        "with update_by_key(Token.objects) as tokens:\n"
        '    for post in Post.objects.filter(title="ab"):\n'
        "        tokens.filter(pk=post.pk).update(value=tidy(post.title))",
        drops=True,
    ),
    "MF304": Example(
        'for post in Post.objects.filter(title="ab"):\n    post.tags.add(tidy(post.title))',
        "with link_in_batches() as links:\n"
        '    for post in Post.objects.filter(title="ab"):\n'
        "        links.of(post.tags).add(tidy(post.title))",
        drops=True,
        models=LINKED,
    ),
    "MF401": Example(
        'posts = Post.objects.filter(title="ab")\nprint(len(posts))\nfor post in posts:\n    tidy(post.title)',
        'posts = Post.objects.filter(title="ab")\nprint(posts.count())\n'
        "for post in posts.iterator():\n    tidy(post.title)",
        drops=True,
        beside=("MF202",),
    ),
}
SHAPES = {
    "MF101 with a counter": Example(
        'count = 0\nfor post in Post.objects.filter(title="ab"):\n    post.kind = 1\n    post.save()\n'
        "    count += 1\nprint(count)",
        'count = Post.objects.filter(title="ab").update(kind=1)\nprint(count)',
        drops=True,
    ),
    "MF101 with a counter that began elsewhere": Example(
        'count = len("ab")\nfor post in Post.objects.filter(title="ab"):\n    count += 1\n'
        "    post.kind = 1\n    post.save()\nprint(count)",
        'count = len("ab")\ncount += Post.objects.filter(title="ab").update(kind=1)\nprint(count)',
    ),
    "MF101 with bulk_update": Example(
        'found = []\nfor post in Post.objects.filter(title="ab"):\n    post.kind = 1\n'
        '    found.append(post)\nPost.objects.bulk_update(found, ["kind"])',
        'Post.objects.filter(title="ab").update(kind=1)',
        drops=True,
    ),
    "MF101 with bulk_update of the queryset": Example(
        'found = Post.objects.filter(title="ab")\nfor post in found:\n    post.kind = 1\n'
        'Post.objects.bulk_update(found, ["kind"])',
        'found = Post.objects.filter(title="ab")\nfound.update(kind=1)',
        drops=True,
    ),
    "MF101 by key": Example(
        'for post in Post.objects.filter(title="ab"):\n'
        "    Post.objects.filter(pk=post.pk).update(kind=1)",
        'Post.objects.filter(title="ab").update(kind=1)',
    ),
    "MF101 with a local name": Example(
        'for post in Post.objects.filter(title="ab"):\n    new = 1\n    post.kind = new\n    post.save()',
        'Post.objects.filter(title="ab").update(kind=1)',
    ),
    "MF101 with branches": Example(
        'for post in Post.objects.filter(title="ab"):\n    if post.live:\n        post.kind = 1\n'
        "    if post.seen:\n        post.rank = 2\n    post.save()",
        'Post.objects.filter(title="ab").filter(live=True).update(kind=1)\n'
        'Post.objects.filter(title="ab").filter(seen=True).update(rank=2)',
    ),
    "MF102 with a list": Example(
        'found = list(Token.objects.filter(value="ab"))\nfor token in found:\n    token.delete()',
        'Token.objects.filter(value="ab").delete()',
        drops=True,
    ),
    "MF102 with branches": Example(
        'for token in Token.objects.filter(value="ab"):\n    if token.used:\n        continue\n'
        "    token.delete()",
        'Token.objects.filter(value="ab").exclude(used=True).delete()',
    ),
}
SHAPES |= {
    "MF203 of a cursor": Example(
        "cursor = schema_editor.connection.cursor()\n"
        'cursor.execute("SELECT id FROM shop_post WHERE title = %s", list("ab"))\n'
        "for post in cursor.fetchall():\n    print(post)",
        "for post in stream_sql(schema_editor.connection,"
        ' "SELECT id FROM shop_post WHERE title = %s", list("ab")):\n    print(post)',
        drops=True,
    ),
    "MF203 of raw rows": Example(
        'for post in Post.objects.raw("ab"):\n    post.save()',
        'for post in stream(Post.objects.raw("ab")):\n    post.save()',
    ),
}
_HEADER = re.compile(r"^( *)for (\w+) in (.*):$", re.MULTILINE)


def _loop_lines(source: str) -> list[str]:
    """The file in three parts: above what is between ``Token = ...`` and ``backwards``, that, below."""
    start = source.index('"Token")\n') + len('"Token")\n')
    end = source.index("\n\ndef backwards")
    return [source[:start], source[start:end], source[end:]]


def _around(opening: str, closing: str = "") -> Callable[[str], str]:
    """The loop inside of other statements: ``opening`` above it, one level out, ``closing`` below."""

    def apply(source: str) -> str:
        above, loop, below = _loop_lines(source)
        depth = "    " * (opening.split("\n")[-1].count("    "))
        return (
            above
            + indent(opening + "\n", "    ")
            + indent(loop, "    " + depth)
            + indent(closing + "\n" if closing else "", "    ")
            + below
        )

    return apply


def _beside(above: str = "", below: str = "") -> Callable[[str], str]:
    def apply(source: str) -> str:
        top, loop, bottom = _loop_lines(source)
        return top + indent(above, "    ") + loop + indent(below, "    ") + bottom

    return apply


def _header(replacement: str) -> Callable[[str], str]:
    def apply(source: str) -> str:
        return _HEADER.sub(lambda m: m.expand(replacement), source)

    return apply


def _replacing(old: str, new: str) -> Callable[[str], str]:
    def apply(source: str) -> str:
        assert old in source
        return source.replace(old, new)

    return apply


def _commented(source: str) -> str:
    above, loop, below = _loop_lines(source)
    lines = [f"{line}  # comment {n}" for n, line in enumerate(loop.splitlines())]
    return above + "\n".join(lines) + "\n" + below


def _comments_between(source: str) -> str:
    above, loop, below = _loop_lines(source)
    lines = []
    for n, line in enumerate(loop.splitlines()):
        space = line[: len(line) - len(line.lstrip())]
        lines += ["", f"{space}# before {n}", line]
    return (
        above
        + "\n".join(lines)
        + "\n        # the last in the body\n    # after the loop\n"
        + below
    )


def _joined(source: str) -> str:
    """``post.kind = 1; post.save()``"""
    simple = r"(?!if\b)(\w.*)"
    while True:
        joined = re.sub(rf"\n {{8}}{simple}\n {{8}}{simple}", r"\n        \1; \2", source)
        if joined == source:
            return joined
        source = joined


def _one_line(source: str) -> str:
    return re.sub(r"(for .*:)\n {8}(?!if\b)(\w.*)\n", r"\1 \2\n", _joined(source))


def _static(source: str) -> str:
    """``forwards`` as a static method of the migration."""
    start, end = source.index("def forwards"), source.index("def backwards")
    method = indent("@staticmethod\n" + source[start:end].rstrip("\n") + "\n", "    ")
    rest = source[:start] + source[end:]
    place = rest.index("    dependencies")
    return rest[:place] + method.rstrip(" ") + "\n" + rest[place:]


def _nested(source: str) -> str:
    above, loop, below = _loop_lines(source)
    return f"{above}\n    def inner():\n{indent(loop, '    ')}\n    inner()\n{below}"


def _below(source: str) -> str:
    """``tidy`` is defined after the function that calls it."""
    start, end = source.index("def tidy"), source.index("def forwards")
    place = source.index("class Migration")
    return source[:start] + source[end:place] + source[start:end] + source[place:]


def _cookie(source: str) -> str:
    return "# -*- coding: latin-1 -*-\n" + source.replace("is missing", "is mïssing")


HAZARDS: dict[str, Callable[[str], str]] = {
    "as it is": lambda source: source,
    "models under another name": _replacing("migrations, models", "migrations, models as m"),
    "no import but migrations": _replacing("migrations, models", "migrations"),
    "imports of the future": _replacing(
        "from django.db import", "from __future__ import annotations\n\nfrom django.db import"
    ),
    "imports in parentheses": _replacing(
        "import migrations, models", "import (\n    migrations,  # this\n    models,\n)"
    ),
    "migrations as a module under another name": lambda source: source.replace(
        "from django.db import migrations, models", "import django.db.migrations as m"
    ).replace("migrations.Migration)", "m.Migration)").replace("migrations.RunPython", "m.RunPython"),
    "imports joined": _replacing(
        "from django.db import migrations, models", "import os; from django.db import migrations"
    ),
    "no docstring": _replacing('"""Fills in what is missing."""\n\n', ""),
    "a hash bang and comments first": lambda source: "#!/usr/bin/env python\n# All rights.\n" + source,
    "an implicit join of strings": _replacing('"ab"', '"a" "b"'),
    "single quotes": _replacing('"ab"', "'ab'"),
    "a raw string": _replacing('"ab"', 'r"ab"'),
    "a long line": _replacing('"ab"', f'"{"long " * 30}"'),
    "unicode in strings": _replacing('"ab"', '"äβ\N{SNOWMAN}\N{PILE OF POO}"'),
    "unicode before the loop on its line": _around('if "ä\N{PILE OF POO}":'),
    "unicode in names": lambda source: re.sub(r"\b(post|token)\b(?!_)", r"\1_é", source),
    "an underscore for the row": lambda source: re.sub(r"\b(post|token)\b(?=[. )])", "_", source),
    "a trailing comma": _replacing('"ab")', '"ab",)'),
    "arguments on lines of their own": _replacing('"ab")', '"ab",  # only these\n    )'),
    "a header in parentheses": _header(r"\1for \2 in (\3):"),
    "a header over several lines with comments": _header(
        r"\1for \2 in (  # one\n\1    # two\n\1    \3  # three\n\1    # four\n\1):"
    ),
    "a target in parentheses": _header(r"\1for (\2) in \3:"),
    "a header with a backslash": _header(r"\1for \2 in \\\n\1        \3:"),
    "spaces in the header": _header(r"\1for  \2  in  \3 :"),
    "a comment on every line": _commented,
    "comments between all lines": _comments_between,
    "a comment for the type checker": _header(r"\1for \2 in \3:  # type: ignore[attr-defined]"),
    "no formatting": _beside("# fmt: off\n", "# fmt: on\n"),
    "statements joined": _joined,
    "a body on the line of the header": _one_line,
    "a block by itself": _around("if apps:"),
    "the other branch": _around("if not apps:\n    pass\nelse:"),
    "a try": _around("try:", "except ValueError:\n    raise"),
    "a finally": _around("try:\n    pass\nfinally:"),
    "a with": _around("with open(__file__):"),
    "a walrus": _around("if (n := apps):", "print(n)"),
    "a match": _around("match apps:\n    case object():"),
    "a while": _around("while apps:", "    break"),
    "a loop over names": _around('for name in ["a", "b"]:'),
    "something on both sides": _beside("x = 1; y = 2\n", "del x, y; print()\n"),
    "a docstring of the function": _replacing("schema_editor):\n    Post", 'schema_editor):\n    """For."""\n    Post'),
    "a return after it": _beside("", "return None\n"),
    "the row's name before the loop": _beside("post = token = None\n"),
    "the row's name after the loop": _beside("", "post = token = None\n"),
    "an async loop beside it": _beside("async def other():\n    async for x in y:\n        pass\n"),
    "a comprehension beside it": _beside("x = [post for post in range(3) for token in ()]\n"),
    "a loop over something else before it": _beside("for x in range(3):\n    pass\nelse:\n    pass\n"),
    "annotations": _replacing("(apps, schema_editor)", "(apps: object, schema_editor: object) -> None"),
    "parameters by position": _replacing("(apps, schema_editor)", "(apps, schema_editor, /)"),
    "parameters under other names": lambda source: source.replace(
        "forwards(apps, schema_editor)", "forwards(registry, editor)"
    ).replace("apps.get_model", "registry.get_model").replace("schema_editor.", "editor."),
    "defaults and stars": _replacing("(apps, schema_editor)", "(apps, schema_editor=None, *_, **__)"),
    "an atomic function": lambda source: source.replace(
        "from django.db import migrations, models", "from django.db import migrations, transaction"
    ).replace("def forwards", "@transaction.atomic\ndef forwards"),
    "an unknown decorator": lambda source: source.replace(
        "from django.db", "import functools\n\nimport imported\nfrom django.db"
    ).replace("def forwards", "@imported.twice\ndef forwards"),
    "a static method": _static,
    "a nested function": _nested,
    "a function below": _below,
    "a lambda around it": _replacing(
        "RunPython(forwards, ", "RunPython(lambda apps, editor: forwards(apps, editor), "
    ),
    "arguments by name": _replacing("RunPython(forwards, backwards)", "RunPython(reverse_code=backwards, code=forwards)"),
    "operations in a name": lambda source: source.replace("    operations = [\n        ", "    op = ").replace(
        "backwards),\n    ]", "backwards)\n    operations = [op]"
    ),
    "tabs": lambda source: source.replace("    ", "\t"),
    "two spaces": lambda source: re.sub(r"^ +", lambda m: " " * (len(m[0]) // 2), source, flags=re.MULTILINE),
    "line ends of Windows": lambda source: source.replace("\n", "\r\n"),
    "line ends of Windows and tabs": lambda source: source.replace("    ", "\t").replace("\n", "\r\n"),
    "a form feed": _replacing("\n\ndef backwards", "\n\n\f\ndef backwards"),
    "a form feed before the function": _replacing("\n\ndef forwards", "\n\n\f\ndef forwards"),
    "a byte order mark": lambda source: "\ufeff" + source,
    "an encoding": _cookie,
    "no newline at the end": lambda source: source.rstrip("\n"),
    "spaces at the ends of lines": lambda source: source.replace(":\n", ":  \n"),
    "blank lines at the end": lambda source: source + "\n\n\n",
    "a string that looks like the loop": _beside('x = """\nfor post in Post.objects.all():\n    pass\n"""\n'),
    "a line continued inside of the body": lambda source: source.replace(" = ", " = \\\n            "),
}  # fmt: skip
MAY_REFUSE = frozenset({
    "an unknown decorator",
    "a loop over names",  # the loop runs more than once
    "a while",
    "a try",  # an error would find other rows written
    "a with",
    "a finally",
    "a walrus",
    "a match",
    "a header over several lines with comments",
})  # fmt: skip


def encoded(name: str, source: str) -> bytes:
    return source.encode("latin-1" if name == "an encoding" else "utf-8")
