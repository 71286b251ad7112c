"""Values into safetensors files."""

from typing import Annotated

from graph.node import OutputFolder, Storable, node
from graph.types import T, wire_of_value


@node(title="Save tensors", group="Output", effects=True, io=True)
def save_tensors(
    value: Annotated[T, Storable(), "What to save: embeds, latents, masks, pictures, numbers."],
    *,
    name: Annotated[str, "The file's name without its ending; it may hold subfolders."] = "tensors",
    outputs: OutputFolder,
) -> None:
    """Save a value to a .safetensors file, exactly as it is, to load it later or to use it elsewhere."""
    from graph.values.tensor_file import pack

    kind = wire_of_value(value)
    assert kind is not None  # what comes over a wire has a type
    outputs.write(name, "safetensors", [pack(value, kind.name, {})])
