"""Keys that sign the records of runs."""

from __future__ import annotations

import click

from fairmend import api
from fairmend.cli.output import as_json, err, out, print_json


@click.group()
def keys() -> None:
    """Show, make and trust the keys that sign records.

    The private key lies in fairmend/keys of XDG_CONFIG_HOME, else of ~/.config, or in the file that
    FAIRMEND_KEY names; it is made when a run is first kept.
    """


@keys.command()
@as_json
def show(as_json: bool) -> None:
    """Show the own public key, and where the private one lies; it is made if there is none."""
    keyring = api.keyring()
    public = keyring.signing().public
    if as_json:
        print_json({"public": public, "path": str(keyring.path)})
    else:
        out().print(f"{public} ({keyring.path})", soft_wrap=True, markup=False)


@keys.command()
@click.option("--replace", is_flag=True, help="Take the place of a key that is there, which stays trusted.")
def new(replace: bool) -> None:
    """Make an own key."""
    keyring = api.keyring()
    public = keyring.new(replace).public
    out().print(f"made {keyring.path}; its public key is {public}", soft_wrap=True, markup=False)


@keys.command()
@click.argument("key", metavar="FILE|HEX")
@click.option("--as", "name", required=True, metavar="NAME", help="What to call the key.")
def trust(key: str, name: str) -> None:
    """Trust records that the key of someone else signed; get the key from that person, not from the store."""
    public = api.keyring().trust(key, name)
    out().print(f"records signed by {public} are trusted as {name}", soft_wrap=True, markup=False)


@keys.command()
@click.argument("name", metavar="NAME")
def forget(name: str) -> None:
    """Trust a key no longer."""
    api.keyring().forget(name)
    out().print(f"{name} is no longer trusted", soft_wrap=True, markup=False)


@keys.command(name="list")
@as_json
def list_keys(as_json: bool) -> None:
    """List the keys whose records are believed: the own and the trusted."""
    accepted = api.keyring().accepted()
    if as_json:
        print_json([{"name": name, "public": public} for public, name in accepted.items()])
        return
    for public, name in accepted.items():
        out().print(f"{public}  {name}", soft_wrap=True, markup=False)


@keys.command()
@click.option("--output", "-o", metavar="FILE", help="Write it there; else it is printed.")
def export(output: str | None) -> None:
    """Give the own public key, for people who are to trust your records."""
    keyring = api.keyring()
    if output is None:
        click.echo(keyring.signing().public)
    else:
        keyring.export(output)
        err().print(f"wrote {output}", soft_wrap=True, markup=False)
