"""The laboratory as a part of the site: the same files as `inertia lab --export`, under lab/."""

import sys
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from inertia.lab.article import build  # noqa: E402


def on_files(files, config):
    """Add every file of the page; none is a document of the site's own, so the theme leaves them as they are."""
    for name, content in build().items():
        files.append(File.generated(config, f"lab/{name}", content=content))
    return files
