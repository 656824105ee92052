"""The house: set-up of the environment, toolchains and fonts. Standard library only, since it runs before anything is installed."""
