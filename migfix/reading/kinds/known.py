"""Functions and classes of Python, Django and a few packages that have no effect, by their full paths.

What is here reads and writes nothing outside of its arguments as far as a migration can tell: it sends
no query, prints nothing, and calls no code of a project but functions and methods that it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def is_pure(path: str) -> bool:
    """Has a call no effect, and is what it gives a new value that holds on to no argument?"""
    return path in _PURE


def hands_on(path: str) -> bool:
    """Has a call no effect, but what it gives may be an argument, hold it or go over it later?"""
    return path in _HANDING_ON


def puts_off(path: str) -> bool:
    """Does what the call gives go over its arguments only when it is asked for more, or not at all?"""
    return path in _PUTTING_OFF


def _paths(names: Mapping[str, str]) -> Iterator[str]:
    for module, functions in names.items():
        yield from (f"{module}.{name}" for name in functions.split())


_PYTHON = {
    "re": "compile match fullmatch search split findall finditer sub subn escape error IGNORECASE",
    "json": "dumps loads JSONDecodeError",
    "math": (
        "ceil floor trunc fabs sqrt pow exp log log2 log10 isnan isinf isfinite isclose copysign fmod "
        "gcd hypot radians degrees sin cos tan asin acos atan atan2 factorial fsum prod modf frexp "
        "ldexp comb perm dist isqrt"
    ),
    "decimal": "Decimal Decimal.from_float Context getcontext InvalidOperation",
    "fractions": "Fraction",
    "datetime": (
        "date datetime time timedelta timezone date.today date.fromisoformat date.fromordinal "
        "date.fromtimestamp datetime.now datetime.today datetime.utcnow datetime.fromisoformat "
        "datetime.fromtimestamp datetime.utcfromtimestamp datetime.combine datetime.strptime "
        "time.fromisoformat"
    ),
    "time": (
        "time time_ns monotonic perf_counter process_time sleep strftime strptime localtime gmtime mktime"
    ),
    "calendar": "monthrange timegm isleap leapdays weekday",
    "string": "capwords Formatter.parse",
    "unicodedata": "normalize category name combining decimal digit numeric east_asian_width",
    "html": "escape unescape",
    "operator": (
        "add sub mul truediv floordiv mod neg pos pow eq ne lt le gt ge not_ and_ or_ xor contains "
        "concat"
    ),
    "base64": (
        "b64encode b64decode urlsafe_b64encode urlsafe_b64decode standard_b64encode standard_b64decode "
        "b32encode b32decode b16encode b16decode b85encode b85decode encodebytes decodebytes"
    ),
    "binascii": "hexlify unhexlify crc32 a2b_hex b2a_hex",
    "hashlib": "md5 sha1 sha224 sha256 sha384 sha512 blake2b blake2s sha3_256 sha3_512 pbkdf2_hmac new",
    "hmac": "new compare_digest digest",
    "uuid": "UUID uuid1 uuid3 uuid4 uuid5",
    "random": ("random randint randrange uniform getrandbits gauss seed"),
    "secrets": "token_hex token_bytes token_urlsafe randbelow randbits compare_digest",
    "zlib": "compress decompress crc32 adler32",
    "textwrap": "dedent fill indent shorten wrap",
    "urllib.parse": (
        "urlparse urlunparse urlsplit urlunsplit urljoin urlencode quote quote_plus unquote unquote_plus "
        "parse_qs parse_qsl"
    ),
    "ipaddress": (
        "ip_address ip_network ip_interface IPv4Address IPv4Network IPv6Address IPv6Network"
    ),
    "posixpath": "basename dirname join split splitext normpath",
    "os.path": "basename dirname join split splitext normpath",
    "pathlib": "Path PurePath PurePosixPath",
    "ast": "literal_eval",
    "zoneinfo": "ZoneInfo",
    "statistics": "mean median mode stdev pstdev variance",
    "difflib": "SequenceMatcher get_close_matches",
    "struct": "pack unpack calcsize",
    "colorsys": "rgb_to_hls hls_to_rgb rgb_to_hsv hsv_to_rgb",
    "pprint": "pformat",
    "keyword": "iskeyword",
}
_DJANGO = {
    "django.utils.timezone": (
        "now localtime localdate make_aware make_naive is_aware is_naive get_default_timezone "
        "get_current_timezone get_fixed_timezone"
    ),
    "django.utils.text": (
        "slugify capfirst wrap Truncator get_valid_filename normalize_newlines phone2numeric "
        "camel_case_to_spaces unescape_string_literal"
    ),
    "django.utils.html": (
        "escape strip_tags strip_spaces_between_tags linebreaks urlize conditional_escape escapejs "
        "format_html smart_urlquote"
    ),
    "django.utils.encoding": (
        "force_str smart_str force_bytes smart_bytes iri_to_uri uri_to_iri escape_uri_path"
    ),
    "django.utils.dateparse": "parse_date parse_datetime parse_time parse_duration",
    "django.utils.duration": "duration_string duration_iso_string duration_microseconds",
    "django.utils.crypto": ("get_random_string constant_time_compare salted_hmac pbkdf2"),
    "django.utils.http": (
        "urlencode urlsafe_base64_encode urlsafe_base64_decode int_to_base36 base36_to_int http_date "
        "parse_http_date"
    ),
    "django.utils.safestring": "mark_safe",
    "django.utils.translation": (
        "gettext ngettext pgettext npgettext gettext_lazy ngettext_lazy pgettext_lazy get_language activate "
        "deactivate override"
    ),
    "django.utils.dateformat": "format time_format",
    "django.utils.numberformat": "format",
    "django.utils.formats": "date_format time_format number_format localize",
    "django.template.defaultfilters": (
        "slugify truncatechars truncatewords striptags capfirst title lower upper linebreaks "
        "linebreaksbr wordcount addslashes force_escape urlencode floatformat date time pluralize yesno "
        "filesizeformat"
    ),
    "django.core.exceptions": (
        "ObjectDoesNotExist MultipleObjectsReturned ValidationError FieldDoesNotExist FieldError "
        "ImproperlyConfigured PermissionDenied SuspiciousOperation"
    ),
    "django.core.serializers.json": "DjangoJSONEncoder",
}
# They make a part of a query; it is the query that reads.
_EXPRESSIONS = {
    "django.db.models": (
        "F Q Value Case When OuterRef Subquery Exists ExpressionWrapper Func RowRange ValueRange Window "
        "OrderBy Count Sum Min Max Avg StdDev Variance Aggregate Prefetch FilteredRelation "
        "AutoField BigAutoField BigIntegerField BinaryField BooleanField CharField DateField "
        "DateTimeField DecimalField DurationField EmailField FloatField GenericIPAddressField "
        "IntegerField JSONField PositiveBigIntegerField PositiveIntegerField PositiveSmallIntegerField "
        "SlugField SmallAutoField SmallIntegerField TextField TimeField URLField UUIDField"
    ),
    "django.db.models.expressions": (
        "F Value Case When OuterRef Subquery Exists ExpressionWrapper Func RawSQL Window OrderBy "
        "CombinedExpression Combinable"
    ),
    "django.db.models.aggregates": "Count Sum Min Max Avg StdDev Variance Aggregate",
    "django.db.models.query_utils": "Q",
    "django.db.models.fields.json": "KeyTransform KeyTextTransform",
    "django.db.models.functions": (
        "Abs ACos ASin ATan ATan2 Cast Ceil Chr Coalesce Collate Concat ConcatPair Cos Cot CumeDist "
        "Degrees DenseRank Exp Extract ExtractDay ExtractHour ExtractIsoWeekDay ExtractIsoYear "
        "ExtractMinute ExtractMonth ExtractQuarter ExtractSecond ExtractWeek ExtractWeekDay ExtractYear "
        "FirstValue Floor Greatest JSONObject Lag LastValue Lead Least Left Length Ln Log Lower LPad "
        "LTrim MD5 Mod Now NthValue Ntile NullIf Ord PercentRank Pi Power Radians Random Rank Repeat "
        "Replace Reverse Right Round RowNumber RPad RTrim SHA1 SHA224 SHA256 SHA384 SHA512 Sign Sin Sqrt "
        "StrIndex Substr Tan Trim Trunc TruncDate TruncDay TruncHour TruncMinute TruncMonth "
        "TruncQuarter TruncSecond TruncTime TruncWeek TruncYear Upper"
    ),
}
_PACKAGED = {
    "slugify": "slugify",
    "unidecode": "unidecode",
    "pytz": "timezone UTC utc utc.localize",
    "dateutil.parser": "parse isoparse",
    "dateutil.relativedelta": "relativedelta",
    "dateutil.tz": "gettz tzutc",
}
# https://docs.python.org/3/library/functional.html
_HOLDING = {
    "itertools": (
        "accumulate batched chain chain.from_iterable combinations compress count cycle dropwhile "
        "filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee "
        "zip_longest"
    ),
    "functools": "partial reduce cmp_to_key",
    "operator": "attrgetter itemgetter getitem",
    "collections": "Counter OrderedDict defaultdict deque ChainMap namedtuple",
    "copy": "copy deepcopy",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "heapq": "heapify heappush heappop heapreplace heappushpop merge nlargest nsmallest",
    "random": "choice choices sample shuffle",
    "secrets": "choice",
    "types": "SimpleNamespace MappingProxyType",
    "typing": "cast NamedTuple",
    "dataclasses": "asdict astuple replace",
    "enum": "auto",
    "pprint": "saferepr",
}
_PURE = frozenset(
    path for names in (_PYTHON, _DJANGO, _EXPRESSIONS, _PACKAGED) for path in _paths(names)
)
_HANDING_ON = frozenset(_paths(_HOLDING))

_PUTTING_OFF = frozenset(
    path
    for path in _HANDING_ON
    if path.startswith(("itertools.", "copy."))
    or path in {"functools.partial", "heapq.merge", "typing.cast"}
)

OUTPUT = frozenset({"logging", "warnings", "sys.stdout", "sys.stderr", "structlog", "tqdm"})
"""Modules whose functions tell something to whoever runs the migration."""

PACKAGES = frozenset(
    path.partition(".")[0] for path in (*_PURE, *_HANDING_ON, *OUTPUT, "rich", "os", "importlib")
)
"""The top modules whose names are trusted here and elsewhere to be those that they seem to be."""
