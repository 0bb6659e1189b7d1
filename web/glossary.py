"""What is what: each part of the kitchen in one plain sentence, in one exact one, and where the metaphor ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the page: `key` is its anchor, `plain` for a beginner, `exact` in OCI's words, `ends` the limit."""

    key: str
    title: str
    symbol: str
    plain: str
    exact: str
    ends: str


PARTS: Final = (
    Part(
        "menu",
        "Menu",
        "m-pepperoni",
        "What you can order; pulling brings a pizza into your kitchen.",
        "A registry: an OCI layout served through the distribution API, manifest first, then each blob you lack.",
        'A waiter carries whole plates; a pull carries only the layers that are missing here. "Already exists" goes by '
        "digest, as in containerd and podman; classic dockerd shares only layers that lie on the same ones (chain_id): "
        "it holds [L1, L2], pulls [L3, L2], and fetches L2 again.",
    ),
    Part(
        "pie",
        "The pie from above",
        "m-cheese",
        "What you would eat: everything that lies on top, seen at once.",
        "The union of all layers: for each path the highest layer that has it wins, and whiteouts hide what is below.",
        "Slice N is the directory /pizza/slice-N; in any other image, one of its eight largest directories.",
    ),
    Part(
        "layer",
        "A disc",
        "i-dough",
        "One ingredient, laid over the others and never touched again.",
        "One read-only layer: a tar of the files that it adds, changes or hides, named by the digest of its bytes.",
        "A layer is a set of changed files, not an ingredient: one layer may change a hundred things, or hide some.",
    ),
    Part(
        "pin",
        "Pin and beads",
        "u-eye",
        "Follow the pin down one slice: a full bead is what you see, a hollow one lies under something else.",
        "For the slice's directory: which layer's file the union shows (solid), which entries nothing shows (hollow).",
        "A hidden file is not gone: its bytes stay in its layer, and in everything that is built on it.",
    ),
    Part(
        "card",
        "Recipe card",
        "o-card",
        "A note in the recipe that puts nothing on the pizza.",
        "A history row with empty_layer true: CMD, ENV, LABEL and the like change the config and add no layer, 0 B.",
        "A cook reads the card; nobody reads CMD here, since no process runs in this kitchen.",
    ),
    Part(
        "tub",
        "Tupperware",
        "o-tub",
        "Your own changes, kept apart, so that the pizza below stays as it was.",
        "A container's upper: new files, whole copies of changed ones, and whiteouts, over layers that never change.",
        "It holds whole copied files, not edits: one byte changed in a 65.5 kB file is 65.5 kB in the tub.",
    ),
    Part(
        "napkin",
        "Napkin",
        "o-napkin",
        "You covered a topping: it looks gone, and still lies there.",
        "A whiteout: an entry .wh.name that hides a lower path; in a container's upper, docker diff shows it as D.",
        "Picking a topping off makes nothing lighter; the image below keeps every byte.",
    ),
    Part(
        "fridge",
        "Fridge",
        "o-fridge",
        "Everything you stored, each thing once, however many pizzas need it.",
        "The blob store: content addressed by digest. Boxes are as wide as their content, the compressed bytes.",
        "Discs and tables show unpacked sizes, boxes content sizes; the two are never added up.",
    ),
    Part(
        "ledger",
        "Byte ledger",
        "u-layers",
        "What your pizzas would weigh if each had its own everything, what they do weigh, and what that saves.",
        "Content bytes of manifests, configs and layers, by digest: summed for each image, and each digest once.",
        "A fridge has no receipts; here every figure opens to the blobs that it adds up from.",
    ),
    Part(
        "terminal",
        "Terminal",
        "u-terminal",
        "Every button is a docker command; type it here, and the same happens.",
        "Docker's verbs, flags, words and exit codes; exec and run are read by a shell over the container's files.",
        "No process runs: what the shell does not know it names, with exit code 127, and `help` lists what it knows.",
    ),
    Part(
        "time",
        "Time",
        "o-bite",
        "Every step you took; go back, try another way, and nothing is lost.",
        "Each state is one immutable value of the whole host; undo, redo, jump and fork move one pointer.",
        "Docker itself has no undo: this host is stored the way that images are. What was pushed, a registry keeps.",
    ),
)
