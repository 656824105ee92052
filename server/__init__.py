"""The central server: ingest, ledger, reconciliation, fleet, parameters, web pages."""
