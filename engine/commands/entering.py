"""`docker login` and `logout`: who one is to a registry. Kept beside the host, never in it."""

from __future__ import annotations

from engine import events as facts
from engine import reference as references
from engine.commands.verb import Moved, Verb, daemon_error
from engine.context import Context, Outcome
from engine.credentials import Account, Credentials
from engine.errors import CommandError, EngineError
from engine.host import Host
from engine.options import Flag, Options, Usage

_PASSWORD_MAX = 64 << 10
_HUB_NAMES = frozenset({"", "index.docker.io", "registry-1.docker.io"})


def _server(options: Options) -> str:
    """The registry that is meant, by its host: docker.io where none is named."""
    typed = options.words[0] if options.words else ""
    host = typed.removeprefix("https://").removeprefix("http://").partition("/")[0]
    if host in _HUB_NAMES:
        return references.DEFAULT_REGISTRY
    if not references.is_registry(host):
        raise CommandError(f"{typed[:200]!r} names no registry: give its host, with a port if need be")
    return host


def _kept(context: Context) -> Credentials:
    if not context.network:
        raise CommandError("no registry outside can be reached from here, and the one of this page knows you by itself")
    if not context.network.credentials:
        raise CommandError("a password typed here could be read by all who look: use `python -m engine login`")
    return context.network.credentials


def _account(context: Context, options: Options) -> Account:
    """Who logs in, in docker's words where that is not said."""
    user, password = options.value("username"), options.value("password")
    if options.on("password-stdin"):
        if password:
            raise CommandError("--password and --password-stdin are mutually exclusive")
        if not user:
            raise CommandError("Must provide --username with --password-stdin")
        with context.local.reader("-") as stream:
            read = stream.read(_PASSWORD_MAX + 1)
        if len(read) > _PASSWORD_MAX:
            raise CommandError(f"the password on standard input is longer than {_PASSWORD_MAX:,} bytes")
        password = read.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    if not user or not password:
        raise CommandError(
            "Error: Cannot perform an interactive login from a non TTY device: give --username and --password-stdin"
        )
    if ":" in user:
        raise CommandError("a user name has no colon in it")
    return Account(user, password)


def _prepare(context: Context, _host: Host, options: Options) -> None:
    """Asks the registry first: only an account that it lets in is kept."""
    credentials, server, account = _kept(context), _server(options), _account(context, options)
    assert context.network
    try:
        context.network.login(server, account)
    except EngineError as error:
        raise daemon_error(str(error)) from error
    credentials.keep(server, account)


def _login(context: Context, host: Host, options: Options, _moved: Moved | None) -> Outcome:
    warnings = [f"WARNING! Your password will be stored unencrypted in {_kept(context).path}.\n\n"]
    if options.value("password"):
        warnings.insert(0, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    told = (facts.Wrote(text="".join(warnings), stream="stderr"), facts.Wrote(text="Login Succeeded\n"))
    return Outcome(host, told)


def _logout(context: Context, host: Host, options: Options, _moved: Moved | None) -> Outcome:
    server = _server(options)
    was_in = _kept(context).forget(server)
    said = f"Removing login credentials for {server}\n" if was_in else f"Not logged in to {server}\n"
    return Outcome(host, (facts.Wrote(text=said),))


LOGIN = Verb(
    Usage(
        "login",
        "[SERVER]",
        "Log in to a Docker registry",
        0,
        1,
        (
            Flag("password", "p", "string", "Password"),
            Flag("password-stdin", help="Take the password from stdin"),
            Flag("username", "u", "string", "Username"),
        ),
    ),
    _login,
    _prepare,
)
LOGOUT = Verb(Usage("logout", "[SERVER]", "Log out from a Docker registry", 0, 1), _logout)
