"""Every way to use a row, narrowed to the columns that it needs and run beside the original.

Equal tables and output on every database, and no query more than before: a column that was left out
would be fetched for each row.
"""

from __future__ import annotations

import pytest

from migfix.settings import Settings
from tests.databases import PARAMETERS
from tests.rewritten import rewritten
from tests.running import Both, run_both

pytestmark = pytest.mark.behaviour

DATABASES = [parameter for parameter in PARAMETERS if parameter.values != ("sqlite",)]
ONLY = Settings(
    select=frozenset({"MF201"}),
    databases=frozenset({"postgresql", "mysql", "mariadb", "sqlite"}),
)
MODELS = """
migrations.CreateModel("Country", [
    ("id", models.BigAutoField(primary_key=True)),
    ("iso", models.CharField(max_length=9, unique=True)),
    ("name", models.CharField(max_length=40)),
    ("anthem", models.TextField(default="la la")),
]),
migrations.CreateModel("Author", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
    ("bio", models.TextField(default="bio")),
    ("notes", models.TextField(default="notes")),
    ("country", models.ForeignKey("shop.Country", models.CASCADE, to_field="iso", null=True,
                                  related_name="authors")),
]),
migrations.CreateModel("Tag", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
    ("text", models.TextField(default="")),
    ("parent", models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")),
]),
migrations.CreateModel("Post", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40, default="Title")),
    ("slug", models.CharField(max_length=40, default="")),
    ("code", models.CharField(max_length=40, unique=True)),
    ("body", models.TextField(default="body")),
    ("note", models.TextField(null=True)),
    ("kind", models.IntegerField(default=1, choices=[(1, "one"), (2, "two")])),
    ("votes", models.IntegerField(default=0)),
    ("file", models.FileField(null=True)),
    ("extra", models.JSONField(null=True)),
    ("day", models.DateField(default="2020-01-02")),
    ("changed", models.DateTimeField(auto_now=True)),
    ("content_type_id", models.IntegerField(default=0)),
    ("object_id", models.IntegerField(default=0)),
    ("author", models.ForeignKey("shop.Author", models.CASCADE, related_name="posts")),
    ("editor", models.ForeignKey("shop.Author", models.SET_NULL, null=True, related_name="edited")),
    ("tags", models.ManyToManyField("shop.Tag", related_name="posts")),
]),
migrations.CreateModel("Profile", [
    ("author", models.OneToOneField("shop.Author", models.CASCADE, primary_key=True,
                                    related_name="profile")),
    ("motto", models.CharField(max_length=40, default="motto")),
    ("page", models.TextField(default="page")),
    ("more", models.TextField(default="more")),
]),
migrations.CreateModel("Photo", [
    ("id", models.BigAutoField(primary_key=True)),
    ("image", models.ImageField(width_field="width", height_field="height", null=True)),
    ("width", models.IntegerField(null=True)),
    ("height", models.IntegerField(null=True)),
    ("title", models.CharField(max_length=40, default="photo")),
    ("text", models.TextField(default="text")),
    ("more", models.TextField(default="more")),
]),
migrations.CreateModel("Place", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40, default="place")),
    ("text", models.TextField(default="text")),
    ("more", models.TextField(default="more")),
]),
migrations.CreateModel("Cafe", [
    ("place_ptr", models.OneToOneField("shop.Place", models.CASCADE, auto_created=True,
                                       parent_link=True, primary_key=True, serialize=False)),
    ("menu", models.CharField(max_length=40, default="menu")),
    ("story", models.TextField(default="story")),
], bases=("shop.place",)),
migrations.CreateModel("Log", [
    ("id", models.BigAutoField(primary_key=True)),
    ("text", models.TextField()),
    ("post", models.ForeignKey("shop.Post", models.SET_NULL, null=True, related_name="logs")),
]),
"""
ROWS = {
    "Country": [{"iso": f"i{n}", "name": f"land {n}"} for n in range(3)],
    "Author": [{"name": f"author {n}", "country_id": f"i{n}" if n < 3 else None} for n in range(5)],
    "Tag": [{"name": f"tag {n}", "parent_id": n or None} for n in range(4)],
    "Post": [
        {
            "title": f"Title {n}",
            "code": f"c{n}",
            "kind": n % 2 + 1,
            "votes": n % 4,
            "file": f"{n}.txt",
            "extra": {"a": n},
            "day": f"2020-01-{n + 1:02}",
            "author_id": n % 5 + 1,
            "editor_id": None if n % 3 else n % 5 + 1,
        }
        for n in range(13)
    ],
    "Profile": [{"author_id": n} for n in (1, 2, 4)],
    "Photo": [{"title": f"photo {n}", "width": n, "height": n} for n in range(4)],
    "Cafe": [{"name": f"cafe {n}", "menu": f"menu {n}"} for n in range(4)],
    "Log": [{"text": f"log {n}", "post_id": n + 1} for n in range(6)],
}
NAMES = ("Country", "Author", "Tag", "Post", "Profile", "Photo", "Place", "Cafe", "Log")
POSTS = 'for post in Post.objects.order_by("pk")'


