"""How people reach the engine: the command line, and later the canvas."""
