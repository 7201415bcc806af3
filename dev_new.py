"""`python3 dev.py new KIND NAME`: a new encoding, ansatz, engine, layer or data set.

Each folder in `templates/` has a small working module, its test and its documentation page, which
pass all checks. The name `example_name` in them is replaced by the new name. `edits.toml` beside
them defines the paths of the new files, and the lines that are added to existing files. If anything
fails, nothing is written.
"""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
PACKAGE = "qkeras_hybrid"
NAMES = f"{PACKAGE}/cli/names.json"
KINDS = ("encoding", "ansatz", "engine", "layer", "dataset")

# Windows opens these whatever the file's ending is.
WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{a}{i}" for a in ("com", "lpt") for i in range(10)
}

# With a longer name, lines of the templates would be too long.
LONGEST_NAME = 20
LINE_LENGTH = 100


class RefusedError(Exception):
    """The reason why nothing is written."""


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Writes the files for a kind and a name, the two arguments, and returns the exit status."""
    try:
        if len(arguments) != 2:
            raise RefusedError(f"Usage: python3 dev.py new {'|'.join(KINDS)} NAME.")
        kind, name = arguments
        texts = new_texts(kind, name, root)
        new = [path for path in texts if not (root / path).exists()]
        write_all({root / path: text for path, text in texts.items()})
    except (RefusedError, OSError) as error:
        print(f"{error}\nNothing was written.", file=sys.stderr)
        return 2
    for path in texts:
        print(f"{'written' if path in new else 'changed'}: {path}")
    (test,) = (path for path in new if path.startswith("tests/"))
    print(f"Now turn this example into what you need. It passes: python3 dev.py test {test}")
    return 0


def new_texts(kind: str, name: str, root: Path) -> dict[str, str]:
    """Returns the texts of all files that are new or change, by their paths from the root.

    Args:
        kind: One of `KINDS`.
        name: The name of the new object.
        root: The folder of the repository.

    Raises:
        RefusedError: If an argument is invalid, or a file has no place for its new line.
    """
    if kind not in KINDS:
        raise RefusedError(f"Argument `KIND` must be one of {', '.join(KINDS)}, but got {kind!r}.")
    check_spelling(kind, name)
    folder = root / "templates" / kind
    table = tomllib.loads(renamed((folder / "edits.toml").read_text(encoding="utf-8"), name))
    texts = {}
    for template, path in table["files"].items():
        if (root / path).exists():
            raise RefusedError(f"Argument `NAME` must be new, but {path} exists already.")
        texts[path] = renamed((folder / template).read_text(encoding="utf-8"), name)
    check_is_free(name, table, folder, root)
    for edit in table["edit"]:
        path = edit["file"]
        texts.setdefault(path, (root / path).read_text(encoding="utf-8"))
        try:
            texts[path] = edited(texts[path], edit)
        except RefusedError as error:
            raise RefusedError(f"{path} has no place for the new {kind}: {error}") from error
    if "listed" in table:
        line = first_line(texts[table["files"]["module.py"]], table["defines"])
        names = (root / NAMES).read_text(encoding="utf-8")
        texts[NAMES] = with_name(names, table["listed"], name, line, table.get("before"))
    return texts


def write_all(texts: dict[Path, str]) -> None:
    """Writes all files, or leaves all of them unchanged.

    Raises:
        OSError: If one of them can't be written.
    """
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    windows = any(b"\r\n" in content for content in before.values() if content)
    try:
        for path, text in texts.items():
            # Each file keeps its line ends, whatever the system's are.
            content = before[path]
            ends = windows if content is None else b"\r\n" in content
            path.write_text(text, encoding="utf-8", newline="\r\n" if ends else "\n")
    except BaseException:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != content:
                path.write_bytes(content)
        raise


# Names.


def renamed(text: str, name: str) -> str:
    """Returns a template's text with `example_name` replaced by a name, in each spelling."""
    camel = "".join(word.capitalize() for word in name.split("_"))
    spellings = {"example_name": name, "example-name": name.replace("_", "-"), "ExampleName": camel}
    for spelling, replacement in spellings.items():
        text = text.replace(spelling, replacement)
    return text


def check_spelling(kind: str, name: str) -> None:
    """Makes sure that a name is valid in Python and not too long for the templates' lines.

    Raises:
        RefusedError: If it is not.
    """
    for fits, requirement in (
        (
            re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and not keyword.iskeyword(name),
            "be a Python name of lower-case words and digits, with underscores, such as 'my_name'",
        ),
        (not name.endswith(kind), f"not end with {kind!r}, which is added"),
        (len(name) <= LONGEST_NAME, f"have at most {LONGEST_NAME} characters"),
    ):
        if not fits:
            raise RefusedError(f"Argument `NAME` must {requirement}, but got {name!r}.")


