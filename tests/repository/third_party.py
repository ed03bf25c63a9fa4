"""The part of the import law that import-linter has no contract for: packages of others, denied unless allowed."""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ThirdPartyContract(Contract):
    """Each line of `allowed` is a module and what it, and all within it, may import: ``tuner.cli: click, rich``.

    The most specific line counts. What no line names imports the standard library and `tuner` alone.
    """

    type_name = "third_party"
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        lines = [line.partition(":") for line in self.allowed]  # type: ignore[attr-defined]
        allowed = {module.strip(): {name.strip() for name in names.split(",")} for module, _, names in lines}
        unknown = sorted(set(allowed) - graph.modules)
        used: dict[str, set[str]] = {module: set() for module in allowed}
        found = []
        for module in sorted(graph.modules):
            if module.partition(".")[0] != "tuner":
                continue
            owner = max((name for name in allowed if f"{module}.".startswith(f"{name}.")), key=len, default=None)
            others = {name.partition(".")[0] for name in graph.find_modules_directly_imported_by(module)}
            others -= {"tuner", *sys.stdlib_module_names}
            may = allowed[owner] if owner else set()
            found += [f"{module} -> {name}" for name in sorted(others - may)]
            if owner:
                used[owner] |= others
        stale = [f"{owner}: {name}" for owner, names in allowed.items() for name in sorted(names - used[owner])]
        return ContractCheck(
            kept=not (found or unknown or stale), metadata={"found": found, "unknown": unknown, "stale": stale}
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        for what, told in (
            ("found", "not allowed: {}"),
            ("unknown", "no such module: {}"),
            ("stale", "allowed, but not imported any more: {}"),
        ):
            for text in check.metadata[what]:
                output.print_error(told.format(text))
