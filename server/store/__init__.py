"""What the server keeps: tables, engine, migrations, audit log."""
