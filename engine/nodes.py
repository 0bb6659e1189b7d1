"""The nodes of an upper while they are edited: by path, by directory, and by file where a file has several names.

They begin as an upper's own, shared with it until the first change. Invariants, as `engine.upper` has them: the names
of one file have equal nodes, which count those names. The two indices are made when first asked for, then kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from engine.upper import Node


class Nodes:
    """See the module."""

    def __init__(self, nodes: Mapping[bytes, Node]) -> None:
        self._shared: Mapping[bytes, Node] | None = nodes
        self._nodes: dict[bytes, Node] = {}
        self.get = nodes.get  # asked for every directory of every path: no method of ours in between
        self._children: dict[bytes, set[bytes]] | None = None
        self._links: dict[int, set[bytes]] | None = None
        self._inode = 0

    def __contains__(self, path: bytes) -> bool:
        return self.get(path) is not None

    @property
    def changed(self) -> bool:
        """Whether they may differ from the upper's that they began as."""
        return self._shared is None

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> Iterator[tuple[bytes, Node]]:
        """Every path with its node."""
        return iter(self._all().items())

    def names(self, directory: bytes) -> set[bytes]:
        """The names of the nodes directly below a directory, whiteouts included."""
        return self._index().get(directory, set())

    def below(self, directory: bytes) -> list[bytes]:
        """The paths of the nodes below a directory, parents first."""
        found, todo = [], [directory]
        while todo:
            at = todo.pop()
            paths = [at + b"/" + name for name in self.names(at)]
            found += paths
            todo += paths
        return found

    def new_inode(self) -> int:
        """A number that no node has."""
        self._inode = (self._inode or max((node.inode for _, node in self.items()), default=0)) + 1
        return self._inode

    # Changing

    def put(self, path: bytes, node: Node) -> None:
        """Have `node` at `path`, and at the other names that its file has."""
        nodes = self._own()
        for at in self._groups()[node.inode] if node.names > 1 else (path,):
            if self._children is not None and at not in nodes:
                parent, _, name = at.rpartition(b"/")
                self._children.setdefault(parent, set()).add(name)
            nodes[at] = node

    def link(self, path: bytes, new: bytes) -> Node:
        """Have `new` as one more name of the file at `path`."""
        node = self._own()[path]
        self._groups().setdefault(node.inode, {path}).add(new)
        node = replace(node, names=node.names + 1)
        self.put(path, node)
        return node

    def drop(self, path: bytes) -> Node:
        """Take the node at `path` away, one name of its file, and with a directory what is directly below it."""
        nodes = self._own()
        node = nodes[path]
        if node.kind == "dir" or self._children is not None:
            for name in self._index().pop(path, set()):
                del nodes[path + b"/" + name]
            parent, _, name = path.rpartition(b"/")
            self._index()[parent].discard(name)
        del nodes[path]
        if node.names > 1:
            names = self._groups()[node.inode]
            names.discard(path)
            for name in names:
                nodes[name] = replace(node, names=len(names))
            if len(names) == 1:
                del self._groups()[node.inode]
        return node

    def move(self, old: bytes, new: bytes) -> None:
        """Have what is at and below `old` at and below `new`."""
        nodes = self._own()
        for path in (old, *self.below(old)):
            to = new + path[len(old) :]
            for at, change in ((path, set.discard), (to, set.add)):
                parent, _, name = at.rpartition(b"/")
                change(self._index().setdefault(parent, set()), name)
            node = nodes[to] = nodes.pop(path)
            if node.names > 1:
                self._groups()[node.inode].symmetric_difference_update((path, to))

    # Tables

    def _all(self) -> Mapping[bytes, Node]:
        return self._nodes if self._shared is None else self._shared

    def _own(self) -> dict[bytes, Node]:
        if self._shared is not None:
            self._nodes, self._shared = dict(self._shared), None
            self.get = self._nodes.get
        return self._nodes

    def _index(self) -> dict[bytes, set[bytes]]:
        """By directory, the names of the nodes directly below it."""
        if self._children is None:
            self._children = {}
            for path in self._all():
                parent, _, name = path.rpartition(b"/")
                self._children.setdefault(parent, set()).add(name)
        return self._children

    def _groups(self) -> dict[int, set[bytes]]:
        """By inode, the names of each file that has more than one."""
        if self._links is None:
            self._links = {}
            for path, node in self.items():
                if node.names > 1:
                    self._links.setdefault(node.inode, set()).add(path)
        return self._links
