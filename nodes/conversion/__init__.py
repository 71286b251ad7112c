"""Original checkpoints of Kandinsky 2.0 and 3, made by torch.save, into folders of safetensors: once."""
