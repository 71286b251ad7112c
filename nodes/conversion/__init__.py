"""Original Kandinsky 2.0 checkpoints, made by torch.save, into folders of safetensors: once, by command."""
