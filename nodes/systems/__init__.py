"""In what the generations of Kandinsky differ: one file each. The stages ask here, by a handle's system."""

from nodes.systems.kandinsky3 import KANDINSKY_3
from nodes.systems.kandinsky20 import KANDINSKY_20
from nodes.systems.kandinsky21 import KANDINSKY_21
from nodes.systems.kandinsky22 import KANDINSKY_22
from nodes.systems.system import System

SYSTEMS: dict[str, System] = {
    system.name: system for system in (KANDINSKY_20, KANDINSKY_21, KANDINSKY_22, KANDINSKY_3)
}
