"""Every operation side by side with PyTorch: values, dtypes, gradients, gradients of gradients, and refusals."""
