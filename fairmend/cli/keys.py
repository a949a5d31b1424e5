"""Keys that sign the records of runs."""

from __future__ import annotations

import click

from fairmend import api
from fairmend.cli.output import as_json, err, out, print_json


@click.group()
def keys() -> None:
    """Show, create and trust the keys that sign records.

    The private key is stored in fairmend/keys under XDG_CONFIG_HOME (default ~/.config), or in the file
    named by FAIRMEND_KEY; it is created when a run is first saved.
    """


@keys.command()
@as_json
def show(as_json: bool) -> None:
    """Show your public key and the path of the private key, which is created if missing."""
    keyring = api.keyring()
    public = keyring.signing().public
    if as_json:
        print_json({"public": public, "path": str(keyring.path)})
    else:
        out().print(f"{public} ({keyring.path})", soft_wrap=True, markup=False)


@keys.command()
@click.option("--replace", is_flag=True, help="Replace the existing key, which stays trusted.")
def new(replace: bool) -> None:
    """Create your own key."""
    keyring = api.keyring()
    public = keyring.new(replace).public
    out().print(f"created {keyring.path}; its public key is {public}", soft_wrap=True, markup=False)


@keys.command()
@click.argument("key", metavar="FILE|HEX")
@click.option("--as", "name", required=True, metavar="NAME", help="Name for the key.")
def trust(key: str, name: str) -> None:
    """Trust records signed with another person's key; get the key from that person, not from the store."""
    public = api.keyring().trust(key, name)
    out().print(f"records signed by {public} are trusted as {name}", soft_wrap=True, markup=False)


@keys.command()
@click.argument("name", metavar="NAME")
def forget(name: str) -> None:
    """Stop trusting a key."""
    api.keyring().forget(name)
    out().print(f"{name} is no longer trusted", soft_wrap=True, markup=False)


@keys.command(name="list")
@as_json
def list_keys(as_json: bool) -> None:
    """List the keys whose records are accepted: your own and the trusted ones."""
    accepted = api.keyring().accepted()
    if as_json:
        print_json([{"name": name, "public": public} for public, name in accepted.items()])
        return
    for public, name in accepted.items():
        out().print(f"{public}  {name}", soft_wrap=True, markup=False)


@keys.command()
@click.option("--output", "-o", metavar="FILE", help="Write the key to this file instead of stdout.")
def export(output: str | None) -> None:
    """Export your public key, for people who need to trust your records."""
    keyring = api.keyring()
    if output is None:
        click.echo(keyring.signing().public)
    else:
        keyring.export(output)
        err().print(f"wrote {output}", soft_wrap=True, markup=False)
