"""Receivers that hear the signals of every model, and what they hold back."""

from __future__ import annotations

import ast
from textwrap import indent

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.disk.files import Files
from migfix.pipeline import run_source
from migfix.project.discovery import Project
from migfix.project.hearing import hearing
from migfix.project.receivers import changes_here, receivers
from migfix.project.signals import ALL
from migfix.settings import Settings
from tests import checking
from tests.rewritten import rewritten

CONNECTED = [
    "post_save.connect(index)",
    "signals.post_save.connect(index, weak=False)",
    "post_save.connect(index, sender=None)",
    "post_save.connect(index, None)",
    "post_save.connect(receiver=index)",
    "post_save.connect(index, **options)",
    "post_save.connect(index, sender='shop.Order', apps=apps)",
    "@receiver(post_save)\ndef index(sender, **kwargs): ...",
    "@receiver(signal=post_save)\ndef index(sender, **kwargs): ...",
    "receiver(post_save)(index)",
    "@receiver([pre_delete, models.signals.pre_save])\ndef index(sender, **kwargs): ...",
    "@dispatch.receiver(post_init, dispatch_uid='x')\ndef index(sender, **kwargs): ...",
    "from django.dispatch import receiver as on\n@on(post_save)\ndef index(sender, **kwargs): ...",
    "import listening\n@listening.to(post_save)\ndef index(sender, **kwargs): ...",
    "functools.partial(receiver, post_save)(index)",
    "from django.db.models.signals import post_save as saved\nsaved.connect(index)",
    "for name, signal in {'saved': post_save}.items():\n    signal.connect(index)",
    "[signal.connect(index) for signal in (post_save, pre_save)]",
    "SAVED = [signals.post_save]\n@receiver(SAVED)\ndef index(sender, **kwargs): ...",
    "SAVED: Signal = signals.post_save\nSAVED.connect(index)",
    "# post_save\ngetattr(signals, name).connect(index)",
    "# post_save\ndef hear(signal):\n    signal.connect(index)",
    "connect = post_save.connect\nconnect(index)",
    "ModelSignal.connect(post_save, index)",
    "post_save.receivers.append(index)",
    "post_save.receivers += [(key, index)]",
    "post_save.receivers = [(key, index)]",
    "def forget():\n    kept = post_save.receivers\n    post_save.receivers = kept + [index]",
    "def forget():\n    kept = post_save.receivers\n    kept.append(index)",
    "def forget():\n    kept = post_save.receivers\n    post_save.receivers = []\n    return kept",
    "def forget():\n    kept = pre_save.receivers\n    post_save.receivers = kept",
    "def forget():\n    global kept\n    kept = post_save.receivers",
    "def forget():\n    kept = post_save.receivers\n    kept = [index]\n    post_save.receivers = kept",
    "registry.post_save.connect(index)",
    "post_save.connect(index",
    "pre_delete.connect(index)",
    "m2m_changed.connect(index)",
    "class_prepared.connect(index)",
    "@receiver(class_prepared)\ndef index(sender, **kwargs): ...",
    "# pre_migrate\npost_save.connect(index, sender=kwargs['apps'].get_model('shop', 'Order'))",
    # a sender that may be None
    "def on(sender=None):\n    post_save.connect(index, sender=sender)",
    "def on(*, sender=None):\n    post_save.connect(index, sender=sender)",
    "def on(*sender):\n    post_save.connect(index, sender=sender)",
    "def on(sender=None):\n    return receiver(post_save, sender=sender)",
    "SENDER = None\npost_save.connect(index, sender=SENDER)",
    "SENDER = None\npost_save.connect(index, SENDER)",
    "SENDER: type | None = None\npost_save.connect(index, SENDER)",
    "from .models import SENDER_ID\npost_save.connect(index, sender=SENDER_ID)",
    "from .models import sender\npost_save.connect(index, sender=sender)",
    "from .conf import SENDER\npost_save.connect(index, sender=SENDER)",
    "(sender, other) = pick()\npost_save.connect(index, sender=sender)",
    "post_save.connect(index, sender=self.sender)",
    "post_save.connect(index, sender=self.only_for)",
    "class Config:\n    model = None\n    def ready(self):\n        post_save.connect(index, sender=self.model)",
    "def ready(self):\n    self.model = None\n    post_save.connect(index, sender=self.model)",
    "post_save.connect(index, sender=settings.AUDITED)",
    "post_save.connect(index, sender=getattr(settings, 'AUDITED', None))",
    "post_save.connect(index, sender=options.get('sender'))",
    "post_save.connect(index, sender=options['sender'])",
    "post_save.connect(index, sender=Order if audited else None)",
    "for model in models or [None]:\n    post_save.connect(index, sender=model)",
    "def sender(): ...\npost_save.connect(index, sender=sender)",
    "with made() as sender:\n    post_save.connect(index, sender=sender)",
    "class Watcher:\n    model: type | None = None\n    def go(self):\n        post_save.connect(index, sender=self.model)",
    "def go(self):\n    self.model: type = None\n    post_save.connect(index, sender=self.model)",
    "def go(self):\n    self.model, self.x = pick()\n    post_save.connect(index, sender=self.model)",
    "post_save.connect(index, sender=self.model)",
    "post_save.connect(index, sender=config.audit_model)",
    "def watch(model):\n    post_save.connect(index, sender=model)\nwatch(None)",
    "def watch(model):\n    post_save.connect(index, sender=model)\nwatch(model=None)",
    "MODELS = [None]\nfor model in MODELS:\n    post_save.connect(index, sender=model)",
    "def hear(sender, apps, **kw):\n    post_save.connect(index, sender=apps.get_model('shop', 'Order'))",
    # by another name
    "SAVED = (post_save, post_delete)\nfor each in SAVED:\n    each.connect(index)",
    "SAVED = [post_save]\n[s.connect(index) for s in SAVED]",
    "HANDLERS = {post_save: index}\nfor s, f in HANDLERS.items():\n    s.connect(f)",
    "class Config:\n    heard = (post_save,)\n    def ready(self):\n        [s.connect(index) for s in self.heard]",
    "a = post_save\nb = a\nb.connect(index)",
    "def which():\n    return post_save\nwhich().connect(index)",
    "# post_save\ndef hear(signal):\n    signal.connect(receiver=index)",
    # a signal that is handed to something
    "hook(post_save, index)",
    "hook(index, post_save)",
    "Hook(index, when=post_save)",
    "list(map(hear, [post_save]))",
    # all of them
    "from django.db.models import signals\nhear(signals)",
    "from django.db.models import signals\nvars(signals)[name].connect(index)",
    "from django.db.models import signals\n[getattr(signals, n).connect(index) for n in dir(signals)]",
    "from django.db.models import Q, signals\ngetattr(signals, kind + '_save').connect(index)",
    "from django.db.models import (\n    signals,\n)\ngetattr(signals, kind + '_save').connect(index)",
    "from django.db.models import signals as s\ngetattr(s, name).connect(index)",
    "import django.db.models.signals as s\ngetattr(s, name).connect(index)",
    "import_string('django.db.models.signals.post_save').connect(index)",
    "exec('signals.post_save.connect(index)')",
    # Django's own classes
    "models.Model.save = save",
    "models.QuerySet.update = update",
    "models.Model.add_to_class('save', save)",
    "mock.patch.object(models.Model, 'save', save).start()",
    "cls = models.Model\ncls.save = save",
    "cls = models.Model  # why\ncls.save = save",
    "cls = models.Model; cls.save = save",
    "models.CharField.get_prep_value = trimmed",
    "setattr(models.TextField, 'pre_save', trimmed)",
    "models.BooleanField.add_to_class('get_db_prep_save', trimmed)",
    "ModelIterable.__iter__ = walk",
    "setattr(models.QuerySet, 'only', only)",
    "setattr(\n    QuerySet,\n    'update',\n    update,\n)",
    "QuerySet.update, QuerySet.delete = update, delete",
    "QuerySet.update: object = update",
    "from django.db.models import QuerySet as QS\nQS.update = update",
]
WITH_SENDER = [
    "post_save.connect(index, sender=Order)",
    "post_save.connect(index, Order)",
    "@receiver(post_save, sender=Order)\ndef index(sender, **kwargs): ...",
    "@receiver(post_save, sender='shop.Order')\ndef index(sender, **kwargs): ...",
    "@receiver([post_save, pre_save], sender=settings.AUTH_USER_MODEL)\ndef index(sender, **kwargs): ...",
    "def audited(model):\n    post_save.connect(index, sender=model)\n    return model",
    "for model in apps.get_models():\n    post_save.connect(index, sender=model)",
    "post_save.connect(index, sender=self.get_model('Order'))",
    "class_prepared.connect(index, sender=Order)",
    "post_migrate.connect(index)",
    "post_save.send(Order)  # no receiver, nor does it connect",
    "post_save.disconnect(index)",
    "def forget():\n    post_save.receivers = []",
    "def forget():\n    kept = signals.post_save.receivers\n    signals.post_save.receivers = []\n"
    "    fill()\n    signals.post_save.receivers = kept",
    "with mute_signals(post_save):\n    fill()",
    "from django.dispatch import Signal\npost_save = Signal()\npost_save.connect(index)",
    "value = field.pre_save(row, False)\nkeep(value)",
    "keep(field.pre_save, type(field).pre_save)",
    "import socket  # after post_save\nsocket.create().connect(address)",
    "def on(sender):\n    post_save.connect(index, sender=sender)",
    "from shop.models import Order\npost_save.connect(index, sender=Order)",
    "from shop.models import FAQ\npost_save.connect(index, sender=FAQ)",
    "class Order: ...\npost_save.connect(index, sender=Order)",
    "from shop import models\npost_save.connect(index, sender=models.Order)",
    "Order = get_user_model()\npost_save.connect(index, sender=Order)",
    "Order: type = get_order_model()\npost_save.connect(index, sender=Order)",
    "m2m_changed.connect(index, sender=Order.tags.through)",
    "class Config:\n    def ready(self):\n        self.model = load_model('Order')\n"
    "        post_save.connect(index, sender=self.model)",
    "post_save.connect(index, sender=Order if audited else Tag)",
    "if (Order := get_model('Order')):\n    post_save.connect(index, sender=Order)",
    "[post_save.connect(index, sender=model) for model in (Order, Tag)]",
    "init(signals_denylist=[post_save])",
    "from django.db.models import signals\ngetattr(signals, name).connect(index, sender=Order)",
    "class Model: ...\nModel.save = save",
    "forms.CharField.widget = wide",
    "from django import forms\nforms.Field.clean = clean",
    "from rest_framework import serializers\nserializers.Field.default = x\nserializers.CharField.to_python = y",
    "models.CharField.description = 'text'",
    "fake = copy(order)\nfake.save = keep",
    "class Saver:\n    def __init__(self):\n        self.save = keep",
    "models.Field.deconstruct = deconstruct",
    "row.Model = post_save == models.Model.save",
]


