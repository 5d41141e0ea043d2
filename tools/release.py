"""Pins the base image of a bundle by its digest, for a release: `python -m tools.release FOLDER`."""

import re
import subprocess
import sys
from pathlib import Path

WITHOUT_DIGEST = re.compile(r"^( *baseImage: )([^@\s]+)$", re.MULTILINE)


def pin_base_image(folder: Path) -> str:
    """Write the digest that Docker finds behind the base image into `metadata.yaml`; gives the pinned image.

    Raises SystemExit, and leaves the file as it is, if there is no Docker or no network to ask.
    """
    path = folder / "metadata.yaml"
    text = path.read_text(encoding="utf-8")
    found = WITHOUT_DIGEST.search(text)
    if not found:
        raise SystemExit(f"{path} names no base image without a digest.")
    command = ["docker", "buildx", "imagetools", "inspect", found[2], "--format", "{{.Manifest.Digest}}"]
    try:
        digest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise SystemExit(f"A release needs the digest of {found[2]}, and Docker does not tell it: {reason}") from None
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise SystemExit(f"Docker gave no digest of {found[2]}, but: {digest}")
    path.write_text(WITHOUT_DIGEST.sub(rf"\g<1>\g<2>@{digest}", text), encoding="utf-8")
    return f"{found[2]}@{digest}"


if __name__ == "__main__":
    print(f"The base image is {pin_base_image(Path(sys.argv[1]))}.")
