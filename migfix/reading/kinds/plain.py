"""Python's own values, which run no code of others: what their methods, operators and functions give. Tables
fill it.

Each table is a list of what is trusted. A type, method, attribute or function that is not in it is not
known, and what is not known may do anything.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

from migfix.reading.kinds.values import Pair, Row, Value


@dataclass(frozen=True)
class Type:
    """A type of Python's own, or one that behaves like these.

    ``item`` is what going over it gives: the elements of a list, the *values* of a dict, whose keys are
    ``key``; None where that is not known. ``parts`` are the elements of a tuple of known length.
    """

    name: str
    item: Known = None
    key: Known = None
    parts: tuple[Known, ...] | None = None


Known: TypeAlias = "Value | Type"
"""What an expression is known to be; None is anything."""

NOTHING = Type("nothing")
"""None, which nothing can be done with, and elements of a collection that is empty."""
DATA = Type("data")
"""Any text, number, date, or collection of such: what a JSON document or a column may hold."""
OWN = Type("own")
"""One of Python's own values, whatever it holds."""
FUNCTION = Type("function")
EXPRESSION = Type("expression")
SUSPENDED = "suspended"
"""The name of generators and their like, which run code when they are asked for more."""
ITERATOR = "iterator"
"""The name of iterators over collections, and of views: nothing else runs in them."""

_VALUES = frozenset(
    "str bytes int float bool number Decimal date time datetime timedelta tzinfo UUID Match Pattern "
    "range hash path".split()
)
SCALARS = _VALUES | {"slice", "file", "exception"}  # which may hold a row
_HOLDING = frozenset("list set frozenset tuple deque iterator".split())
MAPPINGS = frozenset("dict defaultdict Counter OrderedDict".split())
COLLECTIONS = _HOLDING | MAPPINGS
NUMBERS = frozenset("int float bool number Decimal".split())


def known(kind: Known) -> bool:
    """Is it known what the thing does when it is looked at?"""
    return kind is not None


def is_scalar(kind: Known) -> bool:
    """Is it a value that nothing can change, and that holds nothing else?"""
    return isinstance(kind, Type) and (kind.name in _VALUES or kind == NOTHING)


def is_deep(kind: Known) -> bool:
    """Is it data, and all that it holds, too?"""
    if not isinstance(kind, Type):
        return False
    if kind.name in SCALARS or kind in (NOTHING, DATA):
        return True
    if kind.name not in COLLECTIONS:
        return False
    return is_deep(kind.item) and (kind.name not in MAPPINGS or is_deep(kind.key))


def is_value(kind: Known) -> bool:
    """Is it data by which nobody gets hold of a row? A file knows its row, an error may."""
    if not isinstance(kind, Type):
        return False
    if kind.name in _VALUES or kind in (NOTHING, DATA):
        return True
    if kind.name not in COLLECTIONS:
        return False
    held = kind.parts if kind.parts is not None else (kind.item,)
    return all(map(is_value, held)) and (kind.name not in MAPPINGS or is_value(kind.key))


def is_quiet(kind: Known, is_quiet_row: Callable[[Row], bool] = lambda row: True) -> bool:
    """Is the same known of everything that it holds, so that it can be compared, printed or hashed?"""
    match kind:
        case None:
            return False
        case Row():
            return is_quiet_row(kind)
        case Type(name=name) if name in COLLECTIONS or kind == OWN:
            inside = [kind.item] if name not in MAPPINGS else [kind.item, kind.key]
            held = kind.parts if kind.parts is not None else inside
            return all(is_quiet(each, is_quiet_row) for each in held)
        case Type(name="some", item=Row() as row):
            return is_quiet_row(row)
        case Type(name=name):
            return name != SUSPENDED
    return True


