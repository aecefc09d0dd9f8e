"""The findings as JUnit XML: each loop is a test, which fails where it can be rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from migfix.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migfix.findings import FileOutcome


def render(outcomes: Sequence[FileOutcome]) -> str:
    """A suite for each file with loops or an error; a loop that is left passes, and says why."""
    suites = ElementTree.Element("testsuites", name="migfix")
    for outcome in (each for each in outcomes if each.loops or each.error):
        loops = () if outcome.error else outcome.loops
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=quoted(outcome.path.as_posix()),
            tests=str(len(loops) or 1),
            failures=str(sum(loop.changed for loop in loops)),
            errors=str(int(outcome.error is not None)),
        )
        if outcome.error is not None:
            case = ElementTree.SubElement(suite, "testcase", name="file", classname="migfix")
            ElementTree.SubElement(case, "error", message=quoted(outcome.error))
        for loop in loops:
            place = f"{outcome.path.as_posix()}:{loop.line}:{loop.column}"
            case = ElementTree.SubElement(
                suite, "testcase", name=quoted(f"{place} {loop.function}"), classname="migfix"
            )
            if loop.changed:
                message = f"{' '.join(loop.codes)} {loop.reason}"
                ElementTree.SubElement(case, "failure", message=quoted(message))
            else:
                ElementTree.SubElement(case, "system-out").text = quoted(f"left: {loop.reason}")
    ElementTree.indent(suites)
    # References for all but ASCII: right in whatever encoding it is written.
    data = ElementTree.tostring(suites, encoding="us-ascii", xml_declaration=False)
    return f'<?xml version="1.0"?>\n{data.decode()}\n'
