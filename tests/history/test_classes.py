"""What the source of a field class or of a mixin says, and what it leaves uncertain."""

from __future__ import annotations

from textwrap import dedent

import pytest

from migfix.history.classes import reading as classes
from migfix.history.state import BaseClass, FieldClass, FieldState, ModelState, Unknown

HEADER = """\
from django.db import models
from django.db.models import signals
from django.utils import timezone

"""


@pytest.fixture
def model(written):
    """The model ``shop.Item`` whose field ``x`` is of a class of ``shop.fields``."""

    def find(source: str, call: str = "Custom()", extra: str = "", bases: str = "") -> ModelState:
        written.file("shop/fields.py", HEADER + dedent(source))
        key = '("id", models.AutoField(primary_key=True))'
        operation = (
            f'migrations.CreateModel("Item", [{key}, ("x", fields.{call})], {bases}),{extra}'
        )
        written.migration("shop.0001_initial", operation, top="from shop import fields\n")
        found = written.state("shop.0001_initial").model("shop", "Item")
        assert isinstance(found, ModelState), found
        return found

    return find


@pytest.fixture
def custom(model):
    """The field ``x`` as ``model`` makes it."""

    def find(source: str, call: str = "Custom()") -> FieldState:
        found = model(source, call).field("x")
        assert found is not None
        return found

    return find


SUPER = "super().__init__(*args, **kwargs)"


def body(text: str, base: str = "models.CharField") -> str:
    return f"class Custom({base}):\n" + "\n".join(f"    {line}" for line in text.splitlines())


def init(*lines: str, last: str = SUPER) -> str:
    steps = "\n".join(f"    {line}" for line in (*lines, last))
    return f"def __init__(self, *args, **kwargs):\n{steps}"


def deconstruct(*lines: str, returned: str = "name, path, args, kwargs") -> str:
    start = "name, path, args, kwargs = super().deconstruct()"
    steps = "\n".join(f"    {line}" for line in (start, *lines, f"return {returned}"))
    return f"def deconstruct(self):\n{steps}"


# --- whose values go Django's way ----------------------------------------------------------------

PLAIN = {
    "nothing of its own": "pass",
    "texts": '"""A field."""\ndescription = "x"\nMAX = 3',
    "forms and validation": "default_validators = []\ndef formfield(self, **kwargs):\n    return None\n"
    "def validate(self, value, instance):\n    pass",
    "its base's own type": 'def get_internal_type(self):\n    """Which."""\n    return "CharField"',
    "options": init('kwargs["max_length"] = 9', 'kwargs.setdefault("null", True)'),
    "options in the call": init(last="super().__init__(*args, max_length=9, **kwargs)"),
    "the old way to call": init(last="models.CharField.__init__(self, *args, **kwargs)"),
    "the older way": init(last="super(Custom, self).__init__(*args, **kwargs)"),
    "a deconstruct": init('kwargs["max_length"] = 9')
    + "\n"
    + deconstruct(
        'if self.x == 1:\n        del kwargs["max_length"]', 'kwargs.pop("help_text", 0)'
    ),
    "methods that nothing in Django calls": "def to_activity(self, value):\n    return other(value)\n"
    "@property\ndef shown(self):\n    return 1\n@staticmethod\ndef made():\n    return 1",
    "hidden methods": "def _parse(self, value):\n    return 1",
    "an object that a method is given": "def to_row(self, row, data):\n    setattr(row, self.name, data)",
    "values that nothing in Django asks for": "schema = {}\nwidget: object = Widget",
    "a deconstruct that adds nothing": "def deconstruct(self):\n    return super().deconstruct()",
}


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_a_class_whose_values_go_the_way_of_its_base(custom, text):
    found = custom(body(text))
    assert found.kind == found.saved_as == "CharField"
    assert found.class_path == "shop.fields.Custom"
    assert found.is_relation is False