def joined(first: Known, second: Known) -> Known:
    """What is known of something that is one of the two."""
    if first == second or second == NOTHING:
        return first
    if first == NOTHING:
        return second
    if first is None or second is None:
        return None
    if isinstance(first, Row) and isinstance(second, Row) and first.model == second.model:
        return replace(first, may_be_none=True)
    if isinstance(first, Row) or isinstance(second, Row):
        return _with_row(first, second) if isinstance(first, Row) else _with_row(second, first)
    if not isinstance(first, Type) or not isinstance(second, Type):
        return None
    if "some" in {first.name, second.name}:
        some, other = (first, second) if first.name == "some" else (second, first)
        return _with_row(some.item, other)
    if first.name == second.name and first.name in COLLECTIONS | {SUSPENDED}:
        parts = None
        if first.parts and second.parts and len(first.parts) == len(second.parts):
            parts = tuple(map(joined, first.parts, second.parts))
        item = joined(first.item, second.item)
        return Type(first.name, item, joined(first.key, second.key), parts)
    return _one_of_two(first, second)


def _one_of_two(first: Type, second: Type) -> Known:
    """The same of two different types."""
    if ITERATOR in {first.name, second.name}:  # by which nothing is to be had but what it goes over
        return Type(ITERATOR, joined(item_of(first), item_of(second)))
    if "defaultdict" in {first.name, second.name}:  # which is filled where others are read
        mapping = first.name in MAPPINGS and second.name in MAPPINGS
        item, key = joined(value_of(first), value_of(second)), joined(first.key, second.key)
        return Type("defaultdict", item, key) if mapping else None
    if is_value(first) and is_value(second):
        return Type("number") if {first.name, second.name} <= NUMBERS else DATA
    own = all(kind == OWN or kind.name in COLLECTIONS or is_deep(kind) for kind in (first, second))
    return OWN if own else None


def _with_row(row: Known, other: Known) -> Known:
    """A row or data: neither of them can be told, but both can be looked at."""
    if other == Type("some", row) or is_deep(other):
        return Type("some", row)
    return Type("some", row) if other == EXPRESSION else None


def all_joined(kinds: list[Known]) -> Known:
    """The same of any number, of which there is at least one."""
    found: Known = NOTHING
    for kind in kinds:
        found = joined(found, kind)
    return found


def item_of(kind: Known) -> Known:
    """What going over it gives."""
    match kind:
        case Type(name="data" | "nothing"):
            return kind
        case Type(name="str" | "Match"):
            return Type("str")
        case Type(name="bytes" | "range"):
            return Type("int")
        case Type(name=name, key=key) if name in MAPPINGS:
            return key
        case Type(name=name, item=item, parts=parts) if name in COLLECTIONS | {SUSPENDED}:
            return item if parts is None else all_joined(list(parts))
    return None


def value_of(kind: Known) -> Known:
    """What ``kind[...]`` gives where the index is no slice."""
    match kind:
        case Type(name=name, item=item) if name in MAPPINGS:
            return Type("int") if name == "Counter" else item
        case Pair(row=row):
            return row
    return item_of(kind)


def part_of(kind: Known, index: int) -> Known:
    """What ``kind[index]`` gives."""
    match kind:
        case Type(parts=parts) if parts is not None and -len(parts) <= index < len(parts):
            return parts[index]
        case Pair(row=row):
            return row if index == 0 else Type("bool")
    return value_of(kind)


# --- what methods give ----------------------------------------------------------------------------

