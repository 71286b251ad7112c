"""Values from safetensors files."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Annotated, Generic, NamedTuple

from graph.files.allowed import LocalFile
from graph.node import Complaint, File, Wiring, node
from graph.types import T, WireType, wire_types


class LoadedTensors(NamedTuple, Generic[T]):
    """What the file holds."""

    value: T


def _check(wiring: Wiring) -> Iterator[Complaint]:
    if "path" in wiring.params and wiring.params["path"] is None:
        yield Complaint("path", "no file is chosen", "the path of a .safetensors file")


def _types(wiring: Wiring) -> Mapping[str, WireType]:
    """The type that was saved, from the file's header."""
    from graph.values.tensor_file import DamagedFile, read_header

    file = wiring.params["path"]
    try:
        if file.path is None:
            name = read_header(BytesIO(file.read())).type_name
        else:
            with file.path.open("rb") as opened:
                name = read_header(opened).type_name
    except DamagedFile as error:
        raise ValueError(f"{file.name!r} {error}") from None
    found = wire_types().get(name)
    if found is None or found.handle:
        raise ValueError(f"{file.name!r} holds a value of the type {name!r:.80}, which is not known")
    return {"value": found}


@node(title="Load tensors", group="Load", io=True, check=_check, types=_types)
def load_tensors(
    *, path: Annotated[str, File("tensors"), "A .safetensors file that Save tensors wrote."] = ""
) -> LoadedTensors:
    """Take up again what Save tensors wrote to a file: embeds, latents, masks, pictures."""
    from graph.values.tensor_file import DamagedFile, unpack

    assert isinstance(path, LocalFile)  # what the engine makes of a path
    classes = {name: known.python for name, known in wire_types().items() if not known.handle}
    try:
        return LoadedTensors(unpack(path.read(), classes))
    except DamagedFile as error:
        raise ValueError(f"{path.name!r} {error}") from None