def places(root):
    return [(each.place, each.signals) for each in receivers(Project(root, Files()))]


@pytest.mark.parametrize("source", CONNECTED)
def test_a_receiver_that_may_hear_historical_models_is_found(source, tmp_path):
    (tmp_path / "search.py").write_text(f"\n{source}\n")
    found = {place for place, _ in places(tmp_path)}
    assert found <= {f"search.py:{line}" for line in range(1, 6)}
    assert found


@pytest.mark.parametrize("source", WITH_SENDER)
def test_a_receiver_with_a_sender_hears_no_historical_model(source, tmp_path):
    (tmp_path / "search.py").write_text(f"{source}\n")
    assert places(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "signals"),
    [
        ("post_save.connect(index)", {"post_save"}),
        ("receiver([pre_init, post_delete])(index)", {"pre_init", "post_delete"}),
        ("each = pre_save; each = post_delete; each.connect(index)", {"pre_save", "post_delete"}),
        ("class_prepared.connect(index)", ALL),
    ],
)
def test_the_signals_that_are_heard(source, signals, tmp_path):
    (tmp_path / "search.py").write_text(source)
    assert places(tmp_path) == [("search.py:1", signals)]
    assert hearing(receivers(Project(tmp_path, Files())), signals, bool).startswith("search.py:1 ")
    assert hearing(receivers(Project(tmp_path, Files())), ALL - signals, bool) is None


