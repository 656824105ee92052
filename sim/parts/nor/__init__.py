"""NOR flash: erase and program as the data sheets have them, power cuts, wear and damage. Pure Python; runs on both
runtimes.
"""