OTHERS = {
    "pre_save": "def pre_save(self, instance, add):\n    return 1",
    "pre_save bound": "pre_save = print",
    "get_default": "def get_default(self):\n    return 1",
    "has_default": "def has_default(self):\n    return True",
    "get_prep_value": "def get_prep_value(self, value):\n    return value",
    "get_db_prep_save": "def get_db_prep_save(self, value, connection):\n    return value",
    "from_db_value": "from_db_value = lambda self, value, *rest: value",
    "to_python": "def to_python(self, value):\n    return value",
    "db_type": 'def db_type(self, connection):\n    return "timestamp ON UPDATE"',
    "another type": 'def get_internal_type(self):\n    return "TextField"',
    "a type that is computed": "def get_internal_type(self):\n    return find()",
    "descriptor_class": "descriptor_class = Descriptor",
    "contribute_to_class": "def contribute_to_class(self, cls, name):\n    pass",
    "a property": "@property\ndef attname(self):\n    return 1",
    "a hidden method of Django": "def _get_default(self):\n    pass",
    "another field that is changed": "def shown(self, other):\n    other = self\n    setattr(other, 'pre_save', 1)",
    "its own field by the name that it is given": "def shown(self, x):\n    setattr(self, x, 1)",
    "its own class": "@classmethod\ndef shown(cls, x):\n    setattr(cls, x, 1)",
    "a special method": "def __get__(self, instance, owner):\n    return 1",
    "what Django looks for": "def bulk_related_objects(self, rows):\n    return 1",
    "a method that something else makes of it": "@connected\ndef shown(self):\n    pass",
    "a value that is a function": "shown = lambda self: 1",
    "code in the body": "if True:\n    pre_save = print",
    "several names": "description, pre_save = 1, print",
    "an instance that is changed": init(last=f"self.pre_save = print; {SUPER}"),
    "an instance changed by name": "def formfield(self):\n    setattr(self, 'pre' + '_save', 1)",
    "an instance's dictionary": "def check(self):\n    self.__dict__.update(pre_save=1)",
    "an instance's class": init(last="self.__class__ = Other"),
    "an init that is wrapped": "@wrapped\n" + init(),
    "an init from elsewhere": "__init__ = wrapped",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_a_class_whose_values_may_go_another_way(custom, text):
    found = custom(body(text))
    assert found.kind is found.saved_as is None
    assert isinstance(found.null, Unknown)
    assert found.behind.doubt.startswith("shop.fields.Custom ")


AROUND = {
    "a metaclass": "class Custom(models.CharField, metaclass=Meta): pass",
    "a decorator": "@changed\nclass Custom(models.CharField): pass",
    "a base that is computed": "class Custom(with_metaclass(Meta, models.CharField)): pass",
    "a base of a package": "import thirdparty\nclass Custom(thirdparty.CharField): pass",
    "a mixin of a package": "import thirdparty\nclass Custom(thirdparty.Mixin, models.CharField): pass",
    "two bases of Django": "class Custom(models.CharField, models.TextField): pass",
    "no base of Django": "class Custom: pass",
    "Django's abstract field": "class Custom(models.Field): pass",
    "two classes": "class Custom(models.CharField): pass\nclass Custom(models.CharField): pass",
    "another class in a branch": (
        "class Custom(models.CharField): pass\nif x:\n    class Custom(models.TextField): pass"
    ),
    "another binding": "class Custom(models.CharField): pass\nCustom = changed(Custom)",
    "a class in a branch": "if x:\n    class Custom(models.CharField): pass",
    "a change from outside": "class Custom(models.CharField): pass\nCustom.pre_save = print",
    "a change by name": "class Custom(models.CharField): pass\nsetattr(Custom, 'pre_save', 1)",
    "a base that says more": (
        "class Base(models.CharField):\n    def pre_save(self, i, add): return 1\n"
        "class Custom(Base): pass"
    ),
    "a mixin that says more": (
        "class Mixin:\n    def to_python(self, v): return 1\n"
        "class Custom(Mixin, models.CharField): pass"
    ),
    "its own base": "class Custom(Custom): pass",
    "a class that is not there": "",
}


@pytest.mark.parametrize("source", AROUND.values(), ids=AROUND)
def test_a_class_that_is_not_certainly_what_its_body_says(custom, source):
    found = custom(source)
    assert found.kind is found.saved_as is None
    assert found.behind.doubt


def test_bases_and_other_names_are_followed(custom, written):
    written.file("shop/__init__.py", "")
    written.file("shop/base.py", HEADER + "class Base(models.SlugField): pass\n")
    written.file("shop/star.py", "from shop.base import *\n")
    assert custom("from shop.base import Base as Custom").kind == "SlugField"
    assert custom("from shop.star import *").kind is None


def test_a_class_called_like_the_one_that_it_descends_from(custom, written):
    written.file("shop/base.py", HEADER + "class Custom(models.SlugField): pass\n")
    source = "from shop.base import Custom as Base\nclass Custom(Base): pass"
    assert custom(source).kind == "SlugField"
    source = "class Custom(models.TextField): pass\nfrom shop.base import Base as Custom"
    assert custom(source).kind is None
    source = "from shop.base import Custom\nclass Custom(models.TextField): pass"
    assert custom(source).kind is None


def test_names_are_followed_through_a_star(custom, written):
    written.file("shop/base.py", HEADER + "class Custom(models.SlugField): pass\n")
    assert custom("from shop.base import *").kind == "SlugField"


def test_a_mixin_without_a_word_on_values(custom):
    source = "class Mixin:\n    description = 1\nclass Custom(Mixin, models.TextField): pass"
    assert custom(source).kind == "TextField"


def test_a_class_that_does_something_in_save_alone(custom):
    computing = "def pre_save(self, row, add):\n    return getattr(row, self.of)"
    found = custom(body(computing + "\ndef made(self, row):\n    return row.x"))
    assert found.kind is found.saved_as is None
    assert found.behind.only_saves
    assert isinstance(found.has_column, Unknown)
    mixin = body(computing, "object").replace("Custom", "Mixin")
    assert custom(f"{mixin}\nclass Custom(Mixin, models.CharField): pass").behind.only_saves


@pytest.mark.parametrize(
    "more",
    [
        "def from_db_value(self, value, *args):\n    return value",
        "def contribute_to_class(self, cls, name):\n    pass",
        "descriptor_class = Descriptor",
        "def __init__(self, *args):\n    self.descriptor_class = Descriptor",
        "if True:\n    pass",
    ],
)
def test_a_class_that_does_something_besides_save(custom, more):
    text = "def pre_save(self, row, add):\n    return 1\n" + more
    assert not custom(body(text)).behind.only_saves


def test_a_class_of_a_package_that_does_something_in_save_alone(custom):
    slug = "from django_extensions.db.fields import AutoSlugField"
    for source in (f"{slug} as Custom", f"{slug}\nclass Custom(AutoSlugField): pass"):
        found = custom(source)
        assert (found.kind, found.saved_as, found.behind.only_saves) == (None, None, True)
    other = custom("from django_extensions.db.fields import EncryptedCharField as Custom")
    assert not other.behind.only_saves


# --- options -------------------------------------------------------------------------------------


def test_options_that_the_class_sets_itself(custom):
    text = init('kwargs["unique"] = True', 'kwargs.setdefault("null", True)')
    assert custom(body(text)).unique is True
    assert custom(body(text)).null is True
    assert custom(body(text), "Custom(null=False, unique=False)").null is False
    assert custom(body(text), "Custom(null=False, unique=False)").unique is True


def test_options_that_bases_set_after(custom):
    text = init('kwargs["null"] = True', 'kwargs.setdefault("unique", True)')
    base = body(text).replace("Custom", "Base")
    late = body(init('kwargs["null"] = False', 'kwargs.setdefault("unique", False)'), "Base")
    found = custom(f"{base}\n{late}")
    assert found.null is True
    assert found.unique is False


UNSURE = {
    "a value that is computed": (init('kwargs["null"] = find()'), "Custom()"),
    "an option that gets lost": (deconstruct('del kwargs["null"]'), "Custom(null=True)"),
    "a default that comes back": (
        init('kwargs.setdefault("null", True)') + "\n" + deconstruct('kwargs.pop("null")'),
        "Custom(null=False)",
    ),
}


@pytest.mark.parametrize(("text", "call"), UNSURE.values(), ids=UNSURE)
def test_an_option_that_is_not_certain(custom, text, call):
    found = custom(body(text), call)
    assert found.kind == "CharField"
    assert isinstance(found.null, Unknown)


KEPT_TO_ITSELF = {
    "validators": init(last=SUPER + "\n    self.validators += [Smallest(1)]"),
    "validators of its own": init(last=SUPER + "\n    self.validators = [Smallest(1)]"),
    "one more validator": init(last=SUPER + "\n    self.validators.append(Smallest(1))"),
    "more validators": init(last=SUPER + "\n    self.validators.extend([Smallest(1)])"),
    "an option of its own": init('self.currency = kwargs.pop("currency", None)'),
    "a hidden option of its own": init('self._currency = kwargs.pop("currency", None)'),
    "an option of its own, without a default": init('self.currency = kwargs.pop("currency")'),
    "an option that is dropped": init('kwargs.pop("currency", None)'),
    "an option that is read": init('longest = kwargs.get("max_length")', "self.longest = longest"),
    "an option that may be missing": init(
        "try:\n        longest = kwargs['max_length']\n    except KeyError:\n        longest = None",
        last=SUPER + "\n    if longest:\n        self.validators += [Longest(longest)]",
    ),
    "an option that deconstruct gives back": init('self.currency = kwargs.pop("currency", None)')
    + "\n" + deconstruct('kwargs["currency"] = self.currency'),
    "an option that deconstruct may give back": init('self.currency = kwargs.pop("currency", None)')
    + "\n" + deconstruct('if self.currency:\n        kwargs["currency"] = self.currency'),
}  # fmt: skip


@pytest.mark.parametrize("text", KEPT_TO_ITSELF.values(), ids=KEPT_TO_ITSELF)
def test_what_a_class_keeps_to_itself(custom, text):
    found = custom(body(text), "Custom(max_length=3, null=True, currency='x')")
    assert (found.kind, found.null, found.verified) == ("CharField", True, True)


def test_an_option_by_a_name_of_the_function(custom):
    source = "EMPTY = False\n" + body(init("EMPTY = True", 'kwargs["null"] = EMPTY'))
    assert custom(source).null is not False
    source = "EMPTY = False\n" + body(
        init("for EMPTY in [True]:\n        pass", 'kwargs["null"] = EMPTY')
    )
    assert custom(source).null is not False


@pytest.mark.parametrize("name", ["TaggableManager", "Other"])
def test_a_manager_that_is_no_column(written, name):
    key = '("id", models.AutoField(primary_key=True))'
    field = f'("tags", taggit.managers.{name}(to="taggit.Tag"))'
    written.migration(
        "shop.0001_initial",
        f'migrations.CreateModel("Item", [{key}, {field}]),',
        top="import taggit.managers\n",
    )
    found = written.state("shop.0001_initial").model("shop", "Item").field("tags")
    assert (found.has_column is False) == (name == "TaggableManager")


def test_a_class_above_which_is_a_manager_that_is_no_column(custom):
    tags = "from taggit.managers import TaggableManager\n"
    for text in ("pass", "def formfield(self):\n    return 1", init("print(self)")):
        found = custom(tags + body(text, "TaggableManager"), 'Custom(to="shop.Tag")')
        assert (found.kind, found.has_column) == (None, False)
    for text in (
        "column = 'x'",
        "def pre_save(self, row, add):\n    return 1",
        "def __get__(self):\n    pass",
    ):
        found = custom(tags + body(text, "TaggableManager"), 'Custom(to="shop.Tag")')
        assert found.has_column is not False
    other = custom(tags + body("pass", "models.CharField, TaggableManager"))
    assert (other.kind, other.saved_as) == (None, None)


def test_a_status_of_a_package_is_a_text(custom):
    status = "from model_utils.fields import StatusField"
    found = custom(
        f"{status} as Custom", "Custom(default='a', choices=[], no_check_for_status=True)"
    )
    assert (found.kind, found.null, found.options["default"]) == ("CharField", False, "a")
    monitor = custom("from model_utils.fields import MonitorField as Custom")
    assert (monitor.kind, monitor.saved_as) == (None, None)


OWN_WAYS = {
    "an attribute of Django's": init('self.null = kwargs.pop("empty", False)'),
    "an option of Django's": init('self.longest = kwargs.pop("max_length", 3)'),
    "an option of Django's that is dropped": init('kwargs.pop("max_length", 3)'),
    "an option of a name": init("self.currency = kwargs.pop(name)"),
    "a default that is computed": init("self.currency = kwargs.pop('currency', kwargs.clear())"),
    "the options themselves": init("self.given = kwargs"),
    "the options by another name": init("given = kwargs"),
    "other options instead": init("kwargs = {}"),
    "other arguments instead": init("args = ()"),
    "another parent": init("super = other"),
    "another field": init("self = other"),
    "the field handed on": init("self.currency = made(self)"),
    "the options handed on": init("self.currency = made(kwargs)"),
    "a name of the module": init("Custom = 1"),
    "a method of Django's": init("self.get_lookup = 1"),
    "code that runs": init("x = patch(Custom)"),
    "code of the project that runs": init("self.currency = made()"),
    "the class handed on": init("self.currency = Made(__class__)"),
    "options that an own one sets": init('self.currency = kwargs.pop("currency", None)')
    + "\n"
    + deconstruct('kwargs["currency"] = kwargs.update(null=True)'),
    "options that a shown one sets": deconstruct('kwargs["help_text"] = kwargs.update(null=True)'),
    "options that a test sets": deconstruct("if (kwargs := {}):\n        pass"),
    "a hidden attribute": init("self._validators = kwargs.get('x')"),
    "another attribute that grows": init("self.empty_values += [1]"),
    "options in a test": init("if kwargs.pop('null', 0):\n        pass"),
    "other options in a test": init("if (kwargs := {}):\n        pass"),
    "something after an error": init(
        "try:\n        x = 1\n    except KeyError:\n        kwargs.clear()"
    ),
    "another error": init("try:\n        x = 1\n    except TypeError:\n        x = 2"),
    "an option under a condition": init("if kwargs.get('x'):\n        kwargs['null'] = True"),
    "an argument of its own": "def __init__(self, *args, size=1, **kwargs):\n    " + SUPER,
    "a positional one": "def __init__(self, size, *args, **kwargs):\n    " + SUPER,
    "other code": init("print(kwargs)"),
    "an attribute": init("self.size = 1"),
    "an option taken away": init('kwargs.pop("null", None)'),
    "arguments kept": init(last="super().__init__(**kwargs)"),
    "options kept": init(last="super().__init__(*args)"),
    "other options": init(last="super().__init__(*args, **{})"),
    "a base of the base": init(last="models.Field.__init__(self, *args, **kwargs)"),
    "what comes after another class": init(last="super(Other, self).__init__(*args, **kwargs)"),
    "no call": init(last="pass"),
    "a call before the end": init(SUPER, 'kwargs["null"] = True', last="pass"),
    "an option that deconstruct sets": deconstruct('kwargs["null"] = True'),
    "arguments that deconstruct keeps": deconstruct(returned="name, path, [], {}"),
    "options that deconstruct mixes": deconstruct(returned="name, path, kwargs, args"),
    "a deconstruct that does more": deconstruct("kwargs.clear()"),
    "a test that does more": deconstruct('if kwargs.pop("null"):\n        pass'),
}


@pytest.mark.parametrize("text", OWN_WAYS.values(), ids=OWN_WAYS)
def test_options_are_not_known_where_the_class_has_its_own_ways(custom, text):
    found = custom(body(text), "Custom(null=False)")
    assert found.kind is None
    assert found.saved_as == "CharField"
    assert found.has_column is True
    assert isinstance(found.primary_key, Unknown)


@pytest.mark.parametrize(
    "kind", ["DateField", "DateTimeField", "TimeField", "ImageField", "FileField"]
)
def test_without_the_options_some_fields_may_compute_something(custom, kind):
    assert custom(body("pass", f"models.{kind}")).saved_as == kind
    assert custom(body(init("self.size = 1"), f"models.{kind}")).saved_as is None


def test_an_init_of_one_base_among_several(custom):
    text = init(last="models.CharField.__init__(self, *args, **kwargs)")
    found = custom(f"class Mixin: pass\n{body(text, 'models.CharField, Mixin')}")
    assert (found.kind, found.saved_as) == (None, "CharField")


def test_inits_that_run_one_after_the_other(custom):
    mixin = body(init('kwargs["null"] = True'), "object").replace("Custom", "Mixin")
    found = custom(f"{mixin}\n{body(init(), 'Mixin, models.CharField')}")
    assert (found.kind, found.null) == ("CharField", True)
    found = custom(f"{mixin}\n{body('pass', 'Mixin, models.CharField')}", "Custom(null=False)")
    assert (found.kind, found.null) == ("CharField", True)


OUT_OF_ORDER = {
    "a mixin behind Django's class, which calls none": "class Custom(models.CharField, Mixin): pass",
    "a mixin above two classes": "class A(Mixin): pass\nclass B(Mixin): pass\n"
    "class Custom(A, B, models.CharField): pass",
    "two fields": "class A(Mixin, models.CharField): pass\nclass B(models.CharField): pass\n"
    "class Custom(A, B): pass",
}


@pytest.mark.parametrize("text", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_inits_whose_order_is_for_python_to_say(custom, text):
    mixin = body(init('kwargs["null"] = True'), "object").replace("Custom", "Mixin")
    found = custom(f"{mixin}\n{text}")
    assert (found.kind, found.saved_as) == (None, "CharField")


def named(*lines: str, given: str = "*, size=1", last: str = SUPER) -> str:
    return init(*lines, last=last).replace("*args, **kwargs):", f"*args, {given[3:]}, **kwargs):")


TAKEN_BY_NAME = {
    "options of its own": named(given="*, wrapper=None, currency='EUR'"),
    "an option of its own that is kept": named(
        "self.wrapper = wrapper", given="*, wrapper, currency"
    ),
    "an option that is handed on": named(
        given="*, max_length=9", last="super().__init__(*args, max_length=max_length, **kwargs)"
    ),
    "texts for people that are made": named(
        "validators = validators or [Smallest(1)]",
        given="*, validators=None",
        last="super().__init__(*args, validators=validators, **kwargs)",
    ),
}


@pytest.mark.parametrize("text", TAKEN_BY_NAME.values(), ids=TAKEN_BY_NAME)
def test_options_that_init_takes_by_name(custom, text):
    found = custom(body(text), "Custom(null=True, currency='x')")
    assert (found.kind, found.null) == ("CharField", True)


def test_an_option_taken_by_name_is_what_the_migration_says(custom):
    text = named(given="*, null=True", last="super().__init__(*args, null=null, **kwargs)")
    assert custom(body(text)).null is True
    assert custom(body(text), "Custom(null=False)").null is False


LOST_BY_NAME = {
    "dropped": named(given="*, null=True"),
    "another one in its place": named(
        given="*, null=True", last="super().__init__(*args, null=True, unique=null, **kwargs)"
    ),
    "set before": named(
        "null = True", given="*, null=None", last="super().__init__(*args, null=null, **kwargs)"
    ),
    "the options by name": named("wrapper = kwargs", given="*, wrapper=None"),
}


@pytest.mark.parametrize("text", LOST_BY_NAME.values(), ids=LOST_BY_NAME)
def test_an_option_taken_by_name_that_may_get_lost(custom, text):
    found = custom(body(text), "Custom(null=False)")
    assert (found.kind, found.saved_as) == (None, "CharField")


def test_a_default_that_is_taken_by_name_and_made_anew(custom):
    text = named(
        "default = default or 5",
        given="*, default=None",
        last="super().__init__(*args, default=default, **kwargs)",
    )
    assert isinstance(custom(body(text), "Custom(default=3)").options["default"], Unknown)
    text = named(given="*, default=None")
    assert isinstance(custom(body(text), "Custom(default=3)").options["default"], Unknown)


@pytest.mark.parametrize(
    "extra", ["\nCustom.register_lookup(Exact)", "\n@Custom.register_lookup\nclass Exact: pass"]
)
def test_lookups_of_its_own_leave_a_save_alone(custom, extra):
    found = custom(body("pass") + extra)
    assert (found.kind, found.saved_as) == (None, "CharField")
    found = custom(body("def get_lookup(self, name):\n    return Exact"))
    assert (found.kind, found.saved_as) == (None, "CharField")


KEY = 'Custom(on_delete=models.CASCADE, to="shop.Item")'


@pytest.mark.parametrize("kind", ["ForeignKey", "OneToOneField"])
def test_a_key_that_points_where_the_migration_says(custom, kind):
    text = "def formfield(self, **kwargs):\n    return 1\ndef get_limit_choices_to(self):\n    return {}"
    text += "\n" + init('kwargs.setdefault("to", Status)')
    found = custom(body(text, f"models.{kind}"), KEY)
    assert (found.kind, found.saved_as, found.target) == (kind, kind, ("shop", "item"))
    assert (found.attname, found.has_column, found.is_relation) == ("x_id", True, True)
    assert found.on_delete == "django.db.models.CASCADE"


POINTING = {
    "a target that the class sets": (init('kwargs["to"] = Status'), KEY),
    "a target in the call": (init(last="super().__init__(*args, to=Status, **kwargs)"), KEY),
    "a target that gets lost": (deconstruct('kwargs.pop("to")'), KEY),
    "a target by its place": ("pass", 'Custom("self", models.CASCADE)'),
    "a target of the class alone": (init('kwargs.setdefault("to", Status)'), "Custom()"),
    "an init of its own": (init("print(self)"), KEY),
}


@pytest.mark.parametrize(("text", "call"), POINTING.values(), ids=POINTING)
def test_a_key_of_which_it_is_not_certain_where_it_points(custom, text, call):
    found = custom(body(text, "models.ForeignKey"), call)
    assert (found.kind, found.saved_as) == (None, "ForeignKey")
    assert isinstance(found.has_column, Unknown)
    assert found.behind.doubt


@pytest.mark.parametrize(
    "text",
    [
        "def get_attname(self):\n    return 1",
        "related_accessor_class = Other",
        "forward_related_accessor_class = Other",
        "def get_extra_restriction(self, *args):\n    return 1",
        "def get_path_info(self, *args):\n    return 1",
        "def db_type(self, connection):\n    return 1",
    ],
)
def test_a_key_that_goes_its_own_way(custom, text):
    assert custom(body(text, "models.ForeignKey"), KEY).saved_as is None


def test_a_relation_through_a_table_of_its_own(custom):
    many = custom(body("pass", "models.ManyToManyField"), 'Custom("self")')
    assert (many.kind, many.has_column) == (None, False)


# --- contribute_to_class -------------------------------------------------------------------------


def contributing(*lines: str, given: str = "cls, name, **kwargs", on: str = "") -> str:
    start = f"super().contribute_to_class({on or given})"
    steps = "\n".join(f"    {line}" for line in (start, *lines))
    return f"def contribute_to_class(self, {given}):\n{steps}"


DISPLAY = """\
def shown(row, field):
        return field.get_choices()
    if f"get_{self.name}_display" not in cls.__dict__:
        setattr(cls, f"get_{self.name}_display", functools.partialmethod(shown, field=self))\
"""
ADDING = {
    "nothing": contributing('"""Adds nothing."""'),
    "arguments as they come": contributing(given="cls, *args, **kwargs"),
    "arguments by name": contributing(given="cls, name, private_only=False", on="cls, name, private_only=private_only"),
    "a method for people": contributing(DISPLAY),
    "a method that is there": contributing('setattr(cls, f"get_{self.name}_color", shown)'),
    "texts for people": contributing("self.verbose_name = name.upper()", "self.choices = CHOICES"),
}  # fmt: skip


@pytest.mark.parametrize("text", ADDING.values(), ids=ADDING)
def test_a_class_that_adds_what_people_read(custom, text):
    text = text.replace("private_only=False", "*, private_only=False")
    found = custom("import functools\n" + body(text))
    assert (found.kind, found.behind.displays) == ("CharField", True)


OTHER_CONTRIBUTIONS = {
    "no call of the base": "def contribute_to_class(self, cls, name):\n    pass",
    "two of them": contributing("super().contribute_to_class(cls, name, **kwargs)"),
    "another name": contributing(on='cls, "other", **kwargs'),
    "arguments kept": contributing(on="cls, name"),
    "more arguments": contributing(given="cls, name", on="cls, name, private_only=True"),
    "another class": contributing(on="other, name, **kwargs"),
    "a column": contributing("self.column = name"),
    "a default": contributing("self.default = CHOICES[0]"),
    "another method": contributing('setattr(cls, "save", shown)'),
    "a method whose name is made": contributing("setattr(cls, name, shown)"),
    "a method of Model": contributing('setattr(cls, f"get_{self.name}_fields", shown)'),
    "a method of another name": contributing('setattr(cls, f"{self.name}_display", shown)'),
    "a method of the field": contributing('setattr(self, f"get_{self.name}_display", shown)'),
    "a descriptor": contributing('setattr(cls, f"get_{self.name}_display", Descriptor(self))'),
    "a wrapped method": contributing('setattr(cls, f"get_{self.name}_x", partialmethod(f, field=self))'),
    "another field": contributing("cls.add_to_class(name, other)"),
    "a call": contributing("register(cls)"),
    "a call in a value": contributing("x = register(cls)"),
    "a call in a test": contributing("if register(cls):\n        pass"),
    "a call in a default": contributing("def shown(x=register(cls)):\n        pass"),
    "a method of its own": contributing("x = self.join(cls)"),
    "the options": contributing("cls._meta.ordering = [name]"),
    "another base": contributing("super = other"),
    "a loop": contributing("for x in y:\n        pass"),
    "a decorator": "@wrapped\n" + contributing(),
    "a value": "contribute_to_class = other",
    "another class to ask": "def contribute_to_class(self, cls, name):\n    Other.contribute_to_class(self, cls, name)",
}  # fmt: skip


@pytest.mark.parametrize("text", OTHER_CONTRIBUTIONS.values(), ids=OTHER_CONTRIBUTIONS)
def test_a_class_that_adds_something_else(custom, text):
    found = custom(body(text))
    assert found.kind is found.saved_as is None


def test_a_class_that_names_the_other_end(custom):
    text = contributing(
        "if self.auto and hasattr(cls._meta, 'verbose_name_plural'):\n"
        "        name = '_'.join(str(cls._meta.verbose_name_plural)).lower()\n"
        "        self.remote_field.related_name = name",
    ).replace("name = '_'", "plural = '_'").replace("related_name = name", "related_name = plural")  # fmt: skip
    found = custom(body(text, "models.ForeignKey"), KEY)
    assert found.kind == "ForeignKey"
    assert isinstance(found.options["related_name"], Unknown)


# --- times ---------------------------------------------------------------------------------------

STAMPS = {
    "at once": "return timezone.now()",
    "by a name": "value = timezone.now()\nsetattr(instance, self.attname, value)\nreturn value",
}


def pre_save(text: str) -> str:
    steps = text.replace("\n", "\n    ")
    return f"def pre_save(self, instance, add):\n    {steps}"


@pytest.mark.parametrize("text", STAMPS.values(), ids=STAMPS)
def test_a_pre_save_that_only_stamps_the_time(custom, text):
    found = custom(body(pre_save(text), "models.DateTimeField"), "Custom(auto_now=False)")
    assert found.kind == "DateTimeField"
    assert found.auto_now is True


NO_STAMPS = {
    "only at times": "if add:\n    return timezone.now()\nreturn instance.x",
    "of another clock": "return time.time()",
    "moved": "return timezone.now(5)",
    "for another field": "setattr(instance, 'y', timezone.now())\nreturn timezone.now()",
    "for another name": "setattr(instance, self.other, timezone.now())\nreturn timezone.now()",
    "after another value": "setattr(instance, self.attname, 5)\nreturn timezone.now()",
    "of something else": "value = instance.y\nreturn value",
    "for nobody": "timezone.now()",
    "not returned": "value = timezone.now()",
}


@pytest.mark.parametrize("text", NO_STAMPS.values(), ids=NO_STAMPS)
def test_a_pre_save_that_does_not_only_stamp_the_time(custom, text):
    found = custom(body(pre_save(text), "models.DateTimeField"))
    assert (found.kind, found.saved_as) == (None, None)


def test_a_stamp_whose_options_are_not_known(custom):
    text = pre_save("return timezone.now()") + "\n" + init("print(1)")
    assert custom(body(text)).saved_as is None


@pytest.mark.parametrize(
    ("path", "auto_now"),
    [
        ("django_extensions.db.fields.CreationDateTimeField", False),
        ("django_extensions.db.fields.ModificationDateTimeField", True),
        ("model_utils.fields.AutoCreatedField", False),
        ("model_utils.fields.AutoLastModifiedField", True),
    ],
)
def test_packages_that_need_not_be_installed(custom, path, auto_now):
    module, _, name = path.rpartition(".")
    found = custom(f"from {module} import {name} as Custom")
    assert found.kind == "DateTimeField"
    assert found.auto_now is auto_now
    assert custom(f"from {module} import {name[:-5]} as Custom").kind is None


# --- signals -------------------------------------------------------------------------------------

CONNECTIONS = {
    "in the class": "signals.post_init.connect(self.see, sender=cls)",
    "by a function beside it": "hook(cls)",
    "by a decorator": "receiver(signals.post_save, sender=cls)(print)",
}


@pytest.mark.parametrize("text", CONNECTIONS.values(), ids=CONNECTIONS)
def test_a_class_that_connects_signals(custom, text):
    source = body(f"def contribute_to_class(self, cls, name):\n    {text}")
    hook = "\ndef hook(cls):\n    signals.pre_save.connect(print, sender=cls)\n"
    assert custom(source + hook * (text == "hook(cls)")).behind.connects


def test_a_base_that_connects_signals(custom):
    base = body("def check(self):\n    signals.post_init.connect(print)").replace("Custom", "Base")
    assert custom(f"{base}\nclass Custom(Base, Missing): pass").behind.connects


def test_a_class_that_connects_no_signals_of_a_save(custom):
    text = "def contribute_to_class(self, cls, name):\n    signals.class_prepared.connect(print)"
    assert not custom(body(text)).behind.connects
    hook = "\ndef hook(cls):\n    signals.pre_save.connect(print, sender=cls)\n"
    assert not custom(body("pass") + hook).behind.connects


# --- bases of models -----------------------------------------------------------------------------


@pytest.fixture
def base(written):
    """What the class ``Mixin`` in ``shop.mixins`` is as a base."""

    def find(source: str) -> BaseClass:
        written.file("shop/mixins.py", HEADER + dedent(source))
        written.migration("shop.0001_initial", "")
        return written.state("shop.0001_initial").base_class("shop.mixins.Mixin")

    return find


def test_a_mixin_that_has_no_part_in_a_save(base):
    found = base("""
        class Base(object):
            label = "x"

        class Mixin(Base):
            '''Names.'''
            def __str__(self):
                return self.name

            @property
            def full(self):
                return self.save_later()

            class Inner:
                pass
    """)
    assert found == BaseClass(frozenset({"__str__", "full", "Inner", "label"}), None)


METHODS = (
    "save save_base delete __init__ __setattr__ __getattribute__ from_db refresh_from_db".split()
)


@pytest.mark.parametrize("name", METHODS)
def test_a_mixin_with_a_method_that_the_loop_runs(base, name):
    words = f"whose {name}() would not run"
    assert base(f"class Mixin:\n    def {name}(self): pass").doubt == words
    assert base(f"class Base:\n    {name} = print\nclass Mixin(Base): pass").doubt == words


MIXINS = {
    "a hook for subclasses": "class Mixin:\n    def __init_subclass__(cls): pass",
    "a metaclass": "class Mixin(metaclass=Meta): pass",
    "a metaclass above": "class Base(metaclass=Meta): pass\nclass Mixin(Base): pass",
    "a decorator": "@changed\nclass Mixin: pass",
    "a model": "class Mixin(models.Model):\n    class Meta:\n        abstract = True",
    "a base of a package": "import thirdparty\nclass Mixin(thirdparty.Mixin): pass",
    "a base that is computed": "class Mixin(find()): pass",
    "code in the body": "class Mixin:\n    if x:\n        save = 1",
    "a signal in the body": "class Mixin:\n    signals.post_save.connect(print)",
    "a signal in a method": "class Mixin:\n    def x(cls): signals.post_init.connect(print)",
    "several names": "class Mixin:\n    a, save = 1, 2",
    "a change from outside": "class Mixin: pass\nMixin.save = print",
    "two classes": "class Mixin: pass\nif x:\n    class Mixin: pass",
    "nothing": "",
}


@pytest.mark.parametrize("source", MIXINS.values(), ids=MIXINS)
def test_a_mixin_that_may_have_a_part_in_a_save(base, source):
    assert base(source).doubt


# --- when sources are read -----------------------------------------------------------------------


def test_sources_are_read_for_a_model_that_is_asked_for_and_once(written, monkeypatch):
    read = []
    known = classes.field_class_of
    monkeypatch.setattr(classes, "field_class_of", lambda found: read.append(1) or known(found))
    written.file("shop/fields.py", HEADER + body("pass"))
    fields = '[("id", models.AutoField(primary_key=True)), ("x", fields.Custom()), ("y", fields.Custom())]'
    operations = f'migrations.CreateModel("A", {fields}), migrations.CreateModel("B", {fields}),'
    written.migration("shop.0001_initial", operations, top="from shop import fields\n")
    state = written.state("shop.0001_initial")
    assert not read
    for name in "ABA":
        assert state.model("shop", name).field("x").kind == "CharField"
    assert len(read) == 1


def test_a_state_without_sources_knows_nothing():
    assert FieldState("x", "shop.fields.Custom").with_class(FieldClass()).kind is None


@pytest.fixture
def exported(written):
    """What is known of the base ``shop.mixins.Mixin``, which the package imports from this module."""

    def find(line: str) -> BaseClass:
        written.file("shop/mixins/__init__.py", f"{line}\n")
        written.file("shop/mixins/inner.py", "class Mixin:\n    def save(self): ...\n")
        written.file("shop/mixins/deep/__init__.py", "from ..inner import Mixin\n")
        written.file("shop/inner.py", "class Mixin:\n    def other(self): ...\n")
        written.migration("shop.0001_initial", "")
        return written.state("shop.0001_initial").base_class("shop.mixins.Mixin")

    return find


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("from .inner import Mixin", {"save"}),
        ("from .deep import Mixin", {"save"}),
        ("from ..inner import Mixin", {"other"}),
        ("from shop.inner import Mixin", {"other"}),
        ("from .nothing import Mixin", set()),
        ("from ....inner import Mixin", set()),
    ],
)
def test_a_dot_in_a_package_leads_to_itself(line, names, exported):
    found = exported(line)
    assert found.names == names
    assert (found.doubt is None) == (names == {"other"})


def test_every_attribute_of_a_model_is_known_as_one():
    """Those that Django gives to each class, whatever its fields are."""
    import django
    from django.conf import settings
    from django.db import models

    from migfix.history.historical import _OF_EVERY_MODEL

    if not settings.configured:
        settings.configure()
        django.setup()
    meta = type("Meta", (), {"app_label": "shop"})
    plain = type("Plain", (models.Model,), {"__module__": __name__, "Meta": meta})
    missing = [name for name in dir(plain) if not _OF_EVERY_MODEL.match(name)]
    assert missing == []
    by_fields = (
        "get_title_display get_next_by_day get_previous_in_order get_order_order set_order_order "
        "get_absolute_url"  # which settings may give to any model
    )
    assert all(_OF_EVERY_MODEL.match(name) for name in by_fields.split())
    for other in ("text", "get_remote_id", "set_up", "get_display"):
        assert not _OF_EVERY_MODEL.match(other), other