def function(body: str, functions: str = "") -> str:
    names = "\n".join(f'    {name} = apps.get_model("shop", "{name}")' for name in NAMES)
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    return (
        "import copy\nfrom django.db.models import Count, F, Value\n"
        "from django.db.models.functions import Concat, Length\n\n\n"
        f"{functions}\n\n"
        f"def forwards(apps, schema_editor):\n{names}\n{lines}\n"
    )


def narrowed(
    body: str, database: str = "sqlite-memory", *, functions: str = ""
) -> tuple[tuple[str, ...], Both]:
    """Runs both; the columns that the first narrowed loop names, and what was run.

    Fails on a query more, and if nothing was narrowed.
    """
    before = function(body, functions)
    after, outcome = rewritten(MODELS, before, ONLY)
    loops = [loop for loop in outcome.loops if loop.changed]
    assert loops, [loop.reason for loop in outcome.loops]
    both = run_both(MODELS, before, after, ROWS, database=database, expect="anything")
    assert both.before.error is None, both.before.error
    assert both.before.tables != both.before.start or both.before.output
    assert both.after.queries == both.before.queries, both.after.sql[:20]
    return loops[0].only or tuple(f"-{name}" for name in loops[0].defer or ()), both


# Each use of table 3.1, what it needs, and nothing that it does not.
USES = {
    "the key": (f"{POSTS}:\n    print(post.pk, post.id, post == None, not post)", "id"),
    "printing": (f'{POSTS}:\n    print(post, str(post), repr(post), f"{{post}}")', "id"),
    "a column": (f"{POSTS}:\n    print(post.title)", "title"),
    "getattr": (f'{POSTS}:\n    print(getattr(post, "title"))', "title"),
    "getattr by names that are written out": (
        f'{POSTS}:\n    for name in ("title", "votes"):\n        print(getattr(post, name))',
        "title votes",
    ),
    "setattr by names that are written out": (
        f'{POSTS}:\n    for name in ["slug", "note"]:\n        setattr(post, name, "x")\n    post.save()',
        "slug note file extra changed",
    ),
    "hasattr": (f'{POSTS}:\n    print(hasattr(post, "title"))', "title"),
    "hasattr of a one-to-one that points here": (
        'for author in Author.objects.order_by("pk"):\n'
        '    if hasattr(author, "profile"):\n'
        "        print(author.profile.motto, author.name)",
        "name",
    ),
    "serializable_value": (f'{POSTS}:\n    print(post.serializable_value("title"))', "title"),
    "an f-string of columns": (f'{POSTS}:\n    print(f"{{post.title}} {{post.votes:03}}")', "title votes"),
    "an assignment": (f'{POSTS}:\n    post.slug = "x"\n    post.save()', "slug file extra changed"),
    "adding": (f"{POSTS}:\n    post.votes += 1\n    post.save()", "votes file extra changed"),
    "a foreign key's column": (f"{POSTS}:\n    print(post.author_id, post.author.pk)", "author"),
    "a foreign key that is followed": (f"{POSTS}:\n    print(post.author.bio)", "author"),
    "a foreign key that is set": (
        f"bob = Author.objects.get(pk=1)\n{POSTS}:\n    post.editor = bob\n    post.save()",
        "editor file extra changed",
    ),
    "a foreign key that is nullable": (
        f"{POSTS}:\n    print(post.editor.name if post.editor else None)",
        "editor",
    ),
    "a display name": (f"{POSTS}:\n    print(post.get_kind_display())", "kind"),
    "the next by its date": (
        f'{POSTS}.filter(votes=0):\n    print(post.get_next_by_day(title__gt="").body if post.pk < 9 else 0)',
        "day",
    ),
    "columns of a generic relation": (
        f"{POSTS}:\n    print(post.content_type_id, post.object_id)",
        "content_type_id object_id",
    ),
    "a many-to-many manager": (
        f"tag = Tag.objects.get(pk=1)\n{POSTS}:\n    post.tags.add(tag)\n    print(post.tags.count())",
        "id",
    ),
    "a reverse manager": (
        f"{POSTS}:\n    post.logs.create(text=str(post.votes))\n    print(post.logs.count())",
        "votes",
    ),
    "a reverse manager by another column than the key": (
        'for country in Country.objects.order_by("pk"):\n'
        "    country.authors.create(name=country.name)\n"
        "    print(country.authors.count())",
        "iso name",
    ),
    "a filter's value": (
        f"{POSTS}:\n    print(Log.objects.filter(post=post).count(), Log.objects.filter(post__in=[post]).count())",
        "id",
    ),
    "a filter's value by another column than the key": (
        'for country in Country.objects.order_by("pk"):\n    Author.objects.create(name="x", country=country)',
        "iso",
    ),
    "another row's foreign key": (f'{POSTS}:\n    Log.objects.create(post=post, text="x")', "id"),
    "reading again": (
        f'{POSTS}:\n    Post.objects.filter(pk=post.pk).update(title="x")\n'
        "    post.refresh_from_db()\n    print(post.title)",
        "title",
    ),
    "a delete": (f"{POSTS}:\n    if post.votes == 2:\n        post.delete()", "votes"),
    "a delete of what others point to": (
        'for country in Country.objects.order_by("pk"):\n'
        '    if country.name != "land 1":\n        country.delete()',
        "name iso",
    ),
    "a delete of what points to itself": (
        'for tag in Tag.objects.order_by("pk"):\n    if tag.name.endswith("1"):\n        tag.delete()',
        "name",
    ),
    "save of named fields": (f'{POSTS}:\n    post.votes = 7\n    post.save(update_fields=["votes", "editor_id"])', "votes editor"),
    "save of names that a list collects": (
        f"{POSTS}:\n"
        "    names = []\n"
        "    if post.votes:\n"
        '        post.slug = "x"\n'
        '        names.append("slug")\n'
        "    if names:\n"
        '        names.extend(["note", "kind"])\n'
        "        post.save(update_fields=names)",
        "votes slug note kind",
    ),
    "bulk_update at the end": (
        f"posts = []\n{POSTS}:\n    post.slug = post.title\n    posts.append(post)\n"
        'Post.objects.bulk_update(posts, ["slug", "votes"])',
        "slug title votes",
    ),
    "bulk_update now and then": (
        f"posts = []\n{POSTS}:\n"
        '    post.slug = f"{post.title} x"\n'
        "    posts.append(post)\n"
        "    if len(posts) >= 4:\n"
        '        Post.objects.bulk_update(posts, ["slug"], batch_size=2)\n'
        "        posts = []\n"
        "if posts:\n"
        '    Post.objects.bulk_update(posts, ["slug", "note"])',
        "slug title note",
    ),
    "another name": (f"{POSTS}:\n    p = post\n    print(p.title)\n    p.slug = 'x'\n    p.save()", "title slug file extra changed"),
    "the row of the turn before": (
        f"last = None\n{POSTS}:\n    if last is not None and last.votes:\n"
        "        print(last.title, post.kind)\n    last = post",
        "votes title kind",
    ),
    "a file": (f"{POSTS}:\n    print(post.file.name, 1 if post.file else 2)", "file"),
    "an image": ('for photo in Photo.objects.order_by("pk"):\n    print(photo.image.name)', "image width height"),
    "no image": ('for photo in Photo.objects.order_by("pk"):\n    print(photo.title)', "title"),
    "only the width of an image": ('for photo in Photo.objects.order_by("pk"):\n    print(photo.width)', "width"),
    "an image whose row is saved": (
        'for photo in Photo.objects.order_by("pk"):\n    photo.title = "x"\n    photo.save()',
        "title image width height",
    ),
    "a child's own column": ('for cafe in Cafe.objects.order_by("pk"):\n    print(cafe.menu, cafe.pk, cafe.place_ptr_id, cafe.id)', "menu"),
    "a column of the parent": ('for cafe in Cafe.objects.order_by("pk"):\n    print(cafe.name, cafe.id)', "name"),
    "a child that saves named fields": (
        'for cafe in Cafe.objects.order_by("pk"):\n    cafe.name = cafe.menu\n    cafe.save(update_fields=["name"])',
        "name menu",
    ),
    "a one-to-one that is the key": (
        'for profile in Profile.objects.order_by("author"):\n    print(profile.pk, profile.author.name, profile.motto)',
        "motto",
    ),
    "a key to itself": ('for tag in Tag.objects.order_by("pk"):\n    print(tag.parent.name if tag.parent else 0)', "parent"),
}  # fmt: skip


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("case", USES.values(), ids=USES)
def test_what_each_use_of_a_row_needs(case, database):
    body, expected = case
    names, _ = narrowed(body, database)
    assert set(names) == set(expected.split())


