"""state.json: every figure adds up from what it lists, and agrees with what docker's verbs print."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from flask import Flask

from tests.web.given import Clock, Visitor
from web import state
from web.state import KitchenState


@pytest.fixture
def busy(visitor: Visitor, clock: Clock) -> Visitor:
    """Cheese and pepperoni pulled, one container of pepperoni dipped and picked, another left alone."""
    for command in (
        "docker pull pizza/cheese",
        "docker pull pizza/pepperoni",
        "docker run -d --name one pizza/pepperoni",
        "docker run -d --name two pizza/pepperoni",
        "docker exec one sh -c 'echo hot sauce >> /pizza/slice-3/crust'",
        "docker exec one rm /pizza/slice-3/pepperoni",
    ):
        clock.tick()
        visitor.type(command)
    return visitor


def described(visitor: Visitor) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(visitor.state())
    return found


def by_name(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(image for image in found["images"] if f"{name}:latest" in image["references"])


def test_state_json_is_what_its_type_documents(busy: Visitor) -> None:
    assert msgspec.json.encode(msgspec.json.decode(busy.state(), type=KitchenState)) == busy.state()


def test_the_same_state_gives_the_same_bytes(app: Flask, busy: Visitor) -> None:
    before = busy.state()
    journal = app.extensions["shop"].journal
    assert state.encode(state.describe(journal, busy.kitchen)) == before
    busy.press("undo")
    assert busy.state() != before
    busy.press("redo")
    assert busy.state() == before


def test_every_figure_is_the_sum_of_what_it_lists(busy: Visitor) -> None:
    ledger = described(busy)["ledger"]
    figures = [
        ledger["naive"],
        ledger["stored"],
        ledger["saved"],
        *(ledger["transfer"][k] for k in ("sent", "avoided")),
    ]
    for figure in figures:
        assert figure["size"] == sum(term["size"] * term["times"] for term in figure["terms"])
        assert figure["size"] > 0
    assert ledger["naive"]["size"] == ledger["stored"]["size"] + ledger["saved"]["size"]


def test_naive_is_the_sum_of_the_images_and_stored_the_sum_of_the_blobs(busy: Visitor) -> None:
    found = described(busy)
    assert found["ledger"]["naive"]["size"] == sum(image["size"] for image in found["images"])
    assert found["ledger"]["stored"]["size"] == sum(blob["size"] for blob in found["blobs"])


def test_the_shared_layers_are_what_was_saved_and_not_sent_again(busy: Visitor) -> None:
    found = described(busy)
    cheese, pepperoni = by_name(found, "pizza/cheese"), by_name(found, "pizza/pepperoni")
    shared = {layer["digest"] for layer in cheese["layers"]}
    assert len(shared) == 3
    assert [layer["shared"] for layer in pepperoni["layers"]] == [True, True, True, False]
    ledger = found["ledger"]
    assert {term["digest"] for term in ledger["saved"]["terms"]} == shared
    assert {term["digest"] for term in ledger["transfer"]["avoided"]["terms"]} == shared
    sent = ledger["transfer"]["sent"]["terms"]
    assert [term["digest"] for term in sent if term["kind"] == "layer"] == [pepperoni["layers"][3]["digest"]]
    assert ledger["transfer"]["reference"] == "pizza/pepperoni:latest"


def test_each_blob_is_listed_once_with_all_its_users(busy: Visitor) -> None:
    found = described(busy)
    digests = [blob["digest"] for blob in found["blobs"]]
    assert len(digests) == len(set(digests))
    users = {blob["digest"]: set(blob["images"]) for blob in found["blobs"]}
    for image in found["images"]:
        for digest in (image["id"], image["manifest"], *(layer["digest"] for layer in image["layers"])):
            assert image["id"] in users[digest]


def test_a_dip_copies_the_whole_crust_and_a_topping_picked_off_leaves_a_whiteout(busy: Visitor) -> None:
    one, two = described(busy)["containers"]
    assert [(change["kind"], change["path"]) for change in one["changes"]] == [
        ("C", "/pizza"),
        ("C", "/pizza/slice-3"),
        ("C", "/pizza/slice-3/crust"),
        ("D", "/pizza/slice-3/pepperoni"),
    ]
    nodes = {node["path"]: (node["kind"], node["size"]) for node in one["nodes"]}
    assert nodes["/pizza/slice-3/crust"] == ("file", 65536 + len("hot sauce\n"))
    assert nodes["/pizza/slice-3/pepperoni"][0] == "whiteout"
    assert one["unpacked"] == 65536 + len("hot sauce\n")
    assert (two["unpacked"], two["changes"], two["nodes"], two["upper"]) == (0, [], [], None)


def test_sizes_agree_with_what_docker_verbs_print(app: Flask, busy: Visitor) -> None:
    found = described(busy)
    journal = app.extensions["shop"].journal
    printed = journal.do(busy.kitchen, ["images", "--no-trunc", "--format", "{{.ID}} {{.Size}}"]).out.splitlines()
    size = app.jinja_env.filters["size"]
    assert sorted(printed) == sorted(f"{image['id']} {size(image['unpacked'])}" for image in found["images"])
    printed = journal.do(busy.kitchen, ["ps", "-s", "--format", "{{.Names}} {{.Size}}"]).out.splitlines()
    assert sorted(printed) == sorted(
        f"{c['name']} {size(c['unpacked'])} (virtual {size(c['virtual'])})" for c in found["containers"]
    )


def test_history_rows_sum_to_the_images_unpacked_size(busy: Visitor) -> None:
    for image in described(busy)["images"]:
        assert sum(step["unpacked"] for step in image["history"]) == image["unpacked"]
        assert [s["layer"] for s in image["history"] if s["layer"] is not None] == list(range(len(image["layers"])))


def test_the_tree_marks_the_way_to_the_head_and_where_undo_and_redo_lead(busy: Visitor) -> None:
    busy.press("undo")
    busy.press("undo")
    undone = described(busy)
    busy.type("docker exec one touch /pizza/slice-3/basil")
    found = described(busy)
    rows = {row["number"]: row for row in found["states"]}
    assert len(rows) == 8
    assert [number for number, row in rows.items() if row["on_line"]] == [0, 1, 2, 3, 4, 7]
    assert rows[7]["parent"] == rows[4]["id"] == undone["state"] == found["undo"]
    assert undone["redo"] == rows[5]["id"]
    assert (found["redo"], found["number"]) == (None, 7)


def test_the_last_transfer_is_the_one_on_the_way_to_the_head(busy: Visitor) -> None:
    for _ in range(5):
        busy.press("undo")
    assert described(busy)["ledger"]["transfer"]["reference"] == "pizza/cheese:latest"
    busy.press("undo")
    assert described(busy)["ledger"]["transfer"] is None


def test_a_layer_that_stands_twice_in_one_stack_is_stored_once(visitor: Visitor) -> None:  # rule 26
    for command in (
        "docker pull pizza/cheese",
        "docker run -d --name one pizza/cheese",
        "docker exec one sh -c 'echo olive > /pizza/slice-1/olive'",
        "docker commit one my/first",
        "docker run -d --name two my/first",
        "docker exec two sh -c 'echo olive > /pizza/slice-1/olive'",
        "docker commit two my/second",
    ):
        visitor.type(command)
    found = described(visitor)
    layers = [layer["digest"] for layer in by_name(found, "my/second")["layers"]]
    assert (len(layers), layers[-1]) == (5, layers[-2])
    places = {blob["digest"]: blob["places"] for blob in found["blobs"]}
    assert places[layers[-1]] == 3
    saved = {term["digest"]: term["times"] for term in found["ledger"]["saved"]["terms"]}
    assert saved[layers[-1]] == 2


def test_an_image_that_only_a_container_stands_on_keeps_its_blobs_in_the_list(visitor: Visitor) -> None:
    for command in ("docker pull pizza/cheese", "docker run -d --name one pizza/cheese", "docker rmi -f pizza/cheese"):
        visitor.type(command)
    found = described(visitor)
    assert len([blob for blob in found["blobs"] if blob["kind"] == "layer"]) == 3


def test_a_container_with_very_many_changes_lists_some_and_counts_all(visitor: Visitor) -> None:
    visitor.type("docker pull pizza/cheese")
    visitor.type("docker run -d --name one pizza/cheese")
    made = " ".join(f"/pizza/olive-{number}" for number in range(600))
    visitor.type(f"docker exec one touch {made}")
    one = described(visitor)["containers"][0]
    assert (one["changed"], len(one["changes"])) == (601, state.LISTED)