# By type: result -> the methods that give it. ``item``, ``key``, ``self``, ``items`` and ``data`` stand
# for what the type holds, for itself, and for its pairs.
_METHODS: dict[str, dict[str, str]] = {
    "str": {
        "str": "capitalize casefold center expandtabs format format_map join ljust lower lstrip "
        "removeprefix removesuffix replace rjust rstrip strip swapcase title translate upper zfill",
        "bool": "endswith isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric "
        "isprintable isspace istitle isupper startswith",
        "int": "count find index rfind rindex",
        "list[str]": "split rsplit splitlines",
        "tuple[str]": "partition rpartition",
        "bytes": "encode",
        "data": "maketrans",
    },
    "bytes": {
        "bytes": "capitalize center expandtabs join ljust lower lstrip removeprefix removesuffix "
        "replace rjust rstrip strip swapcase title translate upper zfill tobytes",
        "bool": "endswith isalnum isalpha isascii isdigit islower isspace istitle isupper startswith",
        "int": "count find index rfind rindex",
        "list[bytes]": "split rsplit splitlines",
        "tuple[bytes]": "partition rpartition",
        "str": "decode hex",
    },
    "number": {
        "number": "quantize normalize to_integral to_integral_value to_integral_exact adjusted sqrt exp "
        "ln log10 copy_abs copy_negate scaleb fma conjugate bit_length bit_count limit_denominator",
        "bool": "is_integer is_nan is_infinite is_finite is_zero is_signed",
        "tuple[number]": "as_integer_ratio as_tuple",
        "bytes": "to_bytes",
        "str": "hex to_eng_string",
    },
    "list": {
        "nothing": "append extend insert remove clear reverse sort",
        "item": "pop",
        "self": "copy",
        "int": "index count",
    },
    "deque": {
        "nothing": "append appendleft extend extendleft insert remove clear reverse rotate",
        "item": "pop popleft",
        "self": "copy",
        "int": "index count",
    },
    "tuple": {"int": "index count"},
    "set": {
        "nothing": "add remove discard clear update difference_update intersection_update "
        "symmetric_difference_update",
        "item": "pop",
        "self": "copy difference intersection",
        "own": "union symmetric_difference",
        "bool": "isdisjoint issubset issuperset",
    },
    "frozenset": {
        "self": "copy difference intersection",
        "own": "union symmetric_difference",
        "bool": "isdisjoint issubset issuperset",
    },
    "dict": {
        "nothing": "clear update move_to_end",
        "item": "get pop setdefault",
        "pair": "popitem",
        "self": "copy",
        "items": "items",
        "keys": "keys",
        "values": "values",
        "pairs": "most_common",
        "iterator[key]": "elements",
    },
    "date": {
        "str": "isoformat strftime ctime tzname",
        "self": "replace today fromordinal fromisoformat",
        "int": "toordinal weekday isoweekday",
        "tuple[int]": "isocalendar timetuple utctimetuple",
        "datetime": "astimezone now utcnow combine strptime fromtimestamp utcfromtimestamp",
        "date": "date",
        "time": "time timetz",
        "timedelta": "utcoffset dst",
        "number": "timestamp",
    },
    "timedelta": {"number": "total_seconds"},
    "tzinfo": {
        "datetime": "localize normalize fromutc",
        "timedelta": "utcoffset dst",
        "str": "tzname",
    },
    "Match": {
        "str": "group expand",
        "tuple[str]": "groups",
        "dict[str, str]": "groupdict",
        "int": "start end",
        "tuple[int]": "span",
    },
    "Pattern": {
        "Match": "match search fullmatch",
        "str": "sub",
        "list[data]": "findall split",
        "data": "subn",
        "iterator[Match]": "finditer",
    },
    "hash": {"nothing": "update", "str": "hexdigest", "bytes": "digest", "self": "copy"},
    "path": {
        "path": "joinpath with_suffix with_name with_stem relative_to absolute",
        "str": "as_posix as_uri",
        "bool": "is_absolute match is_relative_to",
    },
    "UUID": {},
    "range": {"int": "index count"},
    "exception": {},
    "expression": {
        "expression": "asc desc bitand bitor bitleftshift bitrightshift bitxor resolve_expression"
    },
    "nothing": {},
    "iterator": {},
}
_LIKE = {
    "int": "number", "float": "number", "bool": "number", "Decimal": "number",
    "defaultdict": "dict", "Counter": "dict", "OrderedDict": "dict",
    "datetime": "date", "time": "date",
}  # fmt: skip
_COUNTER_METHODS = frozenset({"subtract", "total"})
# Any text, number, date or collection may have them: what is data is one of these.
_OF_DATA = ("str", "bytes", "number", "list", "dict", "date", "timedelta", "tuple", "set", "UUID")
# Methods that keep what they are given at these positions; others hash, compare or print it.
KEEPING = {
    "append": (0,), "appendleft": (0,), "insert": (1,), "setdefault": (1,), "get": (1,), "pop": (1,),
}  # fmt: skip


@cache
def _results(name: str) -> dict[str, str]:
    table = _METHODS.get(_LIKE.get(name, name), {})
    found = {method: result for result, methods in table.items() for method in methods.split()}
    return {**found, "subtract": "nothing", "total": "int"} if name == "Counter" else found


