"""The technician's and developer's command line and the project's set-up code."""
