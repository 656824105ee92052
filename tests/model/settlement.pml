/* One terminal, one radio, one server, as design §3 and §4 have them: journal, counter, batch, acknowledgement, crash on both
 * sides, restore from a backup, epoch. Checked exhaustively by tests/model/test_settlement_model.py within the bounds below.
 *
 * Every action carries an at sign and the function, with its file, that it stands for; the test checks that each exists.
 *
 * Bounds: RECORDS records (each an approved payment), CUTS power cuts, DEATHS server deaths, RESTORES restores, ROLLBACKS of the
 * flash, LOSSES of messages, a radio that holds one message each way and may lose, keep (duplicate) or delay it past the next.
 * Record content is its sequence number in its epoch; the hash chain is left out: equal sequence and epoch means equal record, but for
 * the rollback, whose second history is marked by `branch`.
 *
 * Variants that must fail: -DACK_BEFORE_COMMIT, -DSHOW_BEFORE_DURABLE, -DNO_DEDUP, -DNO_COUNTER.
 */

#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef CUTS
#define CUTS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif

mtype = { HELLO, BATCH, WELCOME, ACK };

/* terminal: durable */
byte head = 0;            /* last record in flash */
byte counter = 0;         /* secure element */
byte acked = 0;           /* state/acked */
byte branch = 0;          /* 1: records after `forked` were written on a flash that was put back */
byte epoch = 1;
/* terminal: volatile */
bool up = false;
bool stopped = false;     /* JRN-030 */
bool said_hello = false;
byte nonce = 0;
byte held = 0;            /* up to where the server says it holds our records */
/* persons */
byte shown = 0;           /* last record whose outcome a person was shown */
/* flash put back */
byte kept = 0;
bool have_kept = false;
/* server: committed */
byte s_seq = 0;
byte s_nonce = 0;
byte s_epoch = 1;
byte posted[RECORDS + 1]; /* how often record n is posted */
bool forked = false;      /* alarm */
/* backup */
byte b_seq = 0;
byte b_nonce = 0;
bool b_posted[RECORDS + 1];
bool have_backup = false;
bool was_restored = false;
/* acquirer */
byte captured[RECORDS + 1];
bool host_knows[RECORDS + 1];
/* budgets */
byte cuts = 0; byte deaths = 0; byte restores = 0; byte rollbacks = 0; byte losses = 0; byte hellos = 0; byte epochs = 0;
/* what must never be */
bool lied = false;        /* an acknowledgement of what is not committed */
bool rolled = false;

/* one message each way: type, nonce, epoch, first or acknowledged, last, branch */
chan to_server = [1] of { mtype, byte, byte, byte, byte, byte };
chan to_terminal = [1] of { mtype, byte, byte, byte };

#ifndef HELLOS
#define HELLOS 5
#endif

inline stop_session() { said_hello = false; held = 0 }

