"""What the officer and the driver see and press: text engine, catalogue of words, screens, the `Face`."""
