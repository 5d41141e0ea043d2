"""The shape of the connector's code: small files, small functions, imports in one direction, no hidden doors."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from conftest import MANIFEST, ROOT

from source_notion import run

PACKAGE = ROOT / "source_notion"
FILES = sorted(PACKAGE.glob("*.py"))
MAX_LINES = {"package": 3540, "file": 400, "function": 40, "manifest": 850}

# The runtime's private names on which the package leans; `retriever.py` says why.
PRIVATE_NAMES = {"_read_pages", "_fetch_next_page", "_last_emission_time"}
# Public in all but their looks.
NOT_PRIVATE = {"_asdict", "_exit"}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def nodes_of(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imports_of(path: Path) -> set[str]:
    """The modules of the package that a module imports."""
    named = (node.module for node in nodes_of(path) if isinstance(node, ast.ImportFrom))
    return {name.split(".")[1] for name in named if name and name.startswith("source_notion.")}


def test_the_package_and_the_manifest_are_small() -> None:
    assert sum(map(lines_of, FILES)) <= MAX_LINES["package"]
    assert lines_of(MANIFEST) <= MAX_LINES["manifest"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_and_each_function_is_small(path: Path) -> None:
    assert lines_of(path) <= MAX_LINES["file"]
    functions = [node for node in nodes_of(path) if isinstance(node, FUNCTIONS)]
    too_long = {
        each.name: (each.end_lineno or 0) - each.lineno + 1
        for each in functions
        if (each.end_lineno or 0) - each.lineno + 1 > MAX_LINES["function"]
    }
    assert too_long == {}


def test_imports_go_in_one_direction() -> None:
    left = {path.stem: imports_of(path) for path in FILES}
    while left:
        free = {name for name, imports in left.items() if not imports & left.keys()}
        assert free, f"These import each other: {sorted(left)}"
        left = {name: imports for name, imports in left.items() if name not in free}


def test_the_package_needs_the_runtime_and_the_standard_library_only() -> None:
    allowed = {"airbyte_cdk", "source_notion", *sys.stdlib_module_names}
    for path in FILES:
        for node in nodes_of(path):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_there_is_no_hidden_door(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for door in ("__class__ =", "setattr(", "sqlite", "__known_pages", "__streams", "monkeypatch"):
        assert door not in text
    assert re.findall(r"config\[[^\]]+\] =", text) == []


def test_only_the_retriever_leans_on_private_names_and_only_on_those_that_it_lists() -> None:
    for path in FILES:
        used = set()
        for node in nodes_of(path):
            if isinstance(node, ast.Attribute) and re.fullmatch("_[a-z]\\w*", node.attr):
                owner = ast.unparse(node.value)
                if owner not in ("self", "cls") and not owner[0].isupper():
                    used.add(node.attr)
        assert used - NOT_PRIVATE <= (PRIVATE_NAMES if path.stem == "retriever" else {"_read_pages"}), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_class_overrides_or_uses_another_private_name_of_the_runtime(path: Path) -> None:
    module = importlib.import_module(f"source_notion.{path.stem}")
    for ours in vars(module).values():
        if not inspect.isclass(ours) or ours.__module__ != module.__name__:
            continue
        mine = set(re.findall(r"\bself\.(_[a-z]\w*)", inspect.getsource(ours))) | {
            name for name in vars(ours) if re.fullmatch("_[a-z]\\w*", name) and name != "_abc_impl"
        }
        for base in ours.__mro__:
            if base.__module__.startswith("airbyte_cdk"):
                source = inspect.getsource(base)
                theirs = set(re.findall(r"\bself\.(_[a-z]\w*)", source)) | set(re.findall(r"def (_[a-z]\w*)", source))
                assert mine & theirs <= PRIVATE_NAMES, ours.__name__


def test_all_streams_over_pages_are_in_the_group_that_is_read_one_after_another() -> None:
    manifest = ManifestReferenceResolver().preprocess_manifest(run.manifest())
    over_pages = [
        stream["name"]
        for stream in manifest["streams"]
        if stream.get("retriever", {}).get("partition_router", {}).get("class_name") == "source_notion.pages.PageRouter"
    ]

    assert len(over_pages) > 1
    assert [stream["name"] for stream in manifest["stream_groups"]["over_pages"]["streams"]] == over_pages


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_constructors_only_assign(path: Path) -> None:
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef) and node.name in ("__init__", "__post_init__"):
            for statement in node.body:
                inner = statement.body if isinstance(statement, ast.If) else [statement]
                assert all(map(only_assigns, inner)), ast.unparse(statement)


def only_assigns(statement: ast.stmt) -> bool:
    """Whether a statement sets a field of this object or a local name, or calls the constructor above."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) or ast.unparse(statement).startswith("super().__")
    if isinstance(statement, ast.Assign):
        targets = [each for target in statement.targets for each in getattr(target, "elts", [target])]
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return False
    return all(re.fullmatch(r"(self\.)?\w+", ast.unparse(each)) for each in targets)
