"""The shell by itself: what it says, what it does to the layers, what it refuses, and that it always ends.

`shell_said.txt` is its transcript, held to a real busybox by test_shell_busybox.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import shell
from engine.errors import Cancelled
from engine.events import Event
from engine.shell.braces import expand
from engine.shell.meter import Limits, Meter, Stopped
from engine.shell.pattern import LENGTH_MAX, matches
from engine.shell.regex import LINE_MAX, STATES_MAX, BadPattern, Regex
from engine.shell.syntax import Text
from tests.engine.shells import ours

ROOT = Path(__file__).parents[2]


def transcript() -> list[tuple[str, str, int]]:
    """Each script of `shell_said.txt` with its output and exit code. A ``%`` ends an output without a last newline."""
    said = []
    for block in re.split(r"\n(?=\$ |# )", Path(__file__).with_name("shell_said.txt").read_text()):
        if block.startswith("$ "):
            found = re.fullmatch(r"\$ (.*(?:\n> .*)*)\n((?:.*\n)*?)(?:\[(\d+)\]\n)?", block.rstrip("\n") + "\n")
            assert found, block
            out = found[2][:-2] if found[2].endswith("%\n") else found[2]
            said.append((found[1].replace("\n> ", "\n"), out, int(found[3] or 0)))
    return said


SAID = transcript()


@pytest.mark.parametrize(("script", "out", "status"), SAID, ids=[script[:50] for script, *_ in SAID])
def test_a_script_says_what_the_transcript_says(script: str, out: str, status: int) -> None:
    ran = ours(script)
    # A blank line at the end of a block is the file's, not the output's.
    assert (ran.out.rstrip("\n"), ran.status) == (out.rstrip("\n"), status), ran.err


# What a script does to the layers

DONE = [
    # what is typed, and the events that it makes: rules 28 to 33
    ("cat f d/a; ls -lR; find . -type f; grep -r x .; test -s f; head -n 1 < f; du -a; stat f", []),
    ("echo hot >> f", ["FileCopiedUp /f 14", "FileWritten /f 18"]),
    ("echo hot > f", ["FileCopiedUp /f 0", "FileWritten /f 4"]),
    (": > f", ["FileCopiedUp /f 0", "FileWritten /f 0"]),
    ("true >> f", ["FileCopiedUp /f 14"]),
    ("echo x > n", ["FileCreated /n 2", "FileWritten /n 2"]),
    ("cat f > n", ["FileCreated /n 0", "FileWritten /n 14"]),
    ("echo x > l", ["FileCopiedUp /f 0", "FileWritten /f 2"]),
    ("echo x > d/a/b", []),
    ("cp f h1", ["FileCopiedUp /h1 0", "FileWritten /h1 14"]),
    ("cp f d/n", ["FileCopiedUp /d 0", "FileCreated /d/n 14", "FileWritten /d/n 14"]),
    ("rm f", ["PathWhitedOut /f 14"]),
    (
        "rm -r d/sub",
        ["FileCopiedUp /d 0", "FileCopiedUp /d/sub 0", "PathWhitedOut /d/sub/x 2", "PathWhitedOut /d/sub 0"],
    ),
    (
        "rmdir d/e; mkdir d/e",
        ["FileCopiedUp /d 0", "PathWhitedOut /d/e 0", "FileCreated /d/e 0", "DirectoryMadeOpaque /d/e"],
    ),
    ("mv f n", ["FileCopiedUp /f 14", "PathRenamed /f", "PathWhitedOut /f 14"]),
    ("mv d/e n", ["FileCreated /n 0", "AttributesChanged /n", "FileCopiedUp /d 0", "PathWhitedOut /d/e 0"]),
    ("chmod 600 f", ["FileCopiedUp /f 14", "AttributesChanged /f"]),
    ("chown 1 f", ["FileCopiedUp /f 14", "AttributesChanged /f"]),
    ("touch f", ["FileCopiedUp /f 14", "AttributesChanged /f"]),
    ("touch n", ["FileCreated /n 0"]),
    ("ln f n", ["FileCopiedUp /f 14", "FileCreated /n 0"]),
    ("ln -s f n", ["FileCreated /n 1"]),
    (
        "sed -i s/one/ONE/ f",
        ["FileCreated /fsed000 14", "FileWritten /fsed000 14", "AttributesChanged /fsed000", "PathRenamed /fsed000"],
    ),
]


@pytest.mark.parametrize(("script", "events"), DONE, ids=[script for script, _ in DONE])
def test_a_script_copies_up_and_hides_what_the_kernel_would(script: str, events: list[str]) -> None:  # rules 28 to 33
    made: list[Event] = []
    ours(script, events=made)
    told = [" ".join([type(e).__name__, e.path, *([str(e.size)] if hasattr(e, "size") else [])]) for e in made]
    repeated = [one for one in told if not (one.startswith("AttributesChanged") and told[told.index(one) - 1] == one)]
    assert list(dict.fromkeys(repeated)) == events


def test_moving_a_directory_of_the_layers_copies_all_in_it_and_whites_it_out() -> None:  # rule 33
    made: list[Event] = []
    ran = ours("mv d n; ls n; ls d", events=made)
    assert ran.out == "a\nb\nc\ne\nsub\n"
    created = [event.path for event in made if type(event).__name__ == "FileCreated"]
    assert created == ["/n", "/n/a", "/n/b", "/n/c", "/n/e", "/n/sub", "/n/sub/x"]
    assert [event.path for event in made if type(event).__name__ == "PathWhitedOut"][-1] == "/d"
    assert not [event for event in made if type(event).__name__ == "PathRenamed"]


def test_sed_in_place_leaves_the_other_name_of_a_file_as_it_was() -> None:  # rule 30
    assert ours("sed -i s/hard/soft/ h1; cat h1 h2").out == "soft\nhard\n"


# Commands without a script


@pytest.mark.parametrize(
    ("argv", "out", "err", "status"),
    [
        (["cat", "d/a"], "aaa\n", "", 0),
        (["/bin/cat", "d/a"], "aaa\n", "", 0),
        (["/usr/local/bin/echo", "*", "$x", "{a,b}"], "* $x {a,b}\n", "", 0),
        (["sh", "-c", "echo $0 $1", "me", "you"], "me you\n", "", 0),
        (["sh", "-ec", "false; echo no"], "", "", 1),
        (["sh", "-c"], "", "sh: -c requires an argument\n", 2),
        (["sh", "-q", "-c", "true"], "", "sh: -q: not offered by this shell\n", 2),
        (["sh", "top"], "", "top: t: not found\n", 127),
        (["sh", "nope"], "", "sh: can't open 'nope': No such file or directory\n", 2),
        (["nosuch", "x"], "", "sh: nosuch: not found\n", 127),
        (["/d"], "", "sh: /d: Permission denied\n", 126),
        (["/d/a"], "", "sh: /d/a: not found\n", 127),
        (["cd", "/"], "", "sh: cd: not found\n", 127),
        (["export"], "", "sh: export: not found\n", 127),
        (["if"], "", "sh: if: not found\n", 127),
        (["test", "1", "-eq", "x"], "", "test: x: bad number\n", 2),
        (["printf", "%d", "x"], "0", "printf: invalid number 'x'\n", 1),
        (["false"], "", "", 1),
        ([], "", "", 0),
    ],
)
def test_a_command_without_a_shell_is_a_utility_and_its_words(argv: list[str], out: str, err: str, status: int) -> None:
    ran = ours(argv)
    assert (ran.out, ran.err, ran.status) == (out, err, status)


def test_a_text_is_run_as_a_script_is() -> None:
    assert shell.run("echo a && exit 3", ours_files()).status == 3


def ours_files() -> shell.Snapshot:
    """An empty container."""
    from engine.memoryblobs import MemoryBlobs
    from engine.union import Union
    from engine.upper import EMPTY

    return shell.Snapshot(Union([]), EMPTY, MemoryBlobs(), now=lambda: 0)


def test_it_starts_in_the_working_directory_and_refuses_one_that_is_not_there() -> None:
    assert ours("pwd; cat a; cd ..; pwd", cwd="/d").out == "/d\naaa\n/\n"
    ran = ours(["true"], cwd="/nope")
    assert (ran.status, ran.err) == (126, 'chdir to cwd ("/nope") failed: no such file or directory\n')


def test_it_reads_the_standard_input_that_it_is_given() -> None:
    assert ours(["wc", "-c"], stdin=b"\0\xff\n").out == "3\n"
    assert ours(["sh"], stdin=b"echo typed\n").out == "typed\n"
    assert ours("read -r a; cat; echo $a", stdin=b"one\ntwo\n").out == "two\none\n"


def test_output_and_errors_keep_their_order() -> None:
    ran = shell.run("echo a; ls nope; echo b; echo c", ours_files())
    assert ran.out == (
        ("stdout", b"a\n"),
        ("stderr", b"ls: nope: No such file or directory\n"),
        ("stdout", b"b\nc\n"),
    )


def test_any_bytes_pass_through_names_and_contents() -> None:
    files = ours_files()
    name = b"\xff\n\x80*"
    files.write(name, bytes(range(256)))
    ran = shell.run('for f in *; do cat "$f" > copy; echo "$f"; done; cat copy | cat | wc -c; ls', files)
    assert ran.out == (("stdout", name + b"\n256\ncopy\n" + name + b"\n"),)
    assert files.read(b"copy") == bytes(range(256))
    said = shell.run(["printf", r"\377é%s", "\udcfe"], files)
    assert said.out == (("stdout", b"\xff\xc3\xa9\xfe"),)


def test_users_are_named_as_the_container_names_them() -> None:
    files = ours_files()
    files.mkdir(b"etc")
    files.write(b"etc/passwd", b"root:x:0:0::/:/bin/sh\nbaker:x:7:8::/:/bin/sh\n")
    files.write(b"etc/group", b"root:x:0:\nbakers:x:8:\n")
    ran = shell.run(
        "touch f; chown baker: f; stat -c '%u %g %U %G' f; chown root:bakers f; ls -l f; chown cook f", files
    )
    said = b"".join(data for _, data in ran.out)
    assert said.startswith(b"7 8 baker bakers\n-rw-r--r--    1 root     bakers           0 Jan  1 00:00 f\n")
    assert said.endswith(b"chown: unknown user cook\n")


def test_a_users_file_may_hold_anything() -> None:
    files = ours_files()
    files.mkdir(b"etc")
    for name in (b"etc/passwd", b"etc/group"):
        bad = (b"0123456789abc", b"9" * 5000, b"\xb2", b"", b"-1", b"4294967296")
        lines = [b"a%d:x:7:%b::/:" % (n, text) for n, text in enumerate(bad)]
        files.write(
            name, b"\n".join([*lines, *(line.replace(b":7:", b":%b:" % text) for line in lines for text in bad)])
        )
    ran = shell.run("touch f; chown a0: f; ls -l f; stat -c '%u %g' f; chown a1: f; stat -c '%u %g' f", files)
    assert ran.status == 0
    assert b"".join(data for _, data in ran.out).endswith(b"\n7 0\n7 0\n")


NUMBERS = ("9" * 5000, "-" + "9" * 5000, "\udcb2", "\udcb3\udcb9", "0x" + "f" * 5000, "0" * 5000, "1e999", "")
TAKERS = (
    "head -n N f", "tail -c N f", "test N -gt 1", "echo $((N))", "shift N", "break N", "chmod N f", "chown N:N f",
    "find . -size N", "find . -maxdepth N", "touch -d @N f", "sed s/a/b/N f", "echo {1..N}", "sleep N", "du -d N",
    "printf %d N", "printf %Nd 1", "printf %.*d N 1", "printf '\\xN'", "stat -c %Nn f", r"grep 'a\{N\}' f",
    "mkdir -m N n",    "echo ${N}", "N> f", "echo >&N", "sort -n f", "x=N; echo $((x += 1))", "exit N",
)  # fmt: skip


@pytest.mark.parametrize("script", TAKERS)
def test_what_takes_a_number_takes_any_text_for_one(script: str) -> None:
    for text in NUMBERS:
        assert 0 <= ours(f"echo {text} > f; {script.replace('N', text)}").status <= 255


# Braces are bash's

BRACES = [
    ("{a,b}", "a b"),
    ("x{1..4}y", "x1y x2y x3y x4y"),
    ("{4..1} {-1..1} {1..10..3} {5..5}", "4 3 2 1 -1 0 1 1 4 7 10 5"),
    ("{08..11} {a..e} {c..a} {a..e..2}", "08 09 10 11 a b c d e c b a a c e"),
    ("{a,b}{1,2} {a,{b,c}d}e {,x} a{}b {a} {a", "a1 a2 b1 b2 ae bde cde x a{}b {a} {a"),
    (
        "{1..a} {1.5..2} {..} {a..bb} '{a,b}' \"{a,b}\" \\{a,b} {a\\,b} a,b}",
        "{1..a} {1.5..2} {..} {a..bb} {a,b} {a,b} {a,b} {a,b} a,b}",
    ),
    ("{{a,b},c} {a,b{c} }{ }a,b{ x{a,b", "a b c {a,b{c} }{ }a,b{ x{a,b"),
    ('{$y,b}$y {"p q",r}s', "zz bz p qs rs"),
]


@pytest.mark.parametrize(("words", "made"), BRACES)
def test_braces_make_several_words_of_one(words: str, made: str) -> None:
    assert ours(f"y=z; echo {words}").out == f"{made}\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("words", "made"), BRACES)
def test_bash_makes_the_same_of_braces(words: str, made: str) -> None:
    done = subprocess.run(["bash", "-c", f"y=z; echo {words}"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{made}\n"


def braced(rng: random.Random, depth: int = 0) -> str:
    """A word with balanced braces, each with a comma or a range in it: for others bash has rules of its own."""
    kinds = rng.choices(["text", "list", "range"], [4, 2 if depth < 2 else 0, 1], k=rng.randint(1, 3 - depth))
    made = {
        "text": lambda: rng.choice(["a", "b1", ",", "..", "'{'", "\\}", "-"]) if not depth else rng.choice("abc"),
        "list": lambda: f"{{{','.join(braced(rng, depth + 1) for _ in range(rng.randint(2, 3)))}}}",
        "range": lambda: f"{{{rng.randint(5, 9)}..{rng.choice(['08', rng.randint(-1, 6)])}}}",
    }
    return "".join(made[kind]() for kind in kinds)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_random_braces_are_bashs() -> None:
    rng = random.Random(7)
    words = [braced(rng) for _ in range(300)]
    theirs = subprocess.run(["bash"], input="".join(f"echo {word}\n" for word in words), capture_output=True, text=True)
    for word, made in zip(words, theirs.stdout.splitlines(), strict=True):
        assert ours(f"echo {word}").out == f"{made}\n", word


# What is refused


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("case x in x) ;; esac", "1:1: not offered by this shell: case"),
        ("echo a\nf() { echo; }", "2:2: not offered by this shell: functions"),
        ("function f { :; }", "1:1: not offered by this shell: function"),
        ("cat <<E\nx\nE", "1:5: not offered by this shell: << (here-documents)"),
        ("sleep 1 &", "1:9: not offered by this shell: & (commands in the background)"),
        ("[[ a = b ]]", "1:1: not offered by this shell: [[; use ["),
        ("echo ${x/a/b}", "1:6: not offered by this shell: ${x/...}"),
        ("echo ${x:1}", "1:6: not offered by this shell: ${x:...}"),
        ("echo $'a'", "1:6: not offered by this shell: $'...'; printf writes such characters"),
        ("echo a 3> f", "1:8: not offered by this shell: redirecting 3>"),
        ("echo a >&3", "1:10: not offered by this shell: 1>& anything but the output (1) or the errors (2)"),
        ("echo a <> f", "1:8: not offered by this shell: <>"),
        ("echo a; )", '1:9: syntax error: unexpected ")"'),
        ("if true\nfi", '2:1: syntax error: unexpected "fi"'),
        ("for 1 in a; do :; done", "1:5: syntax error: bad for loop variable"),
        ("while true; do", "1:15: syntax error: unexpected end of file"),
        ("echo 'a", "1:6: syntax error: unterminated quoted string"),
        ('echo "$(echo "a)"', '1:18: syntax error: unexpected end of file (expecting ")")'),
        ("echo ${x", "1:6: syntax error: missing '}'"),
        ("echo ${}", "1:6: syntax error: bad substitution"),
        ("echo $((1", "1:9: syntax error: missing '))'"),
        ("a | | b", '1:5: syntax error: unexpected "|"'),
        ("&& a", '1:1: syntax error: unexpected "&&"'),
        ("echo >", "1:7: syntax error: unexpected end of file"),
        ("{ }", '1:3: syntax error: unexpected "}"'),
        ("echo `echo (`", '1:6: syntax error: unexpected "("'),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(script: str, said: str) -> None:
    ran = ours(script)
    assert (ran.err, ran.status) == (f"sh: {said}\n", 2)


def test_a_script_with_an_error_in_its_last_line_changes_nothing() -> None:
    made: list[Event] = []
    assert ours("echo x > n\nrm f\nif", events=made).status == 2
    assert made == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sed p f", "sed: only s/regex/replacement/ is offered, not: p"),
        ("sed '/a/d' f", "sed: only s/regex/replacement/ is offered, not: /a/d"),
        ("sed s/a/b/w f", "sed: only s/regex/replacement/ with g, I, p and a number is offered, not: w"),
        ("sed s/a f", "sed: unmatched '/'"),
        (r"sed 's/a/\1/' f", r"sed: invalid reference \1 on s command's RHS"),
        (r"grep '\(a\)\1' f", r"grep: bad regex '\(a\)\1': \1 is not offered"),
        ("grep '[a' f", "grep: bad regex '[a': Unmatched [, [^, [:, [., or [="),
        ("ls --color", "ls: invalid option -- '-'\nusage: ls"),
        ("find -mtime 1", "find: unrecognized: -mtime"),
        ("find . -exec echo {} +", "find: -exec COMMAND {} + is not offered; end it with ;"),
        ("set -o pipefail", "sh: set: -o: not offered by this shell"),
        ("touch -d tomorrow f", "touch: invalid date 'tomorrow'"),
        ("head -n x f", "head: invalid number 'x'"),
        ("cat", ""),
        ("mv a", "mv: usage: mv [-f] [-n] [-T] SOURCE... DESTINATION"),
    ],
)
def test_what_a_utility_does_not_offer_it_names(script: str, said: str) -> None:
    ran = ours(script)
    assert ran.err.startswith(said)
    assert (ran.status != 0) == (said != "")


# It always ends

HALF = "printf %04096d {1..125}"
"""Prints 512,000 bytes: 250 steps."""
ENDLESS = [
    ("while true; do :; done", "steps"),
    ("until false; do echo x; done", "steps"),
    ("while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done | head -n 1", "steps"),
    ("cat /dev/zero", "bytes of output"),
    ("cat /dev/zero | wc -c", "bytes held at once"),
    ("sort /dev/zero", "bytes held at once"),
    ("read -r x < /dev/zero; echo $x | wc -c", "bytes in one word"),
    ("cp /dev/zero n", "steps"),
    ("cat /dev/zero > n", "steps"),
    ("x=aaaaaaaa; while :; do x=$x$x; done", "bytes in one word"),
    (f'x=$({HALF}); echo "$x$x" | wc -c; echo $x$x$x | wc -c', "bytes in one word"),
    (f'x=$({HALF}); : "$x$x$x"', "bytes in one word"),
    (f"x=$({HALF}); for n in {{1..90}}; do y=$x; done", "steps"),
    (f"x=$({HALF}); for n in {{1..90}}; do test $x; done", "steps"),
    (f"x=$({HALF}); for n in {{1..90}}; do test $x = $x; done", "steps"),
    (f'x=$({HALF}); set -- "$x"; for n in {{1..90}}; do : "$@"; done', "steps"),
    (f"x=$({HALF}); set -- $x; for n in {{1..90}}; do : $@; done", "steps"),
    (f"x=$({HALF}); for n in {{1..90}}; do : ${{x%b}}; done", "steps"),
    (f"x=$({HALF}); : ${{x#$x}}", "bytes in a pattern"),
    (f"x=$({HALF}); for n in {{1..90}}; do echo $x | wc -c | wc; done", "steps"),
    ("echo {1..99999999999999}", "words in one command"),
    ("echo " + "{a,b}" * 20, "steps"),
    ("echo " + "{a,b}" * 31, "braces within and after braces"),
    ("echo " + "{a..a}" * 500, "braces within and after braces"),
    ("set -- $(cat big big big | sed 's/./& /g')", "words in one command"),
    ("echo 'sh n' > n; sh n", "shells within shells"),
    (r"echo 'find . -exec sh n \;' > n; sh n", "shells within shells"),
    ("cat big{,}{,}{,}{,}{,} | grep z", "bytes in a line to be matched"),
]


@pytest.mark.parametrize(("script", "what"), ENDLESS, ids=[script[:40] for script, _ in ENDLESS])
def test_what_would_not_end_is_stopped_and_says_at_which_bound(script: str, what: str) -> None:
    started = time.process_time()
    ran = ours(script, limits=Limits(steps=20_000, held=1 << 20, output=1 << 16))
    assert ran.status == 137
    assert re.search(rf"sh: stopped: more than [\d,]+ {what}\n\Z", ran.err)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "script",
    [
        "(" * 3000,
        "echo " + "$(" * 3000,
        "echo " + "$((" + "(" * 5000 + "1" + ")" * 5000 + "))",
        "echo $((" + "-" * 9000 + "1))",
        "echo ${x:-" * 1000 + "}" * 1000,
        "if " * 2000 + "true",
        "[ " + "\\( " * 3000 + "a" + " \\)" * 3000 + " ]",
        "find . " + "! " * 5000 + "-name a",
        "echo a | grep -E '" + "(" * 3000 + "a" + ")" * 3000 + "'",
        "; " * 30_000,
        "a" * 70_000,
        "x=y; y=x; echo $((x))",
    ],
    ids=lambda script: script[:20],
)
def test_what_nests_too_deep_or_is_too_long_is_refused(script: str) -> None:
    ran = ours(script)
    assert ran.status in (1, 2)
    assert ran.err


def test_what_was_done_before_the_bound_stays_done() -> None:
    ran = ours("echo kept > n; while :; do :; done", limits=Limits(steps=500))
    assert ran.status == 137
    assert b"n" in ran.tree


def test_it_stops_soon_when_the_caller_goes_away() -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(Cancelled):
        ours("while :; do :; done", cancelled=cancelled)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a*)*b", "a" * 20_000),
        ("(a|aa)*c", "a" * 20_000),
        ("a*a*a*a*a*a*b", "a" * 20_000),
        ("(x+x+)+y", "x" * 20_000),
    ],
)
def test_no_regular_expression_runs_away(pattern: str, text: str) -> None:
    started = time.process_time()
    assert Regex(pattern, extended=True).search(text, lambda _steps: None) is None
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("pattern", "text", "captures"),
    [("(a|a?)+" * 60 + "b", "a" * 65_536, False), ("(a|a?)+" * 60, "a" * 300, True), (".*.*.*b", "a" * 65_536, False)],
)
def test_a_search_is_paid_for_while_it_goes_on(pattern: str, text: str, captures: bool) -> None:
    regex, paid = Regex(pattern, extended=True), list[int]()

    def spend(steps: int) -> None:
        paid.append(steps)
        if sum(paid) > 2000:
            raise Stopped("steps", 2000)

    tracemalloc.start()
    try:
        with pytest.raises(Stopped):
            regex.search(text, spend, captures=captures)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(paid) < 200
    assert peak < 6 << 20  # for 16,000 states


def test_a_search_ends_at_a_bound_however_many_steps_there_are() -> None:
    with pytest.raises(Stopped, match="1,048,576 ways to match one line"):
        Regex("(a|a?)+" * 60 + "b", extended=True).search("a" * 65_536, lambda _steps: None)


@pytest.mark.parametrize(
    "pattern", ["(a{1,200}){1,200}b", "|".join("a" * 30_000), "a" + "*" * 3000, "((((a{9}){9}){9}){9}){9}", "(" * 31]
)
def test_a_regular_expression_that_is_too_big_is_refused_before_it_grows(pattern: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadPattern, match="too big"):
            Regex(pattern, extended=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20


def test_a_million_options_take_no_longer_than_they_are() -> None:
    started = time.process_time()
    assert ours(["ls", "-" + "l" * 1_000_000]).status == 0
    assert time.process_time() - started < 5


def test_a_caller_who_goes_away_is_noticed_while_words_are_expanded() -> None:
    asked, script = [0], f"x=$({HALF}); for n in {{1..90}}; do y=$x; done"

    def cancelled() -> bool:
        asked[0] += 1
        return asked[0] > 10

    with pytest.raises(Cancelled):
        ours(script, cancelled=cancelled)
    assert asked[0] == 11


@pytest.mark.parametrize("pattern", ["*a" * 30, "*a*a*a*a*a*a*a*b", "[ab]*" * 20 + "c", "*" * 100 + "b"])
def test_no_pattern_runs_away(pattern: str) -> None:
    started = time.process_time()
    assert matches(pattern, "a" * 20_000) == pattern.endswith("a")
    assert time.process_time() - started < 2


PIECES = st.sampled_from(
    [
        "'",
        '"',
        "\\",
        "$",
        "(",
        ")",
        "{",
        "}",
        "`",
        "|",
        "&",
        ";",
        "<",
        ">",
        "\n",
        " ",
        "#",
        "*",
        "[",
        "]",
        "!",
        "~",
        "=",
        "-",
        "$(",
        "$((",
        "))",
        "${",
        ":-",
        "%%",
        "{1..3}",
        "{a,b}",
        "for",
        " in ",
        " do ",
        " done ",
        "if ",
        " then ",
        " fi ",
        "while ",
        "echo ",
        "cat ",
        "test ",
        "ls ",
        "rm ",
        "sed ",
        "grep ",
        "find ",
        "printf ",
        "f",
        "d",
        "x",
        "1",
        "\0",
        "\xff",
        "é",
        "s/",
        "/",
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_script_whatever_breaks_the_shell(script: str) -> None:
    ran = ours(script, limits=Limits(steps=2000))
    assert 0 <= ran.status <= 255


@given(st.text(st.sampled_from("ab*?[]^$\\(){}|+.,1-:!"), max_size=12), st.booleans())
def test_no_regular_expression_whatever_breaks_the_shell(pattern: str, extended: bool) -> None:
    try:
        regex = Regex(pattern, extended=extended)
    except BadPattern:
        return
    for text in ("", "aab", "b(a)*"):
        found = regex.search(text, lambda _steps: None, captures=True)
        assert found is None or 0 <= found[0] <= found[1] <= len(text)


@given(st.text(st.sampled_from("ab*?[]!\\-"), max_size=8), st.text(st.sampled_from("ab-]!"), max_size=6))
def test_a_pattern_matches_what_pythons_does(pattern: str, text: str) -> None:
    """Where both read it alike: without backslashes and odd brackets."""
    import fnmatch

    if re.fullmatch(r"(?:[ab*?]|\[!?[ab]+\])*", pattern):
        assert matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)
    else:
        matches(pattern, text)


def test_braces_of_a_word_without_any_leave_it_alone() -> None:
    assert expand((Text("a{b"),), Meter(Limits())) == [(Text("a{b"),)]


# What is written about it


def test_the_page_lists_every_word_as_help_does() -> None:
    page = (ROOT / "docs" / "shell.md").read_text()
    listed = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert listed
    assert listed[1] == ours("help").out == "".join(f"{line}\n" for line in shell.WORDS.values())


def test_the_page_names_the_bounds() -> None:
    page = (ROOT / "docs" / "shell.md").read_text()
    limits = Limits()
    for figure in (limits.tokens, limits.steps, limits.words):
        assert f"{figure:,}" in page
    for figure, unit in ((limits.script, 10), (limits.output, 20), (limits.held, 20)):
        assert f"{figure >> unit} {'KiB' if unit == 10 else 'MiB'}" in page
    assert f"{limits.depth} levels" in page
    assert f"| what one word or variable becomes | {limits.word >> 20} MiB |" in page
    assert f"matches | {LINE_MAX >> 10} KiB, in {STATES_MAX:,} ways |" in page
    assert f"| {LENGTH_MAX:,} characters |" in page


def test_every_word_has_one_line_and_begins_with_itself() -> None:
    for word, line in shell.WORDS.items():
        assert line.startswith(word)
        assert "\n" not in line
    assert ours("help cat; help nope").out == "cat [FILE]...: print files\n"


def test_help_is_a_command_of_its_own_as_the_page_says() -> None:
    """``docker exec box help`` and ``docker run IMAGE help`` bring no shell along."""
    every = "".join(f"{line}\n" for line in shell.WORDS.values())
    for command in (["help"], ["sh", "-c", "help"]):
        ran = shell.run(command, ours_files())
        assert (ran.status, b"".join(data for _, data in ran.out).decode()) == (0, every)
    assert shell.run(["help", "pwd"], ours_files()).out == (("stdout", b"pwd: print the working directory\n"),)
    assert shell.run(["help", "nope"], ours_files()).status == 1
