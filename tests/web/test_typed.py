"""What may be typed around docker's verbs, and what the page's terminal answers itself."""

from __future__ import annotations

from tests.web.given import Visitor


def test_a_line_pasted_with_its_sudo_or_prompt_is_docker_s(visitor: Visitor) -> None:
    visitor.type("sudo docker pull pizza/cheese")
    for line in ("docker images -q", "$ docker images -q", "sudo docker images -q", "$ sudo docker images -q"):
        visitor.type(line)
        assert visitor.said().status == 0, visitor.said()
        assert len(visitor.said().text.split()[-1]) == 12


def test_sudo_of_anything_else_is_no_docker_command(visitor: Visitor) -> None:
    visitor.type("sudo reboot")
    assert "'sudo' is not a docker command" in visitor.said().text


def test_clear_empties_the_terminal_and_changes_nothing_else(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    before = visitor.state()
    visitor.type("clear")
    page = visitor.look()
    assert "Pull complete" not in page
    assert "Type docker commands here." in page
    assert visitor.state() == before


def test_help_names_the_verbs_of_the_page_below_docker_s(visitor: Visitor) -> None:
    for line in ("help", "docker --help", "docker"):
        visitor.type(line)
        text = visitor.said().text
        for verb in ("undo", "redo", "jump", "log", "fork", "clear", "exec"):
            assert f"\n  {verb} " in text, (line, verb)
        assert "fsck" not in text


def test_a_word_of_the_shell_is_told_how_to_reach_it(visitor: Visitor) -> None:
    visitor.type("ls /pizza")
    assert "docker exec CONTAINER ls /pizza" in visitor.said().text


def test_the_journal_s_verbs_are_shown_without_docker_before_them(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    forked = visitor.post(f"/k/{visitor.kitchen}/fork").headers["Location"]
    visitor.here = forked
    assert visitor.said().command.startswith("fork ")
    visitor.kitchen = forked.removeprefix("/k/")
    visitor.type("undo --help")
    assert "Usage:  undo\n" in visitor.said().text
