"""Taking an image home: the lines that bring it from here into the learner's own docker, podman or skopeo.

`docker pull` is offered where it can work: docker speaks plain HTTP to this machine alone, and TLS to any other. The
archive works everywhere, since curl fetches it. What the registry does not have can be had as an archive only.
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from urllib.parse import quote

from engine import reference as references


@dataclass(frozen=True, slots=True)
class Server:
    """How this server is reached: ``http`` or ``https``, and its host with the port."""

    scheme: str
    host: str

    @property
    def trusted(self) -> bool:
        """Whether docker pulls from it as it is."""
        name = self.host.rpartition(":")[0] if ":" in self.host.rpartition("]")[2] else self.host
        try:
            return self.scheme == "https" or ipaddress.ip_address(name.strip("[]")).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")


@dataclass(frozen=True, slots=True)
class Takeaway:
    """One line for a shell: the tool that it is for, and why it is the one."""

    tool: str
    command: str
    why: str


def takeaways(server: Server, kitchen: str, name: str, repository: str) -> tuple[Takeaway, ...]:
    """For the image `name` of a kitchen, its tag included; `repository` is where the registry here has it, or empty."""
    file = f"{quote(name.removesuffix(':latest'), safe='/:@')}.tar"
    fetch = f"curl -fsS {shlex.quote(f'{server.scheme}://{server.host}/k/{kitchen}/save/{file}')}"
    inside = shlex.quote(f"oci-archive:image.tar:{name}")
    if not repository:
        return (
            Takeaway("docker", f"{fetch} | docker load", "an archive, as docker save writes it"),
            Takeaway("podman", f"{fetch} | podman load", "the same archive"),
            Takeaway(
                "skopeo",
                f"{fetch} -o image.tar && skopeo copy {inside} oci:image",
                "into an OCI layout",
            ),
        )
    at = shlex.quote(f"{server.host}/{repository}")
    plain = server.scheme != "https"
    docker = (
        Takeaway("docker", f"docker pull {at}", "from the registry here, layer by layer")
        if server.trusted
        else Takeaway(
            "docker", f"{fetch} | docker load", "docker pulls from another machine by TLS only; this is an archive"
        )
    )
    return (
        docker,
        Takeaway("podman", f"podman pull {'--tls-verify=false ' if plain else ''}{at}", "from the registry here"),
        Takeaway(
            "skopeo",
            f"skopeo copy {'--src-tls-verify=false ' if plain else ''}docker://{at} oci:image",
            "into an OCI layout",
        ),
    )


def repository(familiar: str, own: str) -> str:
    """The name that an image's reference has in the registry of `own`, be it there or not: of docker.io's names the
    menu's, of this server's its own; empty for those of other registries."""
    parsed = references.parse(familiar).tagged()
    if parsed.registry in ("docker.io", own):
        return f"{parsed.repository}:{parsed.tag}"
    return ""