@pytest.mark.parametrize("path", ["tests/helpers.py", "shop/test_search.py", "conftest.py"])
def test_receivers_of_tests_do_not_count(path, tmp_path):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("post_save.connect(index)\n")
    assert places(tmp_path) == []


def written(root, **files):
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_signal_under_the_name_of_another_file(tmp_path):
    written(tmp_path, shop__words="saved = signals.post_save\n",
            shop__search="from shop.words import saved\nsaved.connect(index)\n")  # fmt: skip
    assert places(tmp_path) == [("shop/search.py:2", {"post_save"})]


def test_a_signal_of_another_file_behind_its_module(tmp_path):
    written(tmp_path, shop__words="from django.db.models.signals import post_save as SAVED\n",
            shop__search="from shop import words\nwords.SAVED.connect(index)\n")  # fmt: skip
    assert places(tmp_path) == [("shop/search.py:2", {"post_save"})]


def test_a_signal_of_a_class_that_its_base_connects(tmp_path):
    base = "class Base:\n    def __init_subclass__(cls):\n        cls.heard.connect(cls.hear)\n"
    written(tmp_path, shop__words="class Saved(Base):\n    heard = post_save\n", shop__search=base)
    assert places(tmp_path) == [("shop/search.py:3", {"post_save"})]


