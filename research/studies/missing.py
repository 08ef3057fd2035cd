"""Missing and corrupted streams: heads made for them (ActionMAE, X-Fi, Centaur) beside MuMu's and ours."""

from __future__ import annotations

from studies.bench import Bench
from studies.guidance import CONFIG, CORRUPTION, columns
from studies.heads import ACTIONMAE, CENTAUR, KEYLESS_SUM, MUMU, OURS, XFI, Head
from studies.report import difference, mean_std, paired_by_seed, provenance, table

__all__ = ["ROWS", "section"]

ROWS: tuple[Head, ...] = (Head("mean (Keyless, SUM)", KEYLESS_SUM.overrides), MUMU, ACTIONMAE, XFI, CENTAUR, OURS)
SHOWN = ("clean", "missing", "one gone", "corrupted")


def section(bench: Bench) -> str:
    """Compare heads on six streams, trained with modality dropout and corrupted streams."""
    studies = {head: bench.study(head.run(CONFIG, CORRUPTION)) for head in ROWS}
    config = OURS.run(CONFIG).settings().model
    scores = {head: columns(study, config) for head, study in studies.items()}
    rows = [(head.name, *(mean_std(scores[head][name]) for name in SHOWN)) for head in ROWS]
    differences = [
        (f"{OURS.name} − {head.name}", *(difference(scores[OURS][name], scores[head][name]) for name in SHOWN))
        for head in ROWS
        if head != OURS
    ]
    return "\n\n".join(
        (
            provenance("missing", bench, studies[OURS]),
            table(("head", *SHOWN), rows),
            table(("difference", *SHOWN), differences),
            "Streams, conditions and columns as in the study `guidance`. Each head has one feature of a modality as a "
            f"token, on the same encoders. {paired_by_seed(len(bench.seeds))}",
        )
    )
