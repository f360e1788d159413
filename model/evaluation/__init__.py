"""What is measured on a held-out split: reconstruction, action, guards, codebook, downstream."""