def method_of(kind: Type, method: str) -> Known:
    """What a call of the method gives; None where the type has no such method that is trusted."""
    if kind == NOTHING:
        return NOTHING
    if kind == DATA:
        found = [r for name in _OF_DATA if (r := _results(name).get(method))]
        simple = {"str", "int", "bool", "bytes", "number", "datetime", "date", "list[str]"}
        if len(found) == 1 and found[0] in simple:
            return parsed(found[0])
        ways = {"items": Type(ITERATOR, Type("tuple", parts=(DATA, DATA)))}
        return ways.get(method, DATA) if found else None
    if kind == OWN:
        return OWN if any(method in _results(name) for name in _OF_DATA) else None
    result = _results(kind.name).get(method)
    return None if result is None else _given(result, kind)


def _given(result: str, kind: Type) -> Known:
    item = Type("int") if kind.name == "Counter" else kind.item
    pair = Type("tuple", parts=(kind.key, item))
    match result:
        case "item":
            return item if kind.parts is None else item_of(kind)
        case "self":
            return kind
        case "own":
            return Type(kind.name)
        case "pair":
            return pair
        case "items":
            return Type(ITERATOR, pair)
        case "pairs":
            return Type("list", pair)
        case "keys":
            return Type(ITERATOR, kind.key)
        case "values":
            return Type(ITERATOR, item)
        case "iterator[key]":
            return Type(ITERATOR, kind.key)
    return parsed(result)


def has_method(kind: Type, method: str) -> bool:
    """Is the method one that runs no code of others?"""
    if kind == NOTHING:
        return True
    names = _OF_DATA if kind in (DATA, OWN) else (kind.name,)
    return any(method in _results(name) for name in names)


_ATTRIBUTES: dict[str, dict[str, str]] = {
    "date": {
        "int": "year month day hour minute second microsecond fold",
        "tzinfo": "tzinfo",
        "self": "min max",
    },
    "timedelta": {"int": "days seconds microseconds"},
    "number": {"int": "real imag numerator denominator"},
    "Match": {"str": "string", "int": "pos endpos lastindex", "Pattern": "re"},
    "Pattern": {"str": "pattern", "int": "flags groups", "dict[str, int]": "groupindex"},
    "UUID": {"str": "hex urn", "int": "int version time node", "bytes": "bytes bytes_le"},
    "path": {"str": "name stem suffix", "path": "parent", "list[path]": "parents", "tuple[str]": "parts"},
    "file": {"str": "name"},
    "exception": {"data": "args code message messages"},
    "state": {"bool": "adding", "str": "db"},
    "hash": {"str": "name", "int": "digest_size block_size"},
    "range": {"int": "start stop step"},
    "str": {}, "bytes": {}, "list": {}, "dict": {}, "set": {}, "tuple": {},
}  # fmt: skip


def attribute_of(kind: Type, name: str) -> Known:
    """What an attribute of the value gives; None where the type has none that is trusted."""
    if kind == NOTHING:
        return NOTHING
    if kind == DATA:
        return DATA if any(_attribute(each, name) for each in _OF_DATA) else None
    result = _attribute(kind.name, name)
    return None if result is None else (kind if result == "self" else parsed(result))


def _attribute(type_name: str, name: str) -> str | None:
    table = _ATTRIBUTES.get(_LIKE.get(type_name, type_name), {})
    return next((result for result, names in table.items() if name in names.split()), None)


@cache
def parsed(text: str) -> Type:
    """``list[str]``, ``dict[str, int]``"""
    name, _, inside = text.removesuffix("]").partition("[")
    if name in {"data", "nothing", "own", "function"}:
        return {"data": DATA, "nothing": NOTHING, "own": OWN, "function": FUNCTION}[name]
    if not inside:
        return Type(name)
    if name in MAPPINGS:
        key, value = inside.split(", ")
        return Type(name, parsed(value), parsed(key))
    return Type(name, parsed(inside))


# --- what functions give --------------------------------------------------------------------------

