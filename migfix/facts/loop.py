"""``Loop``: every fact about one loop over database rows that a codemod may ask for. The class fills it: a fact is a line
that names the module which finds it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from migfix.facts.access import Access, Surroundings, Visit, by_name
from migfix.facts.body.counters import counters_in
from migfix.facts.body.effects import Effect, effects_of
from migfix.facts.body.effects import Kind as EffectKind
from migfix.facts.body.given import is_handed_over, is_only_chained
from migfix.facts.body.handed import Handed, handed_to_save, own_saves
from migfix.facts.body.reached import reached
from migfix.facts.body.uses import Kind as UseKind
from migfix.facts.body.uses import Use, uses_of, with_changed_files
from migfix.facts.failure.errors import Errors, errors_of
from migfix.facts.rows.bulk import BulkUpdate, bulk_update_after
from migfix.facts.rows.counts import Count, counts_around, needless_guard, needless_list
from migfix.facts.rows.cursors import CursorQuery, cursor_query_of
from migfix.findings import Reason, Refusal
from migfix.history.state import ModelKey, Unknown
from migfix.reading.kinds.values import Apps, Model, RawRows, Rows, SchemaEditor
from migfix.reading.names.functions import Function, Reach
from migfix.reading.names.places import Names
from migfix.reading.names.scopes import Binding, statements_of_scope, walk
from migfix.reading.rows.methods import Does, methods
from migfix.reading.rows.querysets import Resolver, row_of
from migfix.source import last_name
from migfix.sql.kinds import is_file

# Queryset methods that neither read nor fill the queryset's cache of rows: they build or run a query of
# their own. ``count()`` and ``exists()`` look at the cache when there is one.
# https://docs.djangoproject.com/en/stable/topics/db/queries/#caching-and-querysets
_UNCACHED = methods(Does.SKIPS_CACHE)
_CACHE_READERS = methods(Does.READS_CACHE)


@dataclass(frozen=True, eq=False)
class Loop(Access):
    """``for row in rows: body`` as one migration state sees it."""

    node: ast.For
    wrappers: tuple[str, ...]
    batch_size: int | None = None

    @cached_property
    def queryset(self) -> ast.expr:
        """The expression under the wrappers, as written in the header."""
        node = self.node.iter
        for _ in self.wrappers:
            assert isinstance(node, ast.Call)
            node = node.args[0]
        return node

    @cached_property
    def is_over_iterator(self) -> bool:
        """Was ``.iterator()`` called before the loop? Its header then holds no queryset any more."""
        node = self.queryset
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
        rows = self.resolver.value(node, self.node)
        return isinstance(rows, Rows) and rows.has("iterator")

    @cached_property
    def row(self) -> str | None:
        """The row's name; None where the target is not one name for one instance."""
        target = self.node.target
        if self.wrappers.count("enumerate") == 1 and isinstance(target, ast.Tuple):
            target = target.elts[-1] if len(target.elts) == 2 else target
        elif "enumerate" in self.wrappers:
            return None
        if not isinstance(target, ast.Name) or row_of(self.rows) is None:
            return None
        return target.id

    @property
    def region(self) -> list[ast.stmt]:
        """The statements of the body, and those of the loop's ``else``."""
        return [*self.node.body, *self.node.orelse]

    @property
    def nodes(self) -> Iterator[ast.AST]:
        """Every node in these statements."""
        return (node for statement in self.region for node in walk(statement))

    @cached_property
    def waits(self) -> bool:
        """May its function yield or wait before the loop has ended?"""
        waiting = (ast.Yield, ast.YieldFrom, ast.Await)
        is_async = isinstance(self.resolver.scope.node, ast.AsyncFunctionDef)
        return is_async or any(isinstance(node, waiting) for node in self.nodes)

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Uses of the row in the body, the ``else`` of the loop included."""
        if self.row is None:
            return ()
        columns = () if isinstance(self.columns, Unknown) else self.columns
        files = by_name(column for column in columns if is_file(column))
        return tuple(with_changed_files(uses_of(self.row, self.region, self.resolver), files))

    def used(self, *kinds: UseKind) -> tuple[Use, ...]:
        return tuple(use for use in self.uses if use.kind in kinds)

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        return tuple(effects_of(self.region, self.row, self.resolver))

    @cached_property
    def handed_to_save(self) -> tuple[Handed, ...]:
        """Where the body hands the row to functions of the file that save it, and nothing else."""
        return handed_to_save(self)

    @cached_property
    def own_saves(self) -> frozenset[ast.AST]:
        """The calls of ``save()``, of the body and of these functions, that save the row of the turn alone."""
        return own_saves(self)

    @property
    def reached(self) -> tuple[tuple[ast.AST, Resolver], ...]:
        """Every node of the loop's function and of those of the project that it calls."""
        own = self.resolver.own
        if "reached" not in own:
            own["reached"] = tuple(reached(statements_of_scope(self.resolver.scope), self.resolver))
        return own["reached"]  # type: ignore[no-any-return]

    def having(self, *kinds: EffectKind) -> tuple[Effect, ...]:
        return tuple(effect for effect in self.effects if effect.kind in kinds)

    @cached_property
    def errors(self) -> Errors:
        """What becomes of an error in one of its turns."""
        return errors_of(self, self.importers)

    @cached_property
    def cursor_query(self) -> CursorQuery | None:
        """The query of the cursor whose rows these are; None where it is not certain which."""
        of_cursor = isinstance(self.rows, RawRows) and self.rows.model is None
        return cursor_query_of(self) if of_cursor else None

    @cached_property
    def outer_row_loop(self) -> ast.For | None:
        """The nearest enclosing loop whose variable the queryset depends on.

        Loops over a few things written out in the file (models, names) do not count.
        """
        asked = self.cursor_query.arguments if self.cursor_query else ()
        names = {name for node in (self.queryset, *asked) for name in self._behind(node)}
        for ancestor in self.resolver.scope.ancestors(self.node):
            if isinstance(ancestor, ast.For) and not self._is_written_out(ancestor):
                bound = {n.id for n in walk(ancestor.target) if isinstance(n, ast.Name)}
                if bound & names:
                    return ancestor
        return None

    @cached_property
    def outer_loop(self) -> ast.For | ast.AsyncFor | ast.While | None:
        """The nearest enclosing loop, other than over a few things written out in the file."""
        for ancestor in self.resolver.scope.ancestors(self.node):
            if isinstance(ancestor, ast.For) and self._is_written_out(ancestor):
                continue
            if isinstance(ancestor, (ast.For, ast.AsyncFor, ast.While)):
                return ancestor
        return None

    def _behind(self, node: ast.AST) -> set[str]:
        """Every name that the expression depends on, through the names in between."""
        names: set[str] = set()
        waiting = [node]
        while waiting:
            used = {n.id for n in walk(waiting.pop()) if isinstance(n, ast.Name)}
            for name in used - names:
                bindings = self.resolver.scope.bindings.get(name, [])
                waiting += [b.value for b in bindings if b.value is not None]
            names |= used
        return names

    def _is_written_out(self, loop: ast.For) -> bool:
        return loop in self.resolver.turns or self._is_display(loop.iter)

    def _is_display(self, node: ast.expr) -> bool:
        """A display of literals or names, a name for one, or the items of one."""
        match node:
            case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return True
            case ast.Call(
                func=ast.Attribute(value=value, attr="items" | "keys" | "values"), args=[]
            ):
                return self._is_display(value)
            case ast.Name(id=name):
                binding = self.resolver.scope.bound_once(name)
                known = binding.value if binding else self.module.constant(name)
                return isinstance(known, (ast.List, ast.Tuple, ast.Set, ast.Dict))
        return False

    @cached_property
    def names_used_after(self) -> tuple[str, ...]:
        """Names bound by the loop (its variable, a counter) that are read outside of it."""
        scope = self.resolver.scope
        return tuple(filter(self.is_used_after, sorted(scope.names_bound_in(self.node))))

    @cached_property
    def counters(self) -> frozenset[str]:
        """Names of whole numbers that the loop does nothing to but add to them: ``count += 1``."""
        return counters_in(self.node, self.resolver)

    def is_used_after(self, name: str) -> bool:
        """May a read or ``del`` outside of the loop find what the loop bound to the name?"""
        scope = self.resolver.scope
        if name in scope.shared:
            return True
        places = scope.places_by_binding(name)
        # What is certain to read a binding from outside of this loop sees nothing of it.
        made_here = (s for s in places if s is None or s in scope.nodes_in(self.node))
        return any(
            not scope.is_inside(place, self.node)
            for statement in made_here
            for place in places[statement]
        )

    @cached_property
    def block(self) -> list[ast.stmt]:
        """The statements among which the loop stands."""
        parent = self.resolver.scope.parents.get(self.node)
        blocks = [getattr(parent, name, None) for name in ("body", "orelse", "finalbody")]
        return next(b for b in blocks if isinstance(b, list) and self.node in b)

    @property
    def statement_before(self) -> ast.stmt | None:
        """The statement right before the loop."""
        position = self.block.index(self.node)
        return self.block[position - 1] if position else None

    def stands_alone(self, statement: ast.stmt) -> bool:
        """Does the statement have lines of its own, that can go without any other?"""
        parent = self.resolver.scope.parents.get(statement)
        blocks = [getattr(parent, name, []) for name in ("body", "orelse", "finalbody")]
        siblings = [s for block in blocks for s in block if s is not statement]
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        shared = any(s.lineno <= last and first <= (s.end_lineno or s.lineno) for s in siblings)
        return not shared and getattr(parent, "lineno", 0) < first

    @cached_property
    def bulk_update(self) -> BulkUpdate | None:
        """The ``bulk_update()`` that saves what this loop changes, None if there is none."""
        return bulk_update_after(self)

    @cached_property
    def counts(self) -> tuple[Count, ...]:
        """Places before the loop that read rows only to count or test them."""
        return tuple(counts_around(self))

    @cached_property
    def needless_list(self) -> ast.Call | None:
        """``list(...)`` in front of the loop that may go: nothing reads the rows again, or changes them.

        Where its ``bulk_update()`` does, it has to go with it.
        """
        return needless_list(self)

    @cached_property
    def needless_guard(self) -> ast.If | None:
        """``if rows:`` that may go with the loop where what stands for it does nothing over no rows."""
        return needless_guard(self)

    @property
    def is_over_list(self) -> bool:
        """Were the rows read into a list before the loop that something else may need?"""
        return self._is_over_list and not (self.needless_list and not self.given_to_batches)

    @property
    def is_over_list_besides_batches(self) -> bool:
        """The same of the loop where batches take the place of its ``bulk_update()``."""
        return self._is_over_list and not self.needless_list

    @property
    def _is_over_list(self) -> bool:
        return isinstance(self.rows, Rows) and self.rows.has("list()")

    def _reusing(self) -> Iterator[ast.AST]:
        """The places that read the queryset's cached rows besides this loop.

        They see the very objects of this loop; without its cache they would run queries of their own
        and see others.
        """
        scope = self.resolver.scope
        for name, binding in self._holders():
            if binding is None or not self._is_own(binding):
                yield self.queryset
                return
            targets = getattr(binding.statement, "targets", [])
            yield from (t for t in targets if isinstance(t, (ast.Attribute, ast.Subscript)))
            for load in scope.loads(name):
                other = scope.binding(name, load)
                same = other is None or other.statement is binding.statement
                if same and self._reads_cache(load):
                    yield load

    @property
    def reuse(self) -> Refusal | None:
        """How the rows are used besides this loop; None when they are not."""
        return self.reuse_besides(frozenset())

    @property
    def reuse_besides_batches(self) -> Refusal | None:
        """The same of the loop where batches take the place of its ``bulk_update()``."""
        return self.reuse_besides(self.given_to_batches)

    @cached_property
    def given_to_batches(self) -> frozenset[ast.AST]:
        """What gives the rows to ``bulk_update()``, and goes where batches take its place.

        They do not where the body saves rows, too.
        """
        bulk = self.bulk_update
        return bulk.shared if bulk and not self.used(UseKind.SAVE) else frozenset()

    def reuse_besides(self, places: frozenset[ast.AST]) -> Refusal | None:
        """The same, where these places do not matter. Those that only count the rows never do."""
        others = (place for place in self._reusing() if place not in places)
        reused = next((place for place in others if not self._only_counts(place)), None)
        if reused is None:
            return None
        at, name = self.at(reused), self.text(self.queryset)
        if reused is not self.queryset:
            why = f"the queryset's rows are used again on {at}"
        elif self.runs_again:
            why = f"an outer loop makes this one go over the rows of `{name}` again"
        else:
            why = f"`{name}` is made elsewhere, where its rows may be used again"
        return Refusal(Reason.QUERYSET_REUSED, why, at)

    def _only_counts(self, place: ast.AST) -> bool:
        return any(place is count.rows for count in self.counts)

    def _holders(self) -> Iterator[tuple[str, Binding | None]]:
        """The names that hold the looped queryset itself, each with what bound it."""
        node: ast.AST | None = self.queryset
        at: ast.AST = self.node
        while isinstance(node, ast.Name):
            binding = self.resolver.scope.binding(node.id, at)
            yield node.id, binding
            if binding is None:
                return
            targets = getattr(binding.statement, "targets", [])
            yield from (
                (t.id, binding) for t in targets if isinstance(t, ast.Name) and t is not node
            )
            node, at = binding.value, binding.statement

    def _is_own(self, binding: Binding) -> bool:
        """False where the queryset came as an argument that the caller may have a name for, too."""
        if not isinstance(binding.statement, ast.arg):
            return True
        steps = self.rows.steps if isinstance(self.rows, Rows) else ()
        outer = self.module.scope.parents.get(steps[-1].node) if steps else None
        if isinstance(outer, ast.keyword):
            outer = self.module.scope.parents[outer]
        if (
            isinstance(outer, ast.Call)
            and isinstance(outer.func, ast.Name)
            and outer.func.id == self.function
        ):
            return True
        return isinstance(self.rows, Rows) and is_handed_over(
            binding.statement, self.rows, self.node, self.module
        )

    def _reads_cache(self, load: ast.Name) -> bool:
        scope = self.resolver.scope
        if load is self.queryset:
            return self.runs_again
        parent = scope.parents[load]
        if (call := scope.method_call(load)) is not None:
            method = last_name(call.func)
            if method in _CACHE_READERS:
                return not self._comes_before(load)
            return method not in _UNCACHED
        held = {name for name, _ in self._holders()}
        if isinstance(parent, ast.Assign):
            return not all(isinstance(t, ast.Name) and t.id in held for t in parent.targets)
        return not is_only_chained(load, self.module)

    @property
    def runs_again(self) -> bool:
        """Is the loop itself in a loop that does not make the queryset anew each time?"""
        if not isinstance(self.queryset, ast.Name):
            return False
        scope = self.resolver.scope
        binding = scope.binding(self.queryset.id, self.node)
        if binding is None:
            return True
        for ancestor in scope.ancestors(self.node):
            if scope.is_inside(binding.statement, ancestor):
                return False
            if isinstance(ancestor, (ast.For, ast.AsyncFor, ast.While)):
                return True
        return False

    def _comes_before(self, load: ast.Name) -> bool:
        """Does ``load`` run before the loop, and never again after it on the same rows?"""
        scope = self.resolver.scope
        binding = scope.binding(load.id, load)
        if binding is None or load.lineno >= self.node.lineno:
            return False
        return not any(
            isinstance(around, (ast.For, ast.AsyncFor, ast.While))
            and not scope.is_inside(binding.statement, around)
            for around in scope.ancestors(self.node)
        )

    @cached_property
    def names_pointing_here(self) -> frozenset[str]:
        """Names that relations of other models give to this one's querysets."""
        if isinstance(self.model, Unknown):
            return frozenset()
        found: set[str] = set()
        for other, field in self.state.pointing_to(self.model.key):
            options = (field.options.get("related_name"), field.options.get("related_query_name"))
            found |= {other.name.lower(), *(o for o in options if isinstance(o, str))}
        return frozenset(found)

    def model_text(self, key: ModelKey) -> str | None:
        """How the function calls a model in front of the loop: by a name, else through ``apps``."""
        scope = self.resolver.scope
        for name, bindings in scope.bindings.items():
            named = any(b.value is not None for b in bindings) and scope.binding(name, self.node)
            if named and self.resolver.value(ast.Name(name, ast.Load()), self.node) == Model(key):
                return name
        apps = next((n for n, v in self.resolver.parameters.items() if isinstance(v, Apps)), None)
        known = self.state.model(*key)
        if apps is None or isinstance(known, Unknown) or scope.binding(apps, self.node) is None:
            return None
        quoted = self.names.quoted
        return f"{apps}.get_model({quoted(key[0])}, {quoted(known.name)})"


