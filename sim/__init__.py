"""The other side of every wire: chips, cards, paper, radio, flash, time, acquirer; scenarios; the web page."""
