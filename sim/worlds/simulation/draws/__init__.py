"""What a seed draws, each thing apart, so that one more leaves every other seed's plan what it always was."""
