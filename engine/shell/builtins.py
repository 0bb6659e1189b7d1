"""What changes the shell itself, or says nothing at all: cd, export, set, read, exit, sh, true, sleep."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from engine.errors import FileError
from engine.shell.call import TABLE, Call, Failed, utility, why
from engine.shell.control import MISUSED, Exit, Leave
from engine.shell.machine import Shell
from engine.shell.paths import Paths

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


SYNTAX: Final = {
    "for": ("for NAME in WORD...; do COMMANDS; done", "a turn for each word"),
    "if": ("if COMMANDS; then COMMANDS; elif COMMANDS; then COMMANDS; else COMMANDS; fi", "one or the other"),
    "until": ("until COMMANDS; do COMMANDS; done", "turns until it succeeds"),
    "while": ("while COMMANDS; do COMMANDS; done", "turns as long as it succeeds"),
}
"""The words of the language itself: how they are written, and what for."""


def words() -> dict[str, str]:
    """Every word that is known, sorted, with a line on it."""
    known = SYNTAX | {name: (entry.usage, entry.about) for name, entry in TABLE.items()}
    return {name: f"{usage}: {about}" for name, (usage, about) in sorted(known.items())}


@utility("help", "[WORD]...", "say what is known", prints=True)
def help_(call: Call) -> int:
    known = words()
    for name in call.arguments or known:
        if name not in known:
            raise Failed(f"{name}: not known here")
        call.out(f"{known[name]}\n")
    return 0


@utility("true", "", "succeed", prints=True)
def true(_call: Call) -> int:
    return 0


@utility(":", "[WORD]...", "succeed", special=True, prints=True)
def colon(_call: Call) -> int:
    return 0


@utility("false", "", "fail", prints=True)
def false(_call: Call) -> int:
    return 1


@utility("sleep", "SECONDS", "nothing; time does not pass here", prints=True)
def sleep(call: Call) -> int:
    call.options("", least=1)
    return 0


@utility("pwd", "", "print the working directory", prints=True)
def pwd(call: Call) -> int:
    call.out(f"{call.paths.cwd}\n")
    return 0


@utility("cd", "[DIRECTORY | -]", "change the working directory", builtin=True)
def cd(call: Call) -> int:
    variables = call.shell.scope.variables
    options = call.options("LP", most=1)
    back = options.operands == ["-"]
    target = variables.get("OLDPWD", call.paths.cwd) if back else "".join(options.operands) or variables.get("HOME", "")
    if not target:
        return 0
    try:
        if call.paths.stat(target).kind != "dir":
            raise Failed(f"can't cd to {target}: Not a directory", MISUSED)
    except FileError as error:
        raise Failed(f"can't cd to {target}: {why(error)}", MISUSED) from error
    variables["OLDPWD"], cwd = call.paths.cwd, _logical(call.paths.cwd, target)
    variables["PWD"] = cwd
    call.shell.paths = Paths(call.shell.files, call.meter, cwd)
    if back:
        call.out(f"{cwd}\n")
    return 0


def _logical(cwd: str, target: str) -> str:
    """`target` seen from `cwd`, ``.`` and ``..`` taken by their spelling."""
    names: list[str] = []
    for name in (target if target.startswith("/") else f"{cwd}/{target}").split("/"):
        if name == "..":
            names = names[:-1]
        elif name not in ("", "."):
            names.append(name)
    return "/" + "/".join(names)


@utility("export", "[NAME[=VALUE]]...", "give variables to commands", special=True)
def export(call: Call) -> int:
    shell = call.shell
    words = [word for word in call.arguments if word != "-p"]
    for word in words:
        name, given, value = word.partition("=")
        if not _NAME.fullmatch(name):
            raise Failed(f"{word}: bad variable name", MISUSED)
        if given:
            shell.scope.variables[name] = value
        shell.exported.add(name)
    if not words:
        for name in sorted(shell.exported):
            value_ = shell.scope.variables.get(name)
            call.out(f"export {name}\n" if value_ is None else f"export {name}={_quoted(value_)}\n")
    return 0


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\"'\"'") + "'"


@utility("unset", "NAME...", "forget variables", special=True)
def unset(call: Call) -> int:
    for name in call.options("v").operands:
        if not _NAME.fullmatch(name):
            raise Failed(f"{name}: bad variable name", MISUSED)
        call.shell.scope.variables.pop(name, None)
        call.shell.exported.discard(name)
    return 0


@utility("set", "[-eux] [+eux] [-- WORD...]", "options of the shell, or its positional parameters", special=True)
def set_(call: Call) -> int:
    scope = call.shell.scope
    if not call.arguments:
        call.out("".join(f"{name}={_quoted(value)}\n" for name, value in sorted(scope.variables.items())))
        return 0
    rest = list(call.arguments)
    while rest and rest[0][:1] in ("-", "+") and len(rest[0]) > 1:
        word = rest.pop(0)
        if word == "--":
            scope.arguments = rest
            return 0
        _switch(call, word[0] == "-", word[1:])
    if rest:
        scope.arguments = rest
    return 0


def _switch(call: Call, on: bool, letters: str) -> None:
    for letter in letters:
        if letter not in "eux":
            raise Failed(f"{'-' if on else '+'}{letter}: not offered by this shell", MISUSED)
        (call.shell.options.add if on else call.shell.options.discard)(letter)


@utility("shift", "[COUNT]", "drop positional parameters", special=True)
def shift(call: Call) -> int:
    count = _count(call)
    if count > len(call.shell.scope.arguments):
        return 1
    del call.shell.scope.arguments[:count]
    return 0


def _count(call: Call, default: int = 1) -> int:
    words = call.options("", most=1).operands
    if words and not (words[0].isdecimal() and len(words[0]) < 9):
        raise Failed(f"Illegal number: {words[0]}", MISUSED)
    return int(words[0]) if words else default


@utility("exit", "[STATUS]", "end the shell", special=True)
def exit_(call: Call) -> int:
    raise Exit(_count(call, call.shell.scope.status))


@utility("break", "[COUNT]", "leave a loop", special=True)
def break_(call: Call) -> int:
    return _leave(call, again=False)


@utility("continue", "[COUNT]", "begin a loop's next turn", special=True)
def continue_(call: Call) -> int:
    return _leave(call, again=True)


def _leave(call: Call, *, again: bool) -> int:
    if call.shell.loops:
        raise Leave(max(1, _count(call)), again=again)
    return 0


@utility("read", "[-r] [NAME]...", "read a line into variables", builtin=True)
def read(call: Call) -> int:
    options = call.options("r")
    try:
        line = _line(call)
    except FileError:
        return 1  # a directory has no lines
    text = line.removesuffix("\n")
    while "r" not in options.flags and text.endswith("\\") and line.endswith("\n"):
        line = _line(call)
        text = call.meter.word(text[:-1] + line.removesuffix("\n"))
    if "r" not in options.flags:
        text = re.sub(r"\\(.)", r"\1", text)
    names = options.operands or ["REPLY"]
    words = text.strip(" \t").split(None, len(names) - 1) if len(names) > 1 else [text.strip(" \t")]
    for count, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise Failed(f"{name}: bad variable name", MISUSED)
        call.shell.scope.variables[name] = words[count] if count < len(words) else ""
    return 0 if line.endswith("\n") else 1


def _line(call: Call) -> str:
    return call.meter.word(call.streams.stdin.line(call.meter.limits.word + 1).decode("latin-1"))


@utility("sh", "[-eux] -c SCRIPT [NAME [WORD]...] | sh FILE [WORD]...", "run a script")
def sh(call: Call) -> int:
    rest, script, switches = list(call.arguments), None, ""
    while rest and rest[0][:1] == "-" and len(rest[0]) > 1:
        letters = rest.pop(0)[1:]
        if letters == "-":
            break
        script = "" if "c" in letters else script
        switches += letters.replace("c", "").replace("l", "")
    name = "sh"
    if script is not None:
        if not rest:
            raise Failed("-c requires an argument", MISUSED)
        script = rest.pop(0)
        name = rest.pop(0) if rest else name
    else:
        name = rest.pop(0) if rest else name
        script = _file(call, name) if name != "sh" else b"".join(call.streams.stdin.chunks()).decode("latin-1")
    return _script(call, name, script, rest, switches)


def _file(call: Call, path: str) -> str:
    try:
        data = bytearray()
        for chunk in call.paths.chunks(path):
            data += chunk
            call.meter.check_held(len(data))
    except FileError as error:
        raise Failed(f"can't open '{path}': {why(error)}", MISUSED) from error
    return data.decode("latin-1")


def _script(call: Call, name: str, script: str, arguments: list[str], switches: str) -> int:
    """A new shell, which has of this one what is exported."""
    outer = call.shell
    given = {name: value for name, value in outer.scope.variables.items() if name in outer.exported}
    inner = Shell(outer.files, outer.meter, given, outer.paths.cwd, call.streams)
    inner.depth = outer.depth
    inner.deepen()
    inner.scope = replace(inner.scope, name=name, arguments=arguments)
    for letter in switches:
        if letter not in "eux":
            raise Failed(f"-{letter}: not offered by this shell", MISUSED)
        inner.options.add(letter)
    return inner.run(script)
