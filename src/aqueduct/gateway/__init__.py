"""The data plane: serves `/chat/completions` and its siblings. Nothing here may import the control plane."""