active proctype terminal() {
  byte seq; byte n; byte e; mtype kind;
  do
  /* boot: the journal is read back, the counter compared @ terminal/journal/journal.py:_bind_counter */
  :: atomic { !up && !stopped ->
       if
#ifndef NO_COUNTER
       :: head < counter -> stopped = true
       :: head == counter + 1 -> counter = head; up = true
       :: head == counter -> up = true
#else
       :: true -> up = true
#endif
       fi;
       stop_session() }
  /* a payment: its record made durable, then the counter, then shown @ terminal/journal/journal.py:append */
  :: atomic { up && head < RECORDS && head == counter ->
#ifdef SHOW_BEFORE_DURABLE
       shown = head + 1
#else
       skip
#endif
     };
     if
     :: atomic { up -> head = head + 1; if :: rolled -> branch = 1 :: else fi };
        if
        :: atomic { up ->
#ifdef NO_COUNTER
             skip;
#else
             counter = head;
#endif
             skip };
           if
           :: atomic { up -> if :: head > shown -> shown = head :: else fi }
           :: !up
           fi
        :: !up
        fi
     :: !up
     fi
  /* HELLO with a fresh nonce @ terminal/session.py:hello */
  :: atomic { up && !said_hello && hellos < HELLOS && empty(to_server) ->
       hellos++; nonce = hellos; said_hello = true; held = 255;
       to_server ! HELLO, nonce, epoch, head, head, branch }
  /* a batch of everything after what the server holds @ terminal/sync.py:_batch */
  :: atomic { up && said_hello && held != 255 && held < head && empty(to_server) ->
       to_server ! BATCH, nonce, epoch, held + 1, head, branch }
  /* an answer, bound to the nonce @ terminal/session.py:exchange */
  :: atomic { up && nempty(to_terminal) ->
       to_terminal ? kind, n, e, seq;
       if
       :: n == nonce && e == epoch && said_hello && seq <= head ->
          /* @ terminal/sync.py:_acknowledge */
          held = seq;
          if :: seq > acked -> acked = seq;
                 if :: seq > s_seq && !was_restored -> lied = true :: else fi
             :: else fi
       :: else -> skip
       fi;
       kind = 0; n = 0; e = 0; seq = 0 }
  /* nothing came: the session is given up, the next begins with HELLO @ terminal/sync.py:run */
  :: atomic { up && said_hello && empty(to_server) && empty(to_terminal) && (held == 255 || s_seq < head) -> stop_session() }
  /* a new epoch under the centre's countersignature: the numbers go on @ terminal/journal/journal.py:begin_epoch */
  :: atomic { up && epochs < 1 && head == counter && head == shown && !said_hello && acked == head && head > 0 ->
       epochs++; epoch++; s_epoch = epoch }
  od
}

active proctype power() {
  do
  /* the power goes, anywhere @ terminal/app.py:_boot */
  :: atomic { up && cuts < CUTS -> cuts++; up = false; stop_session() }
  /* somebody keeps a copy of the flash, and puts it back while the power is off */
  :: atomic { !have_kept && rollbacks < ROLLBACKS && up && head == counter -> kept = head; have_kept = true }
  :: atomic { have_kept && rollbacks < ROLLBACKS && up && head > kept ->
       rollbacks++; up = false; head = kept; stop_session();
       rolled = (counter > kept); /* else only a record went that nobody was shown and nobody was sent */
       if :: acked > kept -> acked = kept :: else fi }
  od
}

active proctype radio() {
  mtype kind; byte n; byte e; byte a; byte b; byte c;
  do
  /* lost on the way, or not delivered before the next @ drivers/net_http.py:post */
  :: atomic { losses < LOSSES && nempty(to_server) -> losses++; to_server ? kind, n, e, a, b, c; kind = 0; n = 0; e = 0; a = 0; b = 0; c = 0 }
  :: atomic { losses < LOSSES && nempty(to_terminal) -> losses++; to_terminal ? kind, n, e, a; kind = 0; n = 0; e = 0; a = 0 }
  od
}

