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
        told = [f"no such module: {module}" for module in sorted(set(allowed) - graph.modules)]
        used: dict[str, set[str]] = {module: set() for module in allowed}
        for module in sorted(module for module in graph.modules if f"{module}.".startswith("tuner.")):
            others = {name.partition(".")[0] for name in graph.find_modules_directly_imported_by(module)}
            others -= {"tuner", *sys.stdlib_module_names}
            owner = max((name for name in allowed if f"{module}.".startswith(f"{name}.")), key=len, default="")
            told += [f"not allowed: {module} -> {name}" for name in sorted(others - allowed.get(owner, set()))]
            used.setdefault(owner, set()).update(others)
        stale = [(owner, name) for owner, names in allowed.items() for name in sorted(names - used[owner])]
        told += [f"allowed, but not imported any more: {owner}: {name}" for owner, name in stale]
        return ContractCheck(kept=not told, metadata={"told": told})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for text in check.metadata["told"]:
            output.print_error(text)
