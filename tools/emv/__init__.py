"""Payment cards on the technician's bench: the kernel's decisions in words, payments on any reader, recorded exchanges replayed."""
