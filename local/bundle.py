"""Writes the self-contained connector: `python -m local.bundle FOLDER`.

Airbyte's manifest-only image and the Connector Builder take one manifest and one `components.py`. So
the bundle's manifest holds every schema inline, and its class names are those under which the runtime
finds injected components.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import yaml
from airbyte_cdk.sources.declarative.schema.json_file_schema_loader import JsonFileSchemaLoader

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "source_notion"
PACKAGED_COMPONENTS = "source_notion.components."
INJECTED_COMPONENTS = "source_declarative_manifest.components."


def bundled_manifest() -> dict[str, Any]:
    """The manifest with inline schemas and the class names of injected components."""
    text = (PACKAGE / "manifest.yaml").read_text(encoding="utf-8")
    manifest = yaml.safe_load(text.replace(PACKAGED_COMPONENTS, INJECTED_COMPONENTS))
    manifest["schemas"] = {}
    for path in sorted((PACKAGE / "schemas").glob("*.json")):
        loader = JsonFileSchemaLoader(
            config={}, parameters={}, file_path=f"./source_notion/schemas/{path.name}"
        )
        manifest["schemas"][path.stem] = loader.get_json_schema()
    for stream in manifest["definitions"].values():
        schema = stream.get("$parameters", {}).get("name") if isinstance(stream, dict) else None
        if schema in manifest["schemas"]:
            stream["schema_loader"] = {
                "type": "InlineSchemaLoader",
                "schema": {"$ref": f"#/schemas/{schema}"},
            }
    del manifest["definitions"]["stream"]["schema_loader"]
    return manifest


def write_bundle(folder: Path) -> None:
    """Write `manifest.yaml`, `components.py`, `metadata.yaml`, `icon.svg` and `README.md` to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = yaml.safe_dump(bundled_manifest(), sort_keys=False, allow_unicode=True, width=100)
    (folder / "manifest.yaml").write_text(manifest, encoding="utf-8")
    for path in (
        PACKAGE / "components.py",
        ROOT / "metadata.yaml",
        ROOT / "icon.svg",
        ROOT / "README.md",
    ):
        shutil.copy(path, folder)


if __name__ == "__main__":
    write_bundle(Path(sys.argv[1]))
    print(f"The self-contained connector is in {sys.argv[1]}/.")
