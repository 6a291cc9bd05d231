"""Imports point one way, siblings keep apart, and what needs no torch loads none."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

# From left to right: each may import what stands left of it, and from its own room.
ORDER: tuple[str, ...] = (
    *(
        "errors",
        "registry",
        "randomness",
        "decode",
        "files",
        "native",
        "versions",
        "graph.ir",
        "surrogates",
        "neurons",
        "synapses",
        "losses",
    ),
    *(
        "clock",
        "gates",
        "rules",
        "models",
        "chip",
        "graph",
        "lean",
        "_tracing",
        "spikifying",
        "conversion",
        "own",
        "energy",
        "penalties",
        "data",
        "tasks",
        "runtime",
    ),
    *(
        *(
            "export",
            "config",
            "rows",
            "training",
            "report",
            "experiment",
            "packs",
            "rivals",
            "recipes",
        ),
        *("commands", "cli"),
    ),
    *("__main__", "_checks", "testing"),
)
# These see the graph and what everything may see, whatever else stands left of them.
NARROW = dict.fromkeys(
    ("runtime", "export"),
    ("errors", "registry", "decode", "files", "native", "versions", "graph", "runtime"),
)
# In a registry's folder a module imports nothing of its siblings but base and private ones.
FOLDERS = (
    *("surrogates", "neurons", "synapses", "rules", "models", "data", "recipes", "export"),
    *("clock.encoders", "clock.readouts", "losses", "penalties", "tasks"),
)
SHARED_IN = {"data": ("batches", "images")}  # parts of the room that offer nothing to its registry
# Other siblings that may be seen, each with its reason.
PAIRS = {
    ("synapses.binary", "synapses.real"),  # binary networks have real weights at the ends
    ("synapses.integer", "synapses.real"),
}
TORCH = ("torch", "lightning", "torchmetrics", "safetensors.torch")
# A module here, or one it imports at its top level, must not load torch.
TORCH_FREE: tuple[str, ...] = (
    *(
        "",
        "errors",
        "registry",
        "decode",
        "files",
        "native",
        "versions",
        "graph.ir",
        "graph.nodes",
        "graph.windows",
        "graph.bounds",
        "graph.levels",
        "graph.rewrite",
        "graph.forms",
        "graph.quantise",
        "runtime",
        "config",
        "rows",
    ),
    *("report", "recipes", "commands", "cli", "__main__"),
)
# Neither may these import torch inside of a function.
TORCHLESS = ("runtime", "export", "report", "config")
MAY_USE_TORCH = ("export.onnx",)


def modules() -> dict[str, Path]:
    """Every module by its name below s3nn: '' is the package itself, 'graph.ir' a module."""
    found = {}
    for path in sorted((SOURCE / "s3nn").rglob("*.py")):
        parts = path.relative_to(SOURCE / "s3nn").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def statements(node: ast.AST, *, top_level: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports below a node; at the top level, only those that run when it is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            if not top_level:
                yield from statements(child, top_level=False)
        elif not (top_level and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))):
            yield from statements(child, top_level=top_level)


@cache
def imports(module: str, *, top_level: bool = False) -> frozenset[str]:
    """What a module imports, as full dotted names; names taken from packages are resolved."""
    found: set[str] = set()
    for node in statements(ast.parse(MODULES[module].read_text()), top_level=top_level):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            continue
        assert node.level == 0, f"s3nn.{module} imports relatively: write the full name"
        base = node.module or ""
        for alias in node.names:
            inner = f"{base}.{alias.name}".removeprefix("s3nn.")
            found.add(f"s3nn.{inner}" if base.startswith("s3nn") and inner in MODULES else base)
    return frozenset(found)


def own(module: str, *, top_level: bool = False) -> set[str]:
    """The modules of s3nn that a module imports, named below s3nn."""
    names = {name for name in imports(module, top_level=top_level) if within(name, "s3nn")}
    return {name.removeprefix("s3nn").removeprefix(".") for name in names}


def place(module: str) -> int:
    """Where a module stands in ORDER: at its longest prefix there."""
    rooms = [room for room in ORDER if within(module, room)]
    assert rooms, f"s3nn.{module} has no place in the order of imports: give it one in {__file__}"
    return ORDER.index(max(rooms, key=len))


@pytest.mark.parametrize("module", [name for name in MODULES if name])
def test_imports_point_one_way(module: str) -> None:
    here = place(module)
    room = ORDER[here].partition(".")[0]
    for seen in own(module) - {""}:
        there = place(seen)
        assert there <= here, (
            f"s3nn.{module} imports s3nn.{seen}, which stands right of it: "
            f"{ORDER[here]} comes before {ORDER[there]}"
        )
        allowed = NARROW.get(room)
        assert allowed is None or any(within(seen, a) for a in (*allowed, room)), (
            f"s3nn.{module} imports s3nn.{seen}: {room} sees {', '.join(allowed or ())} only"
        )


@pytest.mark.parametrize("module", [m for m in MODULES if m.rpartition(".")[0] in FOLDERS])
def test_siblings_keep_apart(module: str) -> None:
    folder = module.rpartition(".")[0]
    shared = ("base", *SHARED_IN.get(folder, ()))
    for seen in own(module):
        seen_folder, _, sibling = seen.rpartition(".")
        if seen_folder == folder and seen != module and (module, seen) not in PAIRS:
            assert sibling in shared or sibling.startswith("_"), (
                f"s3nn.{module} imports its sibling s3nn.{seen}: "
                "move what both need to base, or to a module whose name starts with _"
            )


@pytest.mark.parametrize(
    "package", [m for m in MODULES if "def __getattr__" in MODULES[m].read_text(encoding="utf-8")]
)
def test_what_is_imported_late_has_no_modules_name(package: str) -> None:
    """Importing a module sets its name in its package: what had the name there would be gone."""
    names = import_module(f"s3nn.{package}".rstrip(".")).__dict__.get("__all__", [])
    taken = {
        module.rpartition(".")[2] for module in MODULES if module.rpartition(".")[0] == package
    }
    assert not taken & set(names), f"s3nn.{package}: {sorted(taken & set(names))}"


def of_torch(names: frozenset[str]) -> list[str]:
    return sorted(name for name in names if any(within(name, room) for room in TORCH))


def loads(module: str) -> list[str]:
    """A chain of top-level imports from a module to torch, or nothing."""
    chains, seen = [[module]], {module}
    for chain in chains:
        parts = chain[-1].split(".")
        if torch := of_torch(imports(chain[-1], top_level=True)):
            return [*chain, torch[0]]
        packages = {".".join(parts[:i]) for i in range(len(parts))}
        for following in (own(chain[-1], top_level=True) | packages) & MODULES.keys() - seen:
            seen.add(following)
            chains.append([*chain, following])
    return []


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m in TORCH_FREE or any(within(m, r) for r in TORCH_FREE if r)]
)
def test_what_needs_no_torch_loads_none(module: str) -> None:
    chain = loads(module)
    assert not chain, " -> ".join(f"s3nn.{name}" for name in chain[:-1]) + f" -> {chain[-1]}"


@pytest.mark.parametrize("module", [m for m in MODULES if m.partition(".")[0] in TORCHLESS])
def test_rooms_without_torch(module: str) -> None:
    used = of_torch(imports(module))
    assert not used or module in MAY_USE_TORCH, f"s3nn.{module} imports {used}"


@pytest.mark.skipif("cli" not in MODULES, reason="there is no command line yet")
def test_the_command_line_starts_without_torch() -> None:
    code = "import sys; import s3nn.cli; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(SOURCE)})


def test_this_test_sees_what_it_is_there_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong import of each kind, in modules made up for it, is found."""
    faults = {
        "surrogates.made_up": "from s3nn.neurons import Fire",
        "neurons.made_up": "from s3nn.neurons.lif import Lif",
        "runtime.made_up": "def f():\n    from s3nn.models import Cnn7",
        "config": "from s3nn.graph.ir import Edge\nfrom s3nn.clock import unroll",
        "report.made_up": "def f():\n    import torch",
    }
    sources = {name: SOURCE / f"{name}.py" for name in faults}
    monkeypatch.setattr(Path, "read_text", _made_up(sources, faults))
    monkeypatch.setattr(sys.modules[__name__], "MODULES", {**MODULES, **sources})
    imports.cache_clear()
    for check, module, message in (
        (test_imports_point_one_way, "surrogates.made_up", "surrogates comes before neurons"),
        (test_siblings_keep_apart, "neurons.made_up", "imports its sibling s3nn.neurons.lif"),
        (test_imports_point_one_way, "runtime.made_up", "runtime sees errors, .* only"),
        (test_what_needs_no_torch_loads_none, "config", "s3nn.config -> s3nn.clock.* -> torch"),
        (test_rooms_without_torch, "report.made_up", r"imports \['torch'\]"),
    ):
        with pytest.raises(AssertionError, match=message):
            check(module)
    imports.cache_clear()


def _made_up(sources: dict[str, Path], texts: dict[str, str]) -> object:
    given = {path: texts[name] for name, path in sources.items()}
    read = Path.read_text
    return lambda path, *args, **kwargs: given.get(path) or read(path, *args, **kwargs)


@pytest.mark.parametrize("module", ["experiment.trained", "experiment.compiled", "energy.counting"])
def test_a_trained_network_is_used_without_what_trains_and_draws(module: str) -> None:
    """Seconds of imports, before an image is classified."""
    code = f"import sys, s3nn.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not {"lightning", "torchmetrics", "matplotlib"} & set(loaded.stdout.split())
    assert "torch" in loaded.stdout.split(), loaded.stderr