def check_is_free(name: str, table: dict[str, Any], folder: Path, root: Path) -> None:
    """Makes sure that a name is not in use.

    Args:
        name: The name of the new object.
        table: The content of the template's `edits.toml`.
        folder: The folder of the template.
        root: The folder of the repository.

    Raises:
        RefusedError: If the name is in use.
    """
    public, listed = table["defines"], table.get("listed")
    package = (root / table["files"]["module.py"]).parent
    inits = [package / "__init__.py", root / PACKAGE / "__init__.py"]
    known = listed_names((root / NAMES).read_text(encoding="utf-8"))
    used = names_in(folder / "module.py", folder / "test.py")
    reasons = {
        "has a special meaning": {"auto", "keep"},
        "is a device of Windows, which has no such file": WINDOWS_DEVICES,
        "is the name of a Python built-in": set(dir(builtins)),
        "is a name that the template uses": used & {public},
        # Keras finds the class of a saved object by its name.
        "is the name of another class": saved_classes(root),
        "is a name in the package": set().union(*map(names_bound_in, inits)),
        "is a folder of the package": {path.name for path in package.iterdir() if path.is_dir()},
        "is registered": set(known[listed]) if listed else set(),
    }
    for reason, names in reasons.items():
        for taken in sorted({name, public} & names):
            raise RefusedError(f"Argument `NAME` must be new, but {taken!r} {reason}.")


def parsed(path: Path) -> ast.Module:
    """Returns the syntax tree of a module.

    Raises:
        RefusedError: If it is not Python.
    """
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise RefusedError(f"{path} is not Python, at line {error.lineno}: {error.msg}.") from error


def names_in(*paths: Path) -> set[str]:
    """Returns the names that templates use, except those that are replaced."""
    nodes = [node for path in paths for node in ast.walk(parsed(path))]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return {name for name in used if renamed(name, "") == name}


def names_bound_in(path: Path) -> set[str]:
    """Returns the names that a module imports, defines, and assigns at any depth."""
    module = parsed(path)
    nodes = [node for node in ast.walk(module) if isinstance(node, ast.Name)]
    names = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    for node in module.body:
        match node:
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name for alias in node.names}
            case ast.FunctionDef() | ast.ClassDef():
                names.add(node.name)
    return names


def saved_classes(root: Path) -> set[str]:
    """Returns the names of all classes of the package that Keras saves and loads."""
    texts = [path.read_text(encoding="utf-8") for path in (root / PACKAGE).rglob("*.py")]
    pattern = r"^@\S*register_keras_serializable\(.*\)\n(?:@.*\n)*class (\w+)"
    return {name for text in texts for name in re.findall(pattern, text, re.MULTILINE)}


def first_line(source: str, public: str) -> str:
    """Returns the line that `qkeras-hybrid list` shows: the first line of a docstring.

    For a function (data sets are functions), the names of its arguments follow.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == public:
            line = (ast.get_docstring(node) or "").split("\n")[0]
            if isinstance(node, ast.ClassDef):
                return line
            return f"{line} Takes {', '.join(argument.arg for argument in node.args.args)}."
    raise RefusedError(f"The template does not define {public}.")


# Additions to existing files.


def edited(text: str, edit: dict[str, Any]) -> str:
    """Returns a file's text with one edit of `edits.toml` applied.

    Raises:
        RefusedError: If the text has no place for the edit.
    """
    match edit:
        case {"import": name, "from": module}:
            return with_import(text, module, name)
        case {"export": name}:
            return with_export(text, name)
        case {"row": row}:
            return with_row(text, row)
        case {"cell": cell, "row_of": start}:
            index, line = only_line(text, start)
            return with_lines(text, index, index + 1, [f"{line.rstrip('| ')}, {cell} |"])
        case {"line": line, "before": start}:
            index, found = only_line(text, start)
            return with_lines(text, index, index, [indent(found) + line])
        case {"line": line, "after": start}:
            index, found = only_line(text, start)
            return with_lines(text, index + 1, index + 1, [indent(found) + line])
        case {"line": line, "end_of": start}:
            index, found = only_line(text, start)
            end = closing_line(text, index)
            return with_lines(text, end, end, [f"{indent(found)}    {line}"])
        case {"change": line}:
            return with_change(text, line)
    raise RefusedError(f"edits.toml has the unknown edit {edit}.")


def only_line(text: str, start: str) -> tuple[int, str]:
    """Returns number and text of the only line that begins with `start` after its indentation."""
    found = [(i, x) for i, x in enumerate(text.split("\n")) if x.lstrip().startswith(start)]
    if len(found) != 1:
        raise RefusedError(f"one line must start with {start!r}, but {len(found)} do.")
    return found[0]


def closing_line(text: str, index: int) -> int:
    """Returns the number of the line that closes a line's bracket: the next of its indentation."""
    lines = text.split("\n")
    for i in range(index + 1, len(lines)):
        if lines[i] and indent(lines[i]) == indent(lines[index]):
            if lines[i].strip() in (")", "]"):
                return i
            break
    raise RefusedError(f"no line closes {lines[index].strip()!r}.")


