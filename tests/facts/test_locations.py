"""Where the fact stands that a codemod stumbles over: the line, the column and the file."""

from __future__ import annotations

import pytest

from migfix.findings import Location
from tests.checking import outcome_of, whole
from tests.rewritten import rewritten

ALL = "for post in Post.objects.all():\n"
# By the codemod that is asked: bodies, in which `HERE` stands in front of what its refusal, or its doubt, is about.
CASES = {
    "MF101": [
        f"{ALL}    post.rank = 1\n    HEREwhile post.rank:\n        post.rank = 0\n    post.save()",
        f"{ALL}    HEREpost.slug = str(post.price)\n    post.save()",
        f"{ALL}    post.rank = 1\n    HEREprint(post.title)\n    post.save()",
        "posts = Post.objects.all()\nfor post in posts:\n    post.rank = 1\n    post.save()\nprint(list(HEREposts))",
    ],
    "MF201": [
        "for post in HEREPost.objects.extra(select={'a': '1'}):\n    print(post.title)",
        f"{ALL}    print(HEREpost.__dict__)",
        f"{ALL}    HEREpost.pk = 3",
        f"{ALL}    post.rank = 1\n    HEREPost.objects.update(rank=3)\n    post.save()",
    ],
    "MF202": [
        f"rows = []\n{ALL}    HERErows.append(post)",
    ],
    "MF301": [
        f"{ALL}    post.rank = len(post.title)\n    HEREPost.objects.filter(rank=3).delete()\n    post.save()",
        f"{ALL}    post.rank = len(post.title)\n    HEREpost.save(force_insert=True)",
        f"{ALL}    post.rank = len(post.title)\n    with transaction.atomic():\n        HEREpost.save()",
        f"{ALL}    if HEREpost.save():\n        post.rank = 1",
        f"{ALL}    post.rank = len(post.title)\n    post.save()\n    HEREpost.delete()",
    ],
    "MF302": [
        f"{ALL}    tag = HERETag.objects.create(name=post.title)\n    print(tag.pk)",
        f"{ALL}    HERETag.objects.create(post.title)",
    ],
    "MF303": [
        f"{ALL}    Post.objects.filter(pk=1).update(rank=post.pk)\n    print(HEREPost.objects.count())",
        f"{ALL}    print(HEREPost.objects.filter(pk=1).update(rank=post.pk))",
        f"{ALL}    HEREPost.objects.filter(pk=1).update(pk=post.pk)",
    ],
}


def marked(text: str) -> tuple[str, Location]:
    before = text[: text.index("HERE")]
    line = before.count("\n") + 1
    return text.replace("HERE", ""), Location(line, len(before.rpartition("\n")[2]) + 1)


@pytest.mark.parametrize(
    ("code", "body"), [(c, body) for c, bodies in CASES.items() for body in bodies]
)
def test_a_refusal_says_where(code, body):
    source, place = marked(whole(body))
    (answer,) = (a for a in outcome_of(source).loops[0].answers if a.code == code)
    assert answer.at == place


UTIL = """
def told(orders):
    orders.filter(n=1).update(n=2)


def seen(order):
    print(order.__dict__)
"""
MODELS = """
migrations.CreateModel("Order", [
    ("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField()), ("text", models.TextField()),
]),
"""
BEFORE = """
from shop.util import seen

def forwards(apps, schema_editor):
    for order in apps.get_model("shop", "Order").objects.all():
        seen(order)
"""


def test_a_refusal_of_a_function_in_another_file_names_the_file():
    _, outcome = rewritten(MODELS, BEFORE, files={"shop/util.py": UTIL})
    (answer,) = (a for a in outcome.loops[0].answers if a.code == "MF201")
    assert answer.at == Location(7, 11, "shop/util.py")