active proctype server() {
  mtype kind; byte n; byte e; byte first; byte last; byte br; byte i; bool dead;
  do
  :: atomic { nempty(to_server) ->
       to_server ? kind, n, e, first, last, br;
       if
       :: true
       :: losses < LOSSES -> losses++; to_server ! kind, n, e, first, last, br /* it comes twice */
       fi;
       dead = false;
       if
       /* the session's nonce @ server/ingest/sessions.py:begin */
       :: kind == HELLO && e == s_epoch -> s_nonce = n;
          /* the head is behind what it sent before @ server/ingest/hello.py:_compare_heads */
          if :: last < s_seq || (br == 1 && last <= s_seq) -> forked = true :: else fi;
          if :: empty(to_terminal) -> to_terminal ! WELCOME, n, e, s_seq :: full(to_terminal) fi
       :: kind == BATCH && n == s_nonce && e == s_epoch ->
          if
          :: deaths < DEATHS -> deaths++; dead = true
          :: true
          fi;
#ifdef ACK_BEFORE_COMMIT
          if :: empty(to_terminal) && (first <= s_seq + 1) ->
                to_terminal ! ACK, n, e, (last > s_seq -> last : s_seq) :: full(to_terminal) || first > s_seq + 1 fi;
#endif
          if
          /* dies before the commit: nothing is kept @ server/ingest/dispatch.py:handle */
          :: dead -> skip
          :: else ->
             if
             /* begins after a gap: not kept, asked for @ server/ingest/batch.py:batch */
             :: first > s_seq + 1 -> skip
             :: else ->
                i = first;
                do
                :: i > last -> break
                :: i <= last ->
                   if
                   /* a second branch: kept, not posted, alarm @ server/ingest/forks.py:keep */
                   :: br == 1 && i <= s_seq && i > kept -> forked = true
                   /* new: raw record, posting, request in one transaction @ server/ingest/flush.py:write */
                   :: i > s_seq -> posted[i]++; s_seq = i
#ifdef NO_DEDUP
                   :: br == 0 && i <= s_seq -> posted[i]++
#else
                   :: else -> skip /* a duplicate @ server/ingest/batch.py:_known_hashes */
#endif
                   fi;
                   i++
                od
             fi;
#ifndef ACK_BEFORE_COMMIT
             /* sealed and sent after the commit @ server/ingest/dispatch.py:seal */
             if :: empty(to_terminal) -> to_terminal ! ACK, n, e, s_seq :: full(to_terminal) fi;
#endif
             skip
          fi
       :: else -> skip /* REFUSED @ server/ingest/sessions.py:bound_head */
       fi;
       i = 0; kind = 0; n = 0; e = 0; first = 0; last = 0; br = 0; dead = false }
  /* the outbox: a request that may have been sent goes out as a repeat; the host captures a reference once
     @ server/acquirer/outbox.py:claim */
  :: atomic { posted[1] > 0 && !host_knows[1] -> host_knows[1] = true; captured[1]++ }
  :: atomic { posted[2] > 0 && !host_knows[2] -> host_knows[2] = true; captured[2]++ }
  :: atomic { posted[RECORDS] > 0 && !host_knows[RECORDS] -> host_knows[RECORDS] = true; captured[RECORDS]++ }
  od
}

active proctype centre() {
  byte i;
  do
  /* a backup is taken, and the database later restored from it @ server/store/restore.py:mark */
  :: atomic { !have_backup && restores < RESTORES ->
       have_backup = true; b_seq = s_seq; b_nonce = s_nonce;
       i = 1; do :: i > RECORDS -> break :: else -> b_posted[i] = posted[i] > 0; i++ od; i = 0 }
  :: atomic { have_backup && restores < RESTORES && s_seq > b_seq ->
       restores++; was_restored = true; s_seq = b_seq; s_nonce = b_nonce;
       i = 1; do :: i > RECORDS -> break :: else -> posted[i] = (b_posted[i] -> 1 : 0); i++ od; i = 0 }
  od
}

#define ONCE(n) (head < n || (posted[n] == 1 && captured[n] == 1))

/* when nothing can happen any more and the radio has not used up its sessions: all that was shown is posted and captured, once */
active proctype quiet() {
  timeout -> assert(stopped || rolled || hellos == HELLOS || (s_seq == head && acked == head && ONCE(1) && ONCE(2) && ONCE(RECORDS)))
}

/* invariants, at every step */
active proctype watch() {
  atomic {
    if
    :: lied -> assert(false)                                  /* an acknowledgement of what was not committed */
    :: !rolled && shown > head -> assert(false)               /* a person was shown what is not durable */
    :: posted[1] > 1 || posted[2] > 1 || posted[RECORDS] > 1 -> assert(false)       /* posted twice */
    :: captured[1] > 1 || captured[2] > 1 || captured[RECORDS] > 1 -> assert(false) /* charged twice */
    :: branch == 1 && s_seq > kept && !forked && !was_restored -> assert(false)     /* another history taken in, unflagged */
    :: !rolled && s_seq > head -> assert(false)               /* the server holds what the terminal never wrote */
    fi
  }
}