def indent(line: str) -> str:
    """Returns the spaces at the beginning of a line."""
    return line[: len(line) - len(line.lstrip())]


def with_lines(text: str, start: int, stop: int, new: list[str]) -> str:
    """Returns a text in which `new` replaces the lines from `start` to before `stop`."""
    lines = text.split("\n")
    return "\n".join([*lines[:start], *new, *lines[stop:]])


def with_row(text: str, row: str) -> str:
    """Returns a text with one more row at the end of its first table."""
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if line.startswith("|")]
    if not starts:
        raise RefusedError("it has no table.")
    after = range(starts[0], len(lines))
    end = next((i for i in after if not lines[i].startswith("|")), len(lines))
    return with_lines(text, end, end, [row])


def with_import(text: str, module: str, name: str) -> str:
    """Returns a module's text that imports one more name, in Ruff's order."""
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if f"{node.module}.".startswith(f"{PACKAGE}.")]
    if not own:
        raise RefusedError(f"it imports nothing of {PACKAGE}.")
    for node in own:
        if node.module == module:
            names = [*(alias.name for alias in node.names), name]
            names.sort(key=order_of_imports)
            stop = node.end_lineno or node.lineno
            line = f"from {module} import {', '.join(names)}"
            wide = stop > node.lineno or len(line) > LINE_LENGTH
            split = [f"from {module} import (", *(f"    {name}," for name in names), ")"]
            return with_lines(text, node.lineno - 1, stop, split if wide else [line])
    later = [n for n in own if natural(str(n.module)) > natural(module)]
    at = later[0].lineno - 1 if later else int(own[-1].end_lineno or 0)
    return with_lines(text, at, at, [f"from {module} import {name}"])


def with_export(text: str, name: str) -> str:
    """Returns a module's text with one more name in `__all__`, in Ruff's order."""
    start, _ = only_line(text, "__all__ = [")
    end = closing_line(text, start)
    names = [line.strip(' ",') for line in text.split("\n")[start + 1 : end]] + [name]
    new = [f'    "{each}",' for each in sorted(names, key=order_of_names)]
    return with_lines(text, start + 1, end, new)


def order_of_imports(name: str) -> tuple[Any, ...]:
    """Returns what Ruff sorts imported names by: as names, but upper and lower case alike."""
    return order_of_names(name)[0], natural(name.lower()), natural(name)


def order_of_names(name: str) -> tuple[int, list[Any]]:
    """Returns Ruff's key for sorting names: constants first, then classes, then all others."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    return kind, natural(name)


def natural(name: str) -> list[Any]:
    """Returns a key that sorts numbers in names by their value: `a2` before `a10`."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def with_change(text: str, line: str) -> str:
    """Returns a changelog with one more line under "Added" of the unreleased version."""
    start, _ = only_line(text, "## Unreleased")
    lines = text.split("\n")
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("## ")), len(lines))
    if "### Added" not in lines[start:end]:
        return with_lines(text, start + 1, start + 1, ["", "### Added", "", line])
    at = lines.index("### Added", start) + 2
    return with_lines(text, at, at, [line])


def listed_names(text: str) -> dict[str, dict[str, str]]:
    """Returns what `names.json` lists: names of each kind, with a line about each.

    Raises:
        RefusedError: If it is not JSON.
    """
    try:
        names: dict[str, dict[str, str]] = json.loads(text)
    except ValueError as error:
        raise RefusedError(f"{NAMES} is not JSON: {error}.") from error
    return names


def with_name(text: str, kind: str, name: str, line: str, before: str | None) -> str:
    """Returns `names.json` with one more name: at the end of its kind, or before another name."""
    names = listed_names(text)
    later = list(names[kind])
    if before is not None and before not in later:
        raise RefusedError(f"{NAMES} has no {before!r}, before which the new name must stand.")
    later = [] if before is None else later[later.index(before) :]
    names[kind] |= {name: line, **{each: names[kind].pop(each) for each in later}}
    return json.dumps(names, indent=1) + "\n"