JOIN = 'for post in Post.objects.select_related("{}").order_by("pk")'
CHAINS = {
    "a joined row": (JOIN.format("author") + ":\n    print(post.author.name)", "author author__name"),
    "a joined row of which the key is enough": (
        JOIN.format("author") + ":\n    print(post.author.pk, post.author.id, post.author_id)",
        "author author__id",
    ),
    "a joined row that nothing needs": (
        JOIN.format("author") + ":\n    print(post.title)",
        "title author author__id",
    ),
    "a joined row that may be none": (
        JOIN.format("editor") + ":\n    print(post.editor and post.editor.name, post.title)",
        "editor title editor__name",
    ),
    "two links": (
        JOIN.format("author__country") + ":\n    print(post.author.country and post.author.country.name)",
        "author author__country author__country__iso author__country__name",
    ),
    "two chains": (
        'for post in Post.objects.select_related("author", "editor").select_related("author__country").order_by("pk"):\n'
        "    print(post.author.name, post.author.country_id)",
        "author editor author__country author__name author__country__iso editor__id",
    ),
    "another name for a joined row": (
        JOIN.format("author") + ":\n    author = post.author\n    print(author.name, post.title)",
        "author title author__name",
    ),
    "a joined row that is changed": (
        JOIN.format("author") + ':\n    post.author.name = "x"\n    post.author.save()\n    print(post.title)',
        "author title",
    ),
    "a joined row that gets away": (
        JOIN.format("author") + ":\n    print([post.author][0].bio)",
        "author",
    ),
    "a joined row as a value": (
        JOIN.format("author") + ":\n    print(Post.objects.filter(author=post.author).count())",
        "author author__id",
    ),
    "a joined row's managers": (
        JOIN.format("author") + ":\n    print(post.author.posts.count())",
        "author",
    ),
    "a joined row in a function of the file": (
        JOIN.format("author") + ":\n    print(name_of(post))",
        "author author__name",
    ),
    "a joined row whose own row is saved": (
        JOIN.format("author") + ":\n    post.slug = post.author.name\n    post.save()",
        "slug author file extra changed author__name",
    ),
    "a joined row by another column than its key, saved": (
        'for author in Author.objects.select_related("country").order_by("pk"):\n'
        "    author.name = author.country.name if author.country else '-'\n    author.save()",
        "name country country__iso country__name",
    ),
    "a joined row, read again": (
        JOIN.format("author") + ":\n    post.refresh_from_db()\n    print(post.author.bio, post.title)",
        "author title author__bio",
    ),
    "a joined row of a key to itself": (
        'for tag in Tag.objects.select_related("parent").order_by("pk"):\n'
        "    print(tag.name, tag.parent.name if tag.parent else 0)",
        "name parent parent__name",
    ),
    "a joined row without its large columns": (
        'for tag in Tag.objects.select_related("parent").order_by("pk"):\n'
        "    print(tag.name, tag.parent.name if tag.parent else 0)",
        "name parent parent__name",
    ),
    "a prefetched foreign key": (
        'for post in Post.objects.prefetch_related("author").order_by("pk"):\n    print(post.author.bio)',
        "author",
    ),
    "a prefetched foreign key that nothing names": (
        'for post in Post.objects.prefetch_related("author__country").order_by("pk"):\n    print(post.title)',
        "author title",
    ),
    "prefetched rows of many-to-many": (
        'for post in Post.objects.prefetch_related("tags", "logs").order_by("pk"):\n'
        "    print([tag.name for tag in post.tags.all()], [log.text for log in post.logs.all()])",
        "id",
    ),
    "prefetched rows by another column than the key": (
        'for country in Country.objects.prefetch_related("authors").order_by("pk"):\n'
        "    print([author.name for author in country.authors.all()])",
        "iso",
    ),
    "joined and prefetched": (
        'for post in Post.objects.select_related("author").prefetch_related("author__country").order_by("pk"):\n'
        "    print(post.author.name)",
        "author",
    ),
    "annotated": (
        'for post in Post.objects.annotate(size=Length("title")).order_by("pk"):\n'
        "    post.votes = post.size\n    post.save()",
        "votes file extra changed",
    ),
    "annotated with what comes from joins": (
        'for post in Post.objects.annotate(name=Concat(F("author__name"), Value("!"))).order_by("pk"):\n'
        "    print(post.name, post.title)",
        "title",
    ),
    "counted": (
        'for post in Post.objects.annotate(n=Count("logs")).order_by("pk"):\n    print(post.n, post.title)',
        "title",
    ),
    "an alias": (
        'for post in Post.objects.alias(n=Count("logs")).filter(n=1).order_by("pk"):\n    print(post.title)',
        "title",
    ),
    "sliced": ('for post in Post.objects.order_by("-pk")[2:9]:\n    print(post.title)', "title"),
    "distinct": (
        'for post in Post.objects.filter(logs__text__gt="").distinct().order_by("pk"):\n    print(post.title)',
        "title",
    ),
    "with a condition in SQL": (
        'for post in Post.objects.extra(where=["votes > %s"], params=[1]).order_by("pk"):\n    print(post.title)',
        "title",
    ),
    "the rows of one row": (
        "author = Author.objects.get(pk=2)\n"
        'for post in author.posts.order_by("pk"):\n    print(post.title)',
        "author title",
    ),
    "the rows of each row": (
        'for author in Author.objects.order_by("pk"):\n'
        '    for post in author.edited.order_by("pk"):\n        print(post.title, post.editor.name, author.name)',
        "editor title",
    ),
    "the rows of a row by another column than the key": (
        "country = Country.objects.get(pk=2)\n"
        'for author in country.authors.order_by("pk"):\n'
        '    author.name = "x"\n    author.save()\n    print(author.country.name)',
        "country name",
    ),
    "nearly all columns and a joined row": (
        JOIN.format("author") + ":\n    print(post.title, post.slug, post.code, post.body, post.note,"
        " post.kind, post.votes, post.extra, post.day, post.content_type_id, post.object_id,"
        " post.editor_id, post.author.name)\n    post.save()",
        "-author__bio -author__notes -author__country",
    ),
    "the many-to-many rows of a row": (
        "post = Post.objects.get(pk=2)\npost.tags.set(Tag.objects.all())\n"
        'for tag in post.tags.order_by("pk"):\n    print(tag.name)',
        "name",
    ),
}  # fmt: skip
FUNCTIONS = """
def name_of(post):
    author = post.author
    return author.name
"""


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("case", CHAINS.values(), ids=CHAINS)
def test_what_each_form_of_the_queryset_needs(case, database):
    body, expected = case
    names, _ = narrowed(body, database, functions=FUNCTIONS)
    assert set(names) == set(expected.split())
