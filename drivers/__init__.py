"""One contract per peripheral and one file per real part, on small bus contracts."""
