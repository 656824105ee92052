"""What must hold of a seed: `judge` looks from outside at every step and at the end; the others each know one sort of truth."""