# Dotted paths of functions and classes of Python and Django -> what a call of them gives. ``first`` is
# what the first argument is.
_FUNCTIONS: dict[str, str] = {
    "str": "slugify.slugify unidecode.unidecode string.capwords textwrap.dedent textwrap.indent "
    "textwrap.shorten textwrap.fill html.escape html.unescape json.dumps re.sub re.escape "
    "unicodedata.normalize unicodedata.name unicodedata.category unicodedata.combining "
    "urllib.parse.quote urllib.parse.unquote urllib.parse.quote_plus urllib.parse.unquote_plus "
    "urllib.parse.urlencode urllib.parse.urljoin urllib.parse.urlunparse urllib.parse.urlunsplit "
    "os.path.join os.path.basename os.path.dirname os.path.normpath posixpath.join "
    "posixpath.basename posixpath.dirname secrets.token_hex secrets.token_urlsafe pprint.pformat "
    "django.utils.text.slugify django.utils.text.capfirst django.utils.text.get_valid_filename "
    "django.utils.text.camel_case_to_spaces django.template.defaultfilters.slugify "
    "django.template.defaultfilters.truncatechars django.template.defaultfilters.truncatewords "
    "django.template.defaultfilters.striptags django.template.defaultfilters.title "
    "django.utils.html.strip_tags django.utils.html.escape django.utils.html.conditional_escape "
    "django.utils.html.format_html django.utils.html.linebreaks django.utils.html.urlize "
    "django.utils.crypto.get_random_string django.utils.encoding.force_str "
    "django.utils.encoding.smart_str django.utils.encoding.iri_to_uri "
    "django.utils.safestring.mark_safe django.utils.http.urlencode "
    "django.utils.http.urlsafe_base64_encode django.utils.formats.date_format "
    "django.utils.dateformat.format django.utils.timezone.get_current_timezone_name "
    "django.utils.text.unescape_string_literal django.utils.text.normalize_newlines "
    "django.utils.translation.get_language django.utils.translation.gettext "
    "django.utils.translation.gettext_lazy django.utils.translation.ugettext "
    "django.utils.translation.ugettext_lazy django.utils.translation.pgettext",
    "bytes": "base64.b64encode base64.b64decode base64.urlsafe_b64encode base64.urlsafe_b64decode "
    "base64.b32encode base64.b16encode binascii.hexlify binascii.unhexlify zlib.compress "
    "zlib.decompress secrets.token_bytes hmac.digest django.utils.encoding.force_bytes "
    "django.utils.encoding.smart_bytes",
    "number": "math.ceil math.floor math.trunc math.sqrt math.log math.log10 math.log2 math.pow math.exp "
    "math.sin math.cos math.tan math.asin math.acos math.atan math.atan2 math.radians math.degrees "
    "math.fabs math.fsum math.hypot math.gcd math.isclose math.isnan math.isinf math.prod math.dist "
    "decimal.Decimal fractions.Fraction statistics.mean statistics.median statistics.fmean "
    "random.random random.randint random.randrange random.uniform random.gauss random.getrandbits "
    "secrets.randbelow zlib.crc32 zlib.adler32 calendar.timegm time.time time.monotonic "
    "time.perf_counter struct.calcsize binascii.crc32",
    "bool": "hmac.compare_digest secrets.compare_digest keyword.iskeyword "
    "django.utils.timezone.is_aware django.utils.timezone.is_naive "
    "django.utils.crypto.constant_time_compare calendar.isleap "
    "django.utils.http.url_has_allowed_host_and_scheme",
    "Match": "re.match re.search re.fullmatch",
    "Pattern": "re.compile",
    "list[data]": "re.findall re.split",
    "list[str]": "textwrap.wrap difflib.get_close_matches django.utils.text.smart_split shlex.split",
    "iterator[Match]": "re.finditer",
    "data": "json.loads ast.literal_eval urllib.parse.parse_qs urllib.parse.parse_qsl struct.pack "
    "struct.unpack calendar.monthrange os.path.splitext posixpath.splitext os.path.split re.subn "
    "ipaddress.ip_address ipaddress.ip_network ipaddress.ip_interface colorsys.rgb_to_hls "
    "colorsys.hls_to_rgb colorsys.rgb_to_hsv colorsys.hsv_to_rgb time.localtime time.gmtime "
    "time.strptime math.modf math.frexp divmod",
    "datetime": "datetime.datetime datetime.datetime.now datetime.datetime.utcnow "
    "datetime.datetime.today datetime.datetime.strptime datetime.datetime.combine "
    "datetime.datetime.fromtimestamp datetime.datetime.utcfromtimestamp "
    "datetime.datetime.fromisoformat django.utils.timezone.now django.utils.timezone.make_aware "
    "django.utils.timezone.make_naive django.utils.timezone.localtime "
    "django.utils.dateparse.parse_datetime dateutil.parser.parse dateutil.parser.isoparse",
    "date": "datetime.date datetime.date.today datetime.date.fromisoformat "
    "datetime.date.fromordinal django.utils.timezone.localdate django.utils.dateparse.parse_date",
    "time": "datetime.time datetime.time.fromisoformat django.utils.dateparse.parse_time",
    "timedelta": "datetime.timedelta dateutil.relativedelta.relativedelta "
    "django.utils.dateparse.parse_duration",
    "tzinfo": "datetime.timezone zoneinfo.ZoneInfo pytz.timezone dateutil.tz.gettz "
    "django.utils.timezone.get_current_timezone django.utils.timezone.get_default_timezone "
    "django.utils.timezone.get_fixed_timezone",
    "UUID": "uuid.uuid1 uuid.uuid3 uuid.uuid4 uuid.uuid5 uuid.UUID",
    "hash": "hashlib.md5 hashlib.sha1 hashlib.sha224 hashlib.sha256 hashlib.sha384 hashlib.sha512 "
    "hashlib.blake2b hashlib.blake2s hashlib.new hmac.new",
    "path": "pathlib.Path pathlib.PurePath pathlib.PurePosixPath",
    "nothing": "time.sleep random.seed random.shuffle",
    "first": "copy.copy copy.deepcopy",
    "choice": "random.choice secrets.choice",
}
_IMPORTED = {path: result for result, paths in _FUNCTIONS.items() for path in paths.split()}
_CONSTRUCTORS = {
    "collections.OrderedDict": "OrderedDict",
    "collections.Counter": "Counter",
    "collections.defaultdict": "defaultdict",
    "collections.deque": "deque",
}
_BUILTINS: dict[str, str] = {
    "str": "str repr ascii chr bin hex oct format input",
    "int": "int len ord id hash",
    "number": "float abs round pow sum complex",
    "bool": "bool isinstance issubclass callable hasattr any all",
    "bytes": "bytes bytearray",
    "data": "divmod",
    "range": "range",
    "slice": "slice",
    "nothing": "print setattr delattr",
}
_BUILTIN_RESULTS = {name: result for result, names in _BUILTINS.items() for name in names.split()}
EXCEPTIONS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
TYPES = frozenset("str bytes int float list tuple set frozenset dict".split())
NAMES_OF_TYPES = frozenset(
    "str int float bool bytes list tuple set frozenset dict complex range object type len abs "
    "repr ord chr sum min max sorted any all round hash id isinstance".split()
)