def test_a_signal_of_django_called_as_one_of_another_file(tmp_path):
    written(tmp_path, shop__words="post_save = Signal()\n",
            shop__more="from django.db.models.signals import post_save\n",
            shop__search="from shop.more import post_save\npost_save.connect(index)\n")  # fmt: skip
    assert places(tmp_path) == [("shop/search.py:2", {"post_save"})]


def test_a_signal_of_a_package_of_the_project(tmp_path):
    written(tmp_path, shop__search="from shop.signals import post_save\npost_save.connect(index)\n")
    (tmp_path / "shop" / "signals").mkdir()
    (tmp_path / "shop" / "signals" / "__init__.py").write_text("post_save = Signal()\n")
    assert places(tmp_path) == []


def test_a_signal_of_the_project(tmp_path):
    written(tmp_path, shop__words="post_save = Signal()\n",
            shop__search="from shop.words import post_save\npost_save.connect(index)\n")  # fmt: skip
    assert places(tmp_path) == []


def test_signals_of_django_and_of_the_project(tmp_path):
    written(tmp_path, shop__words="post_save = Signal()\n",
            shop__search="from shop.words import post_save as own\n"
                         "from django.db.models.signals import post_save\npost_save.connect(index)\n")  # fmt: skip
    assert places(tmp_path) == [("shop/search.py:3", {"post_save"})]


def test_a_migration_that_connects_to_its_own_model(tmp_path):
    connect = "post_save.connect(index, sender=Order)\n"
    field = (
        "class Field:\n    def contribute_to_class(self, cls, name):\n        "
        + connect.replace("Order", "cls")
    )
    written(
        tmp_path,
        shop__migrations__fill=connect,
        shop__models=connect,
        shop__migrations__field=field,
    )
    assert places(tmp_path) == [("shop/migrations/fill.py:1", {"post_save"})]


def test_a_function_that_migrations_hand_a_model_to(tmp_path):
    watch = "def watch(model):\n    post_save.connect(index, sender=model)\n"
    written(tmp_path, shop__hooks=watch, shop__models="watch(Order)\n")
    assert places(tmp_path) == []
    written(tmp_path, shop__migrations__fill="from shop.hooks import watch\n")
    assert places(tmp_path) == [("shop/hooks.py:2", ALL)]


PATCHED = {
    "a function": "def patch(model):\n    model.save = save\n",
    "a function of the apps": "def patch(apps):\n    kind = apps.get_model('shop', 'Order')\n    kind.save = save\n",
    "one that restores it": "@contextmanager\ndef patch(apps):\n    kind.pre_save = x\n    yield\n    kind.pre_save = y\n",
    "setattr": "def patch(model):\n    setattr(model, 'save', save)\n",
    "several": "def patch(model):\n    model.save, model.x = save, save\n",
    "an annotation": "def patch(model):\n    model.save: object = save\n",
    "a model that is looked up": "def patch(apps):\n    setattr(apps.get_model('shop', 'Order'), 'save', save)\n",
    "add_to_class": "def patch(model):\n    model.add_to_class('save', save)\n",
    "a class": "class patch:\n    def __init__(self, model):\n        model.save = save\n",
}


