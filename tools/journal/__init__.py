"""The journal from outside the terminal: its independent verifier, its export, and the soak that cuts its power."""
