"""Tables of the central server (design §5): SQLAlchemy Core, the same on SQLite and PostgreSQL.

Every table is keyed by device first, and nothing needs a global sequence or a global unique index, so that the same
schema can be partitioned by device. Amounts are centimes of DZD, times are seconds since 1970 UTC. Raw records are
never changed; sealed card data and personal data lie in tables of their own, so that they can be erased, and left out
of a backup, without touching a record.
"""

from server.store.tables.chains import aside as aside
from server.store.tables.chains import devices as devices
from server.store.tables.chains import forks as forks
from server.store.tables.chains import former_keys as former_keys
from server.store.tables.chains import gaps as gaps
from server.store.tables.chains import heads as heads
from server.store.tables.chains import nonces as nonces
from server.store.tables.chains import private as private
from server.store.tables.chains import raw as raw
from server.store.tables.chains import sealed as sealed
from server.store.tables.chains import tallies as tallies
from server.store.tables.columns import metadata as metadata
from server.store.tables.money import authorisations as authorisations
from server.store.tables.money import cases as cases
from server.store.tables.money import erasures as erasures
from server.store.tables.money import legs as legs
from server.store.tables.money import outbox as outbox
from server.store.tables.money import payments as payments
from server.store.tables.money import postings as postings
from server.store.tables.money import results as results
from server.store.tables.money import voids as voids
from server.store.tables.office import audit as audit
from server.store.tables.office import blocks as blocks
from server.store.tables.office import decisions as decisions
from server.store.tables.office import epochs as epochs
from server.store.tables.office import meta as meta
from server.store.tables.office import refunds as refunds
from server.store.tables.office import rulings as rulings
from server.store.tables.office import verdicts as verdicts
from server.store.tables.states import *  # noqa: F403 - numbers only, all of them public