@pytest.mark.parametrize("name", PATCHED)
def test_what_migrations_call_may_change_a_historical_model(name, tmp_path):
    written(tmp_path, shop__hooks=f"\n{PATCHED[name]}")
    assert places(tmp_path) == []
    written(tmp_path, shop__migrations__fill="from shop.hooks import patch\n")
    ((place, signals),) = places(tmp_path)
    assert place.startswith("shop/hooks.py:")
    assert signals == ALL


@pytest.mark.parametrize(
    "line",
    [
        "Order.save = save",
        "Order.__str__ = lambda self: self.name",
        "field.get_prep_value = trimmed",
        "setattr(Order, 'save', save)",
        "Order.add_to_class('save', save)",
        "setattr(Order, name, save)",
        "type.__setattr__(Order, 'save', save)",
        "setattr(Order._meta.get_field('name'), 'get_prep_value', trimmed)",
        "Order.save, Order.more = save, more",
        "delattr(Order, 'save')",
    ],
)
def test_a_migration_may_change_a_historical_model(line, tmp_path):
    written(tmp_path, shop__migrations__fill=f"def fill(apps, schema_editor):\n    {line}\n")
    assert places(tmp_path) == [("shop/migrations/fill.py:2", ALL)]


@pytest.mark.parametrize(
    "line",
    [
        "Order.objects = Order.live",
        "(Order.objects.all) = Order.live.all",
        "Order.objects.all, x = Order.live.all, 1",
        "Order._meta.db_table = 'shop_other'",
        "Order._meta.ordering = []",
        "Order._meta.get_field('name').column = 'other'",
        "setattr(Order.objects, 'all', rows)",
        "for Order.objects.all in rows: pass",
        "del Order.objects",
        "Order._meta.get_field('name').auto_now = True",
        "Order._meta.get_field('name').auto_now = flag",
        "field = Order._meta.get_field('name'); field.auto_now_add = True",
        "meta = Order._meta; meta.ordering = []",
        "for field in Order._meta.fields: field.column = 'x'",
        "rows = Order.objects; rows.all = x",
        "vars(Order._meta)['ordering'] = []",
        "Order._meta.local_fields.pop()",
        "setattr(Order._meta.get_field('name'), 'auto_now', False)",
    ],
)
def test_a_migration_may_change_its_own_models(line, tmp_path):
    text = f"def fill(apps, schema_editor):\n    {line}\n"
    written(tmp_path, shop__migrations__fill=text)
    assert places(tmp_path) == []
    (found,) = changes_here(ast.parse(text), text.encode(), "fill.py")
    assert (found.place, found.signals) == ("fill.py:2", ALL)


def test_a_migration_that_changes_no_method(tmp_path):
    lines = "    field.auto_now = False\n    self.save = 1\n    order.name = 'save'\n    Order.label = label\n"
    lines += "    Order._meta.get_field('name').auto_now = False\n    order.objects.count == 1\n"
    lines += "    meta = Order._meta\n    for field in meta.fields: names.append(field.name)\n"
    lines += "    field = meta.get_field('name')\n    field.auto_now_add = False\n    Order.objects.update(n=1)\n"
    written(tmp_path, shop__migrations__fill=f"def fill(apps, schema_editor):\n{lines}")
    assert places(tmp_path) == []
    text = f"def fill(apps, schema_editor):\n{lines}"
    assert changes_here(ast.parse(text), text.encode(), "fill.py") == []


