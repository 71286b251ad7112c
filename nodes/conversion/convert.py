"""Which original a folder holds, and its conversion."""

from pathlib import Path

from nodes.conversion import kandinsky3, kandinsky20
from nodes.conversion.write import Tell


def convert(source: Path, target: Path, tell: Tell) -> str:
    """Make the folder `target` from the original in `source`; what it is, and who takes it, in a few words.

    Raises CheckpointError for a folder that holds no original, and as the conversions do.
    """
    third = kandinsky3.original_folder(source)
    if third is not None:
        kandinsky3.convert(third, target, tell)
        return "Kandinsky 3, for the source of load_kandinsky3"
    kandinsky20.convert(source, target, tell)
    return "Kandinsky 2.0, for the source of load_decoder"