def result_of_builtin(name: str) -> Known:
    """What a call of a builtin gives where that does not depend on its arguments."""
    if name in EXCEPTIONS:
        return Type("exception")
    found = _BUILTIN_RESULTS.get(name)
    return parsed(found) if found else None


def constructor_of(path: str) -> str | None:
    """The type that a class of Python's own makes."""
    return _CONSTRUCTORS.get(path)


def result_of(path: str, first: Known) -> Known:
    """What a call of an imported function gives, ``first`` being its first argument."""
    if path.startswith(("django.db.models.", "django.contrib.postgres.")):
        return EXPRESSION if path.rpartition(".")[2][:1].isupper() else None
    if path.startswith("django.core.exceptions."):
        return Type("exception")
    match _IMPORTED.get(path):
        case None:
            return None
        case "first":
            return first
        case "choice":
            return value_of(first)
        case result:
            return parsed(result)


def value_at(path: str) -> Known:
    """What an imported name is that is no function: ``timezone.utc``, ``string.digits``."""
    if path.startswith("string."):
        return Type("str")
    if path in {
        "datetime.timezone.utc",
        "django.utils.timezone.utc",
        "pytz.utc",
        "pytz.UTC",
        "datetime.UTC",
    }:
        return Type("tzinfo")
    if path.startswith("math."):
        return (
            Type("number") if path.rpartition(".")[2] in {"pi", "e", "inf", "nan", "tau"} else None
        )
    if path.startswith("re.") and path.rpartition(".")[2].isupper():
        return Type("int")
    if path.startswith("django.conf.settings."):
        return DATA
    return None