def loops_at(
    node: ast.For, function: Function, reach: Reach, names: Names, surroundings: Surroundings
) -> list[Loop]:
    """The ``for`` of the function's own body, where it goes over database rows.

    One that goes over the rows of different models by turns, or in different calls of the function,
    comes once for each of these ways.
    """
    visit = Visit(function, reach, names, surroundings)
    return [
        Loop.met(visit, node, resolver, rows, wrappers=wrappers, batch_size=surroundings.batch_size)
        for resolver, rows, wrappers in _ways_of(node, function, reach)
    ]


_Way: TypeAlias = tuple[Resolver, Rows | RawRows, tuple[str, ...]]


def _ways_of(node: ast.For, function: Function, reach: Reach) -> list[_Way]:
    """The ways in which the loop may run, each with its rows and the wrappers around them.

    Where it is not certain that it goes over rows in all of them, what all have in common decides.
    """
    resolvers = reach.resolvers(function, node)
    ways = [way for resolver in resolvers if (way := _way_of(node, resolver))]
    if len(ways) == len(resolvers):
        return ways
    whole = _way_of(node, reach.resolver(function))
    return [whole] if whole else []


def _way_of(node: ast.For, resolver: Resolver) -> _Way | None:
    rows, wrappers = resolver.unwrapped(node.iter)
    if isinstance(rows, SchemaEditor):
        rows = RawRows(live=True)
    return (resolver, rows, wrappers) if isinstance(rows, (Rows, RawRows)) else None