def test_a_base_of_historical_models_that_is_changed_elsewhere(tmp_path):
    written(tmp_path, shop__hooks="base.Mixin.save = save\n")
    assert places(tmp_path) == []
    written(tmp_path, shop__migrations__first="bases = (shop.base.Mixin, models.Model)\n")
    assert places(tmp_path) == [("shop/hooks.py:1", ALL)]


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    (folder / "0001_initial.py").write_text(checking.MODELS)
    (folder / "0002_fill.py").write_text(
        checking.whole("for post in Post.objects.all():\n    post.kind = 1\n    post.save()")
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_such_a_receiver_makes_the_update_unsafe_and_every_column_needed(project):
    run = CliRunner().invoke
    assert "MF101" in run(app, ["check", "."]).stdout
    (project / "shop" / "search.py").write_text("post_save.connect(index)\n")
    checked = run(app, ["check", "--database", "postgresql", "."]).stdout
    assert ": MF203 " in checked
    assert "shop/search.py:1 connects a receiver that may hear historical models" in " ".join(
        checked.split()
    )
    assert "MF101 [unsafe]" in run(app, ["check", "--unsafe-fixes", "."]).stdout


def test_receivers_of_which_the_project_says_that_they_are_quiet(project):
    (project / "shop" / "search.py").write_text("post_save.connect(index)\n")
    config = project / "pyproject.toml"
    config.write_text('[tool.migfix]\nquiet-receivers = ["shop/other.py"]\n')
    said = CliRunner().invoke(app, ["check", "-v", "."]).stdout
    assert "search.py:1 connects" in said
    (project / "shop" / "audit.py").write_text("models.Model.save = save\n")
    config.write_text('[tool.migfix]\nquiet-receivers = ["shop/*.py"]\n')
    said = CliRunner().invoke(app, ["check", "-v", "."]).stdout
    assert "search.py:1" not in said
    assert "audit.py:1 changes" in said  # which is no receiver
    (project / "shop" / "audit.py").unlink()
    assert "MF101" in CliRunner().invoke(app, ["check", "."]).stdout


def test_what_keeps_the_helper_away_is_said_before_what_iterator_does_not(project):
    (project / "shop" / "search.py").write_text("post_init.connect(index)\n")
    loop = checking.whole("for post in Post.objects.all():\n    print(post.title)\n").encode()
    path = project / "shop" / "migrations" / "0002_fill.py"
    settings = Settings(frozenset({"MF202", "MF203"}), databases=frozenset({"mysql"}))
    (found,) = run_source(loop, path, settings, rewrite=True).loops
    assert found.blocked_by == "signals"
    assert "does not stream" not in found.reason.partition(";")[0]
    assert ".iterator() reads the whole result" in found.reason


LOOPS = {
    "update": ("post.kind = 1\npost.save()", "MF101", {"pre_init", "post_init", "pre_save", "post_save"}),
    "list": ("post.kind = 1\nrows.append(post)", "MF101", {"pre_init", "post_init"}),
    "other table": ("Attachment.objects.filter(post=post).update(name='')", "MF101", {"pre_init", "post_init"}),
    "delete": ("post.delete()", "MF102", {"pre_init", "post_init", "pre_delete", "post_delete"}),
    "columns": ("print(post.title)", "MF201", {"pre_init", "post_init"}),
    "columns of saved rows": (
        "post.slug = post.title\npost.save()", "MF201", {"pre_init", "post_init", "pre_save", "post_save"},
    ),
    "columns beside other rows": ("print(post.title)\nTag.objects.create(name='x')", "MF201", {"pre_init", "post_init", "pre_save", "post_save"}),
    "columns beside unknown code": ("print(post.title)\nnotify()", "MF201", ALL),
    "columns of rows that others know": ("print(post.title)\nAttachment(post=post)", "MF201", {"pre_init", "post_init"}),
    "stream": ("print(post.name)", "MF202", {"pre_init", "post_init"}),
    "helper": ("post.slug = post.title.title()\npost.save()", "MF203", {"pre_init", "post_init"}),
    "batch": ("post.slug = post.title.title()\npost.save()", "MF301", {"pre_init", "post_init", "pre_save", "post_save"}),
    "batch of named fields": (
        "post.slug = post.title.title()\npost.save(update_fields=['slug'])", "MF301", {"pre_save", "post_save"},
    ),
    "batch of named fields beside a query": (
        "post.slug = post.title.title()\npost.save(update_fields=['slug'])\nprint(Person.objects.first())",
        "MF301", {"pre_init", "post_init", "pre_save", "post_save"},
    ),
    "batch of named fields beside a foreign key": (
        "post.slug = post.author.name\npost.save(update_fields=['slug'])",
        "MF301", {"pre_init", "post_init", "pre_save", "post_save"},
    ),
    "new rows": (
        "Tag.objects.create(name=post.title)", "MF302", {"pre_init", "post_init", "pre_save", "post_save"},
    ),
    "updates by key": ("Person.objects.filter(pk=post.id).update(nick=post.title)", "MF303", set()),
    "updates by key beside a query": (
        "Person.objects.filter(pk=post.id).update(nick=post.title)\nprint(Token.objects.first())",
        "MF303", {"pre_init", "post_init"},
    ),
    "updates by key beside new rows": (
        "Person.objects.filter(pk=post.id).update(nick=post.title)\nToken.objects.create(value='x')",
        "MF303", ALL,
    ),
    "count": ("print(post.title)", "MF401", {"pre_init", "post_init"}),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_what_each_codemod_minds(name, project):
    body, code, minded = LOOPS[name]
    before = "rows = []\n" if name == "list" else ""
    after = "Post.objects.bulk_update(rows, ['kind'])\n" if name == "list" else ""
    source = "Post.objects.all()"
    if name == "stream":
        source = "Person.objects.all()"
    if name == "count":
        before, source = "posts = Post.objects.all()\nprint(len(posts))\n", "posts"
    loop = f"{before}for post in {source}:\n{indent(body, '    ')}\n{after}"
    fill = checking.whole(loop).encode()
    found = set()
    databases = frozenset({"sqlite" if name == "helper" else "postgresql"})
    select = frozenset({code, "MF202", "MF203"} if name == "count" else {code})
    for signal in sorted(ALL):
        (project / "shop" / "search.py").write_text(f"{signal}.connect(index)\n")
        path = project / "shop" / "migrations" / "0002_fill.py"
        outcome = run_source(fill, path, Settings(select, databases=databases), rewrite=True)
        if not any(code in loop.codes for loop in outcome.loops):
            assert "shop/search.py:1" in str(outcome.loops), outcome.loops
            found.add(signal)
    assert found == minded


PAIRS = """
migrations.CreateModel("Tag", [("id", models.AutoField(primary_key=True))]),
migrations.CreateModel("Post", [
    ("id", models.AutoField(primary_key=True)),
    ("title", models.CharField(max_length=50)),
    ("slug", models.CharField(max_length=50)),
    ("tags", models.ManyToManyField("shop.Tag")),
]),
"""


@pytest.mark.parametrize("signal", sorted(ALL))
@pytest.mark.parametrize("change", ["add(1)", "set([1])", "clear()", "create()"])
def test_who_hears_of_pairs_may_look_for_rows_that_wait(change, signal):
    body = f"post.slug = post.title.title()\npost.save(update_fields=['slug'])\npost.tags.{change}"
    loop = f"for post in apps.get_model('shop', 'Post').objects.all():\n{indent(body, '    ')}"
    forwards = f"def forwards(apps, schema_editor):\n{indent(loop, '    ')}\n"
    settings = Settings(frozenset({"MF301"}))
    _, alone = rewritten(PAIRS, forwards, settings)
    assert alone.changed
    hearing = f"from django.db.models.signals import {signal}\n{signal}.connect(print)\n"
    _, heard = rewritten(PAIRS, forwards, settings, {"shop/signals.py": hearing})
    assert not heard.changed
    assert heard.loops[0].blocked_by == "signals"


def test_the_values_of_rows_are_no_rows(project):
    """No instance is made of them."""
    loop = "for title in Post.objects.values_list('title', flat=True):\n    print(title)\n"
    (project / "shop" / "search.py").write_text("class_prepared.connect(index)\n")
    path = project / "shop" / "migrations" / "0002_fill.py"
    settings = Settings(frozenset({"MF202"}), databases=frozenset({"postgresql"}))
    outcome = run_source(checking.whole(loop).encode(), path, settings, rewrite=True)
    assert outcome.loops[0].codes == ("MF202",)
