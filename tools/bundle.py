"""Writes the self-contained connector: `python -m tools.bundle FOLDER`.

Airbyte's manifest-only image and the Connector Builder take one manifest and one `components.py`. So the bundle's
manifest holds every schema inline, and its components are the modules of the package, joined into one.
"""

import ast
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.sources.declarative.schema.json_file_schema_loader import JsonFileSchemaLoader

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "source_notion"
NOT_BUNDLED = {"__init__", "run"}
COPIED = ("metadata.yaml", "icon.svg", "README.md", "acceptance-test-config.yml")


def bundled_manifest() -> dict[str, Any]:
    """The manifest with inline schemas and the class names of injected components."""
    text = (PACKAGE / "manifest.yaml").read_text(encoding="utf-8")
    manifest = yaml.safe_load(re.sub(r"\bsource_notion\.[a-z_]+\.", "source_declarative_manifest.components.", text))
    manifest["schemas"] = {}
    for path in sorted((PACKAGE / "schemas").glob("*.json")):
        loader = JsonFileSchemaLoader(config={}, parameters={}, file_path=f"./source_notion/schemas/{path.name}")
        manifest["schemas"][path.stem] = loader.get_json_schema()
    resolved = ManifestReferenceResolver().preprocess_manifest(manifest)
    for stream, whole in zip(manifest["streams"], resolved["streams"], strict=True):
        if "$ref" in stream:  # not in its definition: each that refers to that would copy the schema, too
            schema = {"$ref": f"#/schemas/{whole['$parameters']['name']}"}
            stream["schema_loader"] = {"type": "InlineSchemaLoader", "schema": schema}
    del manifest["definitions"]["stream"]["schema_loader"]
    return manifest


def bundled_components() -> str:
    """The modules of the package as one: their imports once at the top, then their code in the order of imports."""
    modules = {path.stem: path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py")}
    imports: set[str] = set()
    parts: list[str] = []
    defined: dict[str, str] = {}
    for module in _in_order_of_imports({name: text for name, text in modules.items() if name not in NOT_BUNDLED}):
        code, imported, names = _split(modules[module])
        for name in names:
            if name in defined:
                raise SystemExit(f"{module}.py and {defined[name]}.py both define {name}: give one another name.")
            defined[name] = module
        imports |= imported
        parts.append(f"# {'-' * (76 - len(module))} {module}.py\n\n\n{code.strip()}\n")
    head = "# Made by `make bundle` from the modules in source_notion/: change those, not this file.\n"
    return f"{head}\n{_import_block(imports)}\n\n" + "\n\n".join(parts)


def _import_block(imports: set[str]) -> str:
    """Each module once, with all that is taken from it; the standard library first."""
    names: dict[str, set[str]] = {}
    for line in imports:
        source, _, taken = line.partition(" import ")
        names.setdefault(source, set()).update(filter(None, taken.split(", ")))
    sources = sorted(names, key=lambda source: ("airbyte_cdk" in source, source.startswith("from"), source))
    return "\n".join(f"{each} import {', '.join(sorted(names[each]))}" if names[each] else each for each in sources)


def _in_order_of_imports(modules: dict[str, str]) -> list[str]:
    """The modules, each after those that it imports; fails on a circle."""
    needs = {
        name: set(re.findall(r"^from source_notion\.([a-z_]+) import", text, re.M)) for name, text in modules.items()
    }
    order: list[str] = []
    while len(order) < len(needs):
        ready = sorted(name for name in needs if name not in order and needs[name] <= set(order))
        if not ready:
            raise SystemExit(f"Modules import each other in a circle: {sorted(needs.keys() - set(order))}.")
        order += ready
    return order


def _split(text: str) -> tuple[str, set[str], set[str]]:
    """A module's code without its docstring and imports, the imports from elsewhere, and the names it defines."""
    lines: list[Any] = text.splitlines()
    imports, names = set(), set()
    for number, node in enumerate(ast.parse(text).body):
        is_docstring = number == 0 and isinstance(node, ast.Expr)
        if isinstance(node, (ast.Import, ast.ImportFrom)) or is_docstring:
            if not is_docstring and not ast.unparse(node).startswith("from source_notion"):
                imports.add(ast.unparse(node))
            lines[node.lineno - 1 : node.end_lineno] = [None] * ((node.end_lineno or 0) - node.lineno + 1)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {each.id for each in targets if isinstance(each, ast.Name)}
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
    return "\n".join(line for line in lines if line is not None), imports, names


def write_bundle(folder: Path) -> None:
    """Write `manifest.yaml`, `components.py` and the files in `COPIED` to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = yaml.safe_dump(bundled_manifest(), sort_keys=False, allow_unicode=True, width=100)
    (folder / "manifest.yaml").write_text(manifest, encoding="utf-8")
    (folder / "components.py").write_text(bundled_components(), encoding="utf-8")
    for name in COPIED:
        shutil.copy(ROOT / name, folder)


if __name__ == "__main__":
    write_bundle(Path(sys.argv[1]))
    print(f"The self-contained connector is in {sys.argv[1]}/.")
