"""What wetread costs, measured on this machine: `make bench`. Figures, not tests: nothing fails for being slow."""
