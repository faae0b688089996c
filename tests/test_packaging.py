"""A wheel has every file of ours, so `pip install` from the repository works as a checkout does."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

from setuptools import find_namespace_packages

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
IN_WHEEL = SETUPTOOLS["packages"]["find"]["include"]
DATA = SETUPTOOLS["package-data"]["*"]


def test_a_wheel_has_every_file_of_every_package() -> None:
    packages = {ROOT / name.replace(".", "/") for name in find_namespace_packages(str(ROOT), include=IN_WHEEL)}
    roots = [ROOT / pattern.rstrip("*") for pattern in IN_WHEEL]
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > len(packages) > len(roots)
    missing = [
        str(path.relative_to(ROOT))
        for path in files
        if not any(package in path.parents for package in packages)
        or (path.suffix == ".py" and path.parent not in packages)
        or (path.suffix != ".py" and not any(fnmatch(path.name, pattern) for pattern in DATA))
    ]
    assert missing == []
