"""`datamix chat` and `datamix card`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Folder = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The folder of a trained model.")]


def chat(argv: Sequence[str]) -> int:
    """Talk to a checkpoint in the terminal."""
    return _run(_chat, "chat", argv)


def card(argv: Sequence[str]) -> int:
    """Write the model card of a checkpoint."""
    return _run(_card, "card", argv)


def _run(command: Callable[..., None], name: str, argv: Sequence[str]) -> int:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(command)
    typer.main.get_command(app).main(args=list(argv), prog_name=f"datamix {name}", standalone_mode=False)
    return 0


def _chat(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A model: its folder, or its name on the hub.")],
    system: Annotated[str, typer.Option(help="What the model is told beforehand.")] = "",
    temperature: Annotated[float, typer.Option(min=0, help="How freely tokens are drawn; 0 takes the likeliest.")] = 0.7,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="The share of likely tokens that are drawn from.")] = 0.9,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of an answer.")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the draws.")] = 0,
) -> None:
    """Talk to a checkpoint, by its own chat template and up to its own end of turn.

    Where the input is no terminal, each line of it is a message, and only the answers are printed.
    """
    from data_mix_eval.chat import Conversation, converse  # noqa: PLC0415  so that --help is quick
    from data_mix_eval.models.opening import open_hf  # noqa: PLC0415  as above
    from data_mix_eval.question import Sampling  # noqa: PLC0415  as above

    sampling = Sampling(max_tokens=max_tokens, temperature=temperature, top_p=top_p)
    converse(Conversation(speaker=open_hf(checkpoint), sampling=sampling, system=system, seed=seed))


def _card(
    checkpoint: Folder,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The card [CHECKPOINT/README.md].")] = None,
    results: Annotated[
        list[Path] | None, typer.Option(help="A folder of results; may be given again [all below CHECKPOINT/eval].")
    ] = None,
    base_results: Annotated[list[Path] | None, typer.Option(help="A folder of results of the base model.")] = None,
    licence: Annotated[str | None, typer.Option(help="The model's licence, as the Hub names it: apache-2.0.")] = None,
) -> None:
    """Write the model card of a checkpoint: how to prompt it, how it scored, what it was trained on and by which command."""
    from data_mix.files import write_bytes  # noqa: PLC0415  so that --help is quick
    from data_mix_eval.card import example_prompt, model_card, read_checkpoint  # noqa: PLC0415  as above

    place = out or checkpoint / "README.md"
    found: Any = read_checkpoint(checkpoint, results or (), base_results or ())
    write_bytes(place, model_card(found, licence=licence, example=example_prompt(checkpoint)).encode())
    typer.echo(f"{place}: written")
