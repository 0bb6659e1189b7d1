"""Tokens as a tree of commands: POSIX's grammar (XCU 2.10), less what is named as not offered.

    parse("cd /srv && ls", LIMITS)      # a Sequence; BadSyntax with its place where it is none

Everything is parsed before anything is run, so a script with an error in its last line changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from engine.shell.lexer import BadSyntax, Lexer, Token
from engine.shell.meter import Limits
from engine.shell.syntax import (
    AndOr,
    Assignment,
    Command,
    For,
    Group,
    If,
    Pipeline,
    Redirected,
    Redirection,
    Sequence,
    Simple,
    Text,
    While,
    Word,
)

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CLOSING: Final = frozenset(("then", "elif", "else", "fi", "do", "done", "}", "esac"))
_NOT_OFFERED: Final = {
    "case": "case",
    "function": "function",
    "select": "select",
    "[[": "[[; use [",
    "&": "& (commands in the background)",
    ";;": "case",
    "<<": "<< (here-documents)",
    "<>": "<>",
}
_REDIRECTIONS: Final = frozenset(("<", ">", ">>", ">|", "<&", ">&", "<<", "<>"))


def parse(text: str, limits: Limits) -> Sequence:
    """A whole script. `BadSyntax`."""
    parser = _Parser(Lexer(text, limits, _nested))
    body = parser.sequence(until=("end",), empty=True)
    parser.expect_end()
    return body


def _nested(lexer: Lexer, closing: str) -> Sequence:
    """The commands of a ``$(``, up to and with its parenthesis `closing`; of backquotes, empty, up to the end."""
    lexer.enter()
    parser = _Parser(lexer)
    body = parser.sequence(until=(closing,), empty=True)
    if closing and parser.token.text != closing:
        raise parser.unexpected(closing)
    if not closing:
        parser.expect_end()
    lexer.depth -= 1
    return body


class _Parser:
    """Recursive descent with one token looked at."""

    def __init__(self, lexer: Lexer) -> None:
        self.lexer = lexer
        self.token = lexer.next()

    # Tokens

    def _advance(self) -> Token:
        token, self.token = self.token, self.lexer.next()
        return token

    def _at(self, *texts: str) -> bool:
        """Whether the token is one of these operators or reserved words."""
        return self.token.kind in ("operator", "word") and self.token.text in texts

    def _expect(self, text: str) -> None:
        if not self._at(text):
            raise self.unexpected(text)
        self._advance()

    def expect_end(self) -> None:
        """Nothing may follow."""
        if self.token.kind != "end":
            raise self.unexpected()

    def unexpected(self, expecting: str = "") -> BadSyntax:
        """The error for a token that fits nowhere here."""
        token = self.token
        if token.kind == "operator" and token.text in _NOT_OFFERED:
            return self.lexer.refuse(_NOT_OFFERED[token.text], token.offset)
        names = {"end": "end of file", "newline": "newline"}
        text = names.get(token.kind) or (f'"{token.text}"' if token.text else "word")
        wanted = f' (expecting "{expecting}")' if expecting else ""
        return self.lexer.fail(f"syntax error: unexpected {text}{wanted}", token.offset)

    def _newlines(self) -> None:
        while self.token.kind == "newline":
            self._advance()

    # Grammar

    def sequence(self, until: tuple[str, ...], *, empty: bool = False) -> Sequence:
        """Lists up to one of the words or operators `until`, which is not taken."""
        items: list[AndOr] = []
        self._newlines()
        while self.token.kind != "end" and not self._at(*until):
            items.append(self._and_or())
            if self._at(";"):
                self._advance()
            elif self.token.kind not in ("newline", "end") and not self._at(*until):
                raise self.unexpected()
            self._newlines()
        if not items and not empty:
            raise self.unexpected()
        return Sequence(tuple(items))

    def _and_or(self) -> AndOr:
        pipelines = [("", self._pipeline())]
        while self._at("&&", "||"):
            operator = self._advance().text
            self._newlines()
            pipelines.append((operator, self._pipeline()))
        return AndOr(tuple(pipelines))

    def _pipeline(self) -> Pipeline:
        negated = self._at("!")
        if negated:
            self._advance()
            if self._at("!"):
                raise self.unexpected()
        commands = [self._command()]
        while self._at("|"):
            self._advance()
            self._newlines()
            commands.append(self._command())
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        token = self.token
        if (token.kind == "operator" and token.text == "(") or (token.kind == "word" and token.text in _COMPOUND):
            return self._compound(_COMPOUND[token.text])
        if token.kind == "word" and token.text in _NOT_OFFERED:
            raise self.lexer.refuse(_NOT_OFFERED[token.text], token.offset)
        if token.kind == "word" and token.text in _CLOSING:
            raise self.unexpected()
        return self._simple()

    def _compound(self, build: Callable[[_Parser], Group | For | While | If]) -> Command:
        self.lexer.enter()
        command = build(self)
        redirections = []
        while self._at(*_REDIRECTIONS):
            redirections.append(self._redirection())
        if self.token.kind == "word" and self.token.text not in _CLOSING:
            raise self.unexpected()
        self.lexer.depth -= 1
        return Redirected(command, tuple(redirections)) if redirections else command

    def _subshell(self) -> Group:
        self._advance()
        body = self.sequence((")",))
        self._expect(")")
        return Group(body, subshell=True)

    def _group(self) -> Group:
        self._advance()
        body = self.sequence(("}",))
        self._expect("}")
        return Group(body, subshell=False)

    def _for(self) -> For:
        self._advance()
        name = self._advance()
        if name.kind != "word" or not _NAME.fullmatch(name.text):
            raise self.lexer.fail("syntax error: bad for loop variable", name.offset)
        self._newlines()
        words: tuple[Word, ...] | None = None
        if self._at("in"):
            self._advance()
            words = self._words()
        if self._at(";") or (words is not None and self.token.kind == "newline"):
            self._advance()
        elif words is not None:
            raise self.unexpected()
        self._newlines()
        return For(name.text, words, self._do())

    def _words(self) -> tuple[Word, ...]:
        words = []
        while self.token.kind == "word":
            words.append(self._advance().word)
        return tuple(words)

    def _while(self) -> While:
        until = self._advance().text == "until"
        condition = self.sequence(("do",))
        return While(condition, self._do(), until)

    def _do(self) -> Sequence:
        self._expect("do")
        body = self.sequence(("done",))
        self._expect("done")
        return body

    def _if(self) -> If:
        branches: list[tuple[Sequence, Sequence]] = []
        while not branches or self._at("elif"):
            self._advance()
            condition = self.sequence(("then",))
            self._expect("then")
            branches.append((condition, self.sequence(("elif", "else", "fi"))))
        otherwise = None
        if self._at("else"):
            self._advance()
            otherwise = self.sequence(("fi",))
        self._expect("fi")
        return If(tuple(branches), otherwise)

    def _simple(self) -> Simple:
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        while True:
            if self._at(*_REDIRECTIONS) and self.token.kind == "operator":
                redirections.append(self._redirection())
            elif self.token.kind == "word":
                token = self._advance()
                assignment = None if words else _assignment(token.word)
                if assignment:
                    assignments.append(assignment)
                else:
                    words.append(token.word)
            else:
                break
        if self._at("("):
            error, opened = self.unexpected(), self._advance().offset
            raise self.lexer.refuse("functions", opened) if len(words) == 1 and self._at(")") else error
        if not (assignments or words or redirections):
            raise self.unexpected()
        return Simple(tuple(assignments), tuple(words), tuple(redirections))

    def _redirection(self) -> Redirection:
        token = self._advance()
        operator = ">" if token.text == ">|" else token.text
        if operator in _NOT_OFFERED:
            raise self.lexer.refuse(_NOT_OFFERED[operator], token.offset)
        fd = token.fd if token.fd >= 0 else (0 if operator[0] == "<" else 1)
        if fd > 2 or (fd == 0) != (operator[0] == "<"):
            raise self.lexer.refuse(f"redirecting {fd}{operator}", token.offset)
        if self.token.kind != "word":
            raise self.unexpected()
        target = self._advance()
        if operator[1:] == "&" and target.text not in (("1", "2") if fd else ("0",)):
            raise self.lexer.refuse(f"{fd}{operator} anything but the output (1) or the errors (2)", target.offset)
        return Redirection(fd, operator, target.word)


def _assignment(word: Word) -> Assignment | None:
    """A word as an assignment, where it begins with an unquoted ``name=``."""
    first = word[0] if word else None
    found = _ASSIGNMENT.match(first.value) if isinstance(first, Text) and not first.quoted else None
    if found is None:
        return None
    assert isinstance(first, Text)
    rest = first.value[found.end() :]
    return Assignment(found[1], ((Text(rest),) if rest else ()) + word[1:])


_COMPOUND: Final[dict[str, Callable[[_Parser], Group | For | While | If]]] = {
    "(": _Parser._subshell,
    "{": _Parser._group,
    "for": _Parser._for,
    "while": _Parser._while,
    "until": _Parser._while,
    "if": _Parser._if,
}
