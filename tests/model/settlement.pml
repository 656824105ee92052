/* Settlement of records: one terminal, one radio, one server, two officers (design §3 and §4): journal, counter, batch, acknowledgement,
 * crash on both sides, restore from a backup, new epoch. What follows at the acquirer is acquirer.pml; docs/simulation.md says what joins
 * them. Searched exhaustively by tests/model/test_settlement_model.py within the bounds below.
 *
 * Every action carries an at sign and the function, with its file, that it stands for; the test checks that each exists.
 *
 * Bounds: RECORDS records, and the first of a new epoch; CUTS power cuts; ROLLBACKS of the flash (to any earlier state, emptiness included); RESTORES of the database from a
 * backup taken at any time; FAULTS of radio and server (a message lost, delayed, doubled; the server dies before or after its commit);
 * WITHDRAWALS of an approval. A delayed or doubled message arrives at any later time, also in a later session and epoch: one request and one
 * reply at once are on such a way. Sessions are not bounded: a terminal that is not through after USELESS sessions without a
 * fault or progress is an error, and so is an end at which not all is acknowledged, kept and posted.
 *
 * A record is its sequence number and a tag: 1 of the first epoch, 2 of a second branch of it, 3 of the second epoch. `hist` holds the tags of
 * a chain, two bits each, so a prefix of it stands for a record's hash. A nonce is the lowest number that nobody remembers.
 *
 * Left out: a testimony's further batches and the way back to where the chains part, gaps within an epoch, a third epoch, several batches of one session in flight;
 * that acknowledged records are deleted at the terminal in time, results and ends of voids on their way to it, receipts for sealed card data (CLEARED) and their
 * erasure, the shift's end (CLOSE and RECON), several processes of the server.
 *
 * Variants that must fail, each with the assertion that breaks, stand in the test, as do those that show a check to be covered by another.
 */

#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef CUTS
#define CUTS 1
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 1
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef WITHDRAWALS
#define WITHDRAWALS 1
#endif
#ifndef USELESS
#define USELESS 1
#endif

#define PREFIX(h, n) ((h) & ((1 << (2 * (n))) - 1))
#define BIT(n) (1 << ((n) - 1))
#define UPTO(n) ((1 << (n)) - 1)
#define top counter /* the journal's head as it is said and sent: its counter is stepped */
#define NOTHING 15
#define NONCES 8
#define LAST (epoch == 2 && base == RECORDS -> RECORDS + 1 : RECORDS) /* a new epoch has a first record in any case */

mtype = { HELLO, AGAIN, TROUBLE, BATCH, TESTIMONY, WELCOME, ACK, REFUSED };
#define SRV014 14 /* not bound to the last HELLO */
#define SRV016 16 /* not the approved epoch */
#define SRV045 45 /* the chain went on after the approval */
#define SRV018 18 /* this HELLO was seen before */

/* a request: n nonce, e epoch; HELLO: a the approval's sequence or NOTHING, b head; BATCH: a first, b last, g first of those lost before it; h the chain.
 * a reply: a acknowledged sequence, b command (1) or code, h the chain's head */
typedef Message { mtype kind; byte n; byte e; byte a; byte b; byte h; byte g };
Message up, down;           /* on their way */
Message late_up, late_down; /* delayed, or the second of two */
hidden Message in, out;

/* terminal: durable */
byte head = 0;            /* last record in flash */
byte hist = 0;
byte counter = 0;         /* secure element; at a new epoch's beginning it is taken as it is */
byte acked = 0;           /* state/acked */
byte epoch = 1;
byte base = 0;            /* record after which the second epoch begins: what the approval that is kept says */
/* terminal: volatile */
#define DOWN 0
#define UP 1
#define STOPPED 2         /* JRN-030 on the screen */
byte state = DOWN;
mtype wait = 0;           /* what was said last and is not answered */
byte nonce = 0;
byte held = 0;            /* up to where the server holds our records */
bool resumed = false; bool showed = false; byte rounds = 0;
bool excused = false;     /* a fault keeps the answer away */
/* persons */
byte shown = 0;           /* last record whose outcome a person was shown */
bool due = false;         /* the timer: a session is due though nothing is unacknowledged */
/* server: committed */
byte s_seq = 0; byte s_hist = 0; byte s_nonce = 0; byte s_epoch = 1;
byte posted1 = 0; byte posted2 = 0; /* records of the first, second epoch that are on file and posted, one bit each */
byte gap = 0;             /* records that are in suspense */
byte seen = 0;            /* nonces of HELLOs, one bit each */
#define PROPOSED 1
#define APPROVED 2
#define BEGUN 3
byte approval = 0; byte approval_seq = 0;
bool alarm = false;       /* fork, or head behind what was sent */
bool asked = false;       /* the officers know of the trouble */
/* backup */
bool have_backup = false;
byte b_seq = 0; byte b_hist = 0; byte b_nonce = 0; byte b_epoch = 0; byte b_posted1 = 0; byte b_posted2 = 0; byte b_gap = 0; byte b_seen = 0;
byte b_approval = 0; byte b_approval_seq = 0;
bool restored = false;    /* ever */
bool just_restored = false; /* since the last HELLO */
/* budgets */
byte cuts = 0; byte rollbacks = 0; byte restores = 0; byte faults = 0; byte withdrawals = 0; byte useless = 0;
bool branched = false;
/* what must never be */
bool acknowledged_not_kept = false; bool shown_lost = false; bool posted_twice = false; bool old_epoch_taken = false;
bool no_progress = false; bool fork_unflagged = false; bool gap_for_nothing = false; bool not_settled = false;
bool not_answered = false;

hidden byte i; hidden byte k; hidden byte fresh; hidden byte dead; hidden byte bound; hidden byte branch;

inline copy(to, from) { to.kind = from.kind; to.n = from.n; to.e = from.e; to.a = from.a; to.b = from.b; to.h = from.h; to.g = from.g }
inline clear(m) { m.kind = 0; m.n = 0; m.e = 0; m.a = 0; m.b = 0; m.h = 0; m.g = 0 }
inline fill(m, kk, nn, ee, aa, bb, hh) { m.kind = kk; m.n = nn; m.e = ee; m.a = aa; m.b = bb; m.h = hh }

#define LIVE(x) (x == nonce || x == s_nonce || x == b_nonce || x == up.n || x == down.n || x == late_up.n || x == late_down.n)
#define ASKS(m, x) (m.n == x && (m.kind == HELLO || m.kind == TROUBLE))

/* a nonce that was never used; nonces seen matter as long as a HELLO with them may come */
inline draw() {
  nonce = 0;
  k = 1; do :: LIVE(k) -> k++ :: else -> break od;
  assert(k <= NONCES);
  nonce = k;
  forget()
}
inline forget() {
  k = 1;
  do
  :: k > NONCES -> break
  :: else -> if :: !ASKS(up, k) && !ASKS(late_up, k) -> seen = seen & ~BIT(k); b_seen = b_seen & ~BIT(k) :: else fi; k++
  od
}
inline over() { wait = 0; nonce = 0; held = 0; resumed = false; showed = false; rounds = 0; excused = false }
/* everything after what the server holds; what an old epoch left behind is not told again, and counts as lost
   @ terminal/batches.py:fill */
inline say_batch() {
  wait = BATCH;
  k = (epoch == 2 && held < base -> base : held);
  fill(up, BATCH, nonce, epoch, k + 1, top, PREFIX(hist, top));
  up.g = (k > held -> held + 1 : 0)
}

/* The session is through: what the terminal takes for kept must be on file and posted, each record once, or in suspense. */
inline through() {
  k = (epoch == 2 -> base : top);
  acknowledged_not_kept = !just_restored && !(s_epoch == epoch && s_seq == top && s_hist == PREFIX(hist, top)
    && ((posted1 | gap) & UPTO(k)) == UPTO(k) && ((posted2 | UPTO(k)) & UPTO(top)) == UPTO(top));
  assert(!acknowledged_not_kept);
  useless = 0; due = just_restored;
  over()
}

active proctype terminal() {
  do
  /* boot: the journal is read back, the counter compared @ terminal/journal/journal.py:_bind_counter */
  :: atomic { state == DOWN ->
       if
#if !defined(NO_COUNTER) && !defined(TAMPERED)
       :: head < counter -> state = STOPPED; useless = 0
       :: head > counter -> counter = head; state = UP
       :: head == counter -> state = UP
#else
       :: true -> counter = head; state = UP
#endif
       fi;
#ifdef TAMPERED
       if :: shown > head -> shown = head :: else fi
#else
       shown_lost = state == UP && shown > head;
       assert(!shown_lost)
#endif
     }
  /* a payment: its record made durable @ terminal/journal/shelf.py:append */
  :: atomic { state == UP && head < LAST && head == counter && shown == head ->
#ifdef SHOW_BEFORE_DURABLE
       if :: true -> shown = head + 1 :: true fi;
#endif
       if
       :: shown == head -> head = head + 1; hist = hist | ((epoch == 2 -> 3 : (branched -> 2 : 1)) << (2 * (head - 1)))
       :: else
       fi }
#ifdef SHOW_BEFORE_DURABLE
  :: atomic { state == UP && shown > head -> head = head + 1; hist = hist | ((epoch == 2 -> 3 : 1) << (2 * (head - 1))) }
#endif
  /* then the counter is stepped @ terminal/journal/journal.py:append */
  :: atomic { state == UP && head > counter -> counter = head }
  /* and then the outcome shown @ terminal/flows/payment.py:_show */
  :: atomic { state == UP && head == counter && shown < head -> shown = head }

  /* HELLO with a fresh nonce @ terminal/session.py:hello */
  :: atomic { state == UP && wait == 0 && up.kind == 0 && (top > acked || due) && (epoch == 1 || top > base) && !(alarm && branched && epoch == 1) ->
       fork_unflagged = branched && epoch == 1 && useless > USELESS;
       assert(!fork_unflagged);
       no_progress = useless > USELESS;
       assert(!no_progress);
       useless++; just_restored = false;
       draw(); held = 0; wait = HELLO;
       fill(up, HELLO, nonce, epoch, NOTHING, top, PREFIX(hist, top)) }
  /* in trouble: the centre is asked, and asked again when it has called back @ terminal/renewal.py:ask */
  :: atomic { state == STOPPED && wait == 0 && up.kind == 0 && (approval == APPROVED || !asked) ->
       no_progress = useless > USELESS;
       assert(!no_progress);
       useless++;
       draw(); wait = TROUBLE;
       fill(up, TROUBLE, nonce, epoch, NOTHING, 0, 0) }

  /* an answer, or one that was late in its place; bound to nonce and epoch, and of the kind that is expected
     @ terminal/session.py:exchange */
  :: atomic { wait != 0 && (down.kind != 0 || late_down.kind != 0) ->
       if
       :: down.kind != 0 -> copy(in, down); clear(down)
       :: late_down.kind != 0 -> copy(in, late_down); clear(late_down); clear(down); clear(up); useless = 0
       fi;
       bound = true;
#ifndef NO_REPLY_NONCE
       bound = bound && in.n == nonce;
#endif
#ifndef NO_REPLY_EPOCH
       bound = bound && (in.kind == REFUSED || in.e == epoch);
#endif
       bound = bound && (in.kind == REFUSED || ((in.kind == ACK) == (wait == BATCH || wait == TESTIMONY)));
       if
       :: !bound -> over()
       /* the server knows another session by now: HELLO once more, and the message again @ terminal/sync.py:exchange */
       :: bound && in.kind == REFUSED && in.b == SRV014 && wait == BATCH && !resumed ->
          resumed = true; draw(); wait = AGAIN; fill(up, HELLO, nonce, epoch, NOTHING, top, PREFIX(hist, top))
       /* it does not know our epoch: the approval is shown @ terminal/sync.py:_hello */
       :: bound && in.kind == REFUSED && in.b == SRV016 && (wait == HELLO || wait == AGAIN) && epoch == 2 && !showed ->
          showed = true; draw(); fill(up, HELLO, nonce, epoch, base, top, PREFIX(hist, top))
       :: bound && in.kind == REFUSED && !(in.b == SRV014 && wait == BATCH && !resumed) &&
          !(in.b == SRV016 && (wait == HELLO || wait == AGAIN) && epoch == 2 && !showed) -> over()
       :: bound && in.kind == WELCOME && wait == AGAIN -> showed = false; say_batch()
       /* the centre approves: a new epoch, whose first record says so @ terminal/journal/journal.py:begin_epoch */
       :: bound && in.kind == WELCOME && wait == TROUBLE ->
          if
          :: in.b == 1 -> epoch = 2; base = in.a; head = in.a; hist = in.h; counter = head; acked = 0; shown = head; state = DOWN;
             due = true; useless = 0
          :: else
          fi;
          over()
       :: bound && wait == TESTIMONY && in.kind == ACK -> over()
       :: bound && ((in.kind == WELCOME && wait == HELLO) || (in.kind == ACK && wait == BATCH)) ->
          /* @ terminal/sync.py:_acknowledge */
#ifdef NO_ACK_HASH
          branch = in.a > top;
#else
          branch = in.a > top || (in.a >= (epoch == 2 -> base : 0) && in.h != PREFIX(hist, in.a));
#endif
          if
          :: branch && wait == HELLO && acked < top && in.a < top ->
             /* another chain: what we have is shown @ terminal/testimony.py:show */
             wait = TESTIMONY; k = (in.a < acked -> in.a : acked);
             fill(up, BATCH, nonce, epoch, k + 1, top, PREFIX(hist, top))
          :: branch && !(wait == HELLO && acked < top && in.a < top) -> over()
          :: else ->
             if
             :: in.a > acked ->
                acked = in.a; useless = 0;
                acknowledged_not_kept = !just_restored && !(s_epoch == epoch && s_seq >= in.a && PREFIX(s_hist, in.a) == in.h);
                assert(!acknowledged_not_kept)
             :: else
             fi;
             if
             :: wait == BATCH && in.a <= held -> rounds++
             :: wait == BATCH && in.a > held -> rounds = 0; useless = 0
             :: else
             fi;
             held = in.a;
             if
             :: held == top -> through()
             :: held < top && rounds > 2 -> over()
             /* everything after what the server holds @ terminal/sync.py:_batch */
             :: held < top && rounds <= 2 -> say_batch()
             fi
          fi
       fi;
       clear(in); bound = false; branch = false; k = 0 }
  /* nothing came: the session is given up @ terminal/sync.py:run */
  :: atomic { wait != 0 && up.kind == 0 && down.kind == 0 ->
       not_answered = !excused;
       assert(!not_answered);
       over() }
  od
}

active proctype power() {
  do
  /* the power goes, anywhere @ terminal/app.py:_boot */
  :: atomic { state != DOWN && cuts < CUTS -> cuts++; useless = 0; state = DOWN; clear(down); over() }
  /* somebody puts back what the flash was when it had k records; a record whose counter was not stepped was never shown nor sent */
  :: atomic { state == UP && rollbacks < ROLLBACKS && head > 0 && epoch == 1 ->
       rollbacks++; useless = 0;
       k = 0; do :: k < head - 1 -> k++ :: true -> break od;
       branched = counter > k;
       head = k; hist = PREFIX(hist, k);
       if :: acked > k -> acked = k :: else fi;
       state = DOWN; clear(down); over(); k = 0 }
  od
}

active proctype radio() {
  do
  /* lost, delayed past the next, doubled @ drivers/net_http.py:post */
  :: atomic { faults < FAULTS && up.kind != 0 -> faults++; useless = 0;
       if
       :: clear(up); excused = wait != 0
       :: late_up.kind == 0 -> copy(late_up, up); clear(up); excused = wait != 0
       :: late_up.kind == 0 -> copy(late_up, up)
       fi }
  :: atomic { faults < FAULTS && down.kind != 0 -> faults++; useless = 0;
       if
       :: clear(down); excused = true
       :: late_down.kind == 0 -> copy(late_down, down); clear(down); excused = true
       :: late_down.kind == 0 -> copy(late_down, down)
       fi }
  od
}

inline refuse(code) { fill(out, REFUSED, in.n, in.e, 0, code, 0) }
inline welcome(command) { fill(out, WELCOME, in.n, in.e, s_seq, command, PREFIX(s_hist, s_seq)) }
/* the command that WELCOME carries; what the chain has overtaken is withdrawn @ server/office/epochs.py:commands */
inline commands() {
  if
  :: approval == APPROVED && !(approval_seq == s_seq && s_epoch == 1) -> approval = 0; approval_seq = 0; useless = 0
  :: else
  fi;
  k = approval == APPROVED
}
inline take(n) {
  if
  :: in.e == 1 -> posted_twice = (posted1 & BIT(n)) != 0; posted1 = posted1 | BIT(n)
  :: else -> posted_twice = (posted2 & BIT(n)) != 0; posted2 = posted2 | BIT(n)
  fi;
  assert(!posted_twice)
}

#ifdef NO_SEEN
#define SEEN false
#else
#define SEEN (in.n != s_nonce && (seen & BIT(in.n)) != 0)
#endif
#ifdef NO_PREV_HASH
#define OTHER_CHAIN false
#else
#define OTHER_CHAIN (i == s_seq + 1 && PREFIX(s_hist, s_seq) != PREFIX(in.h, s_seq))
#endif
#ifdef NO_NONCE
#define BOUND true
#else
#define BOUND (in.n == s_nonce)
#endif
#ifdef NO_EPOCH
#define OF_EPOCH true
#elif defined(EPOCH_2_REFUSED)
#define OF_EPOCH (in.e == s_epoch && in.e == 1)
#else
#define OF_EPOCH (in.e == s_epoch)
#endif
#ifdef OVERTAKEN_COUNTS
#define STANDS (approval == APPROVED)
#else
#define STANDS (approval == APPROVED && approval_seq == s_seq)
#endif

active proctype server() {
  do
  :: atomic { up.kind != 0 || late_up.kind != 0 ->
       if
       :: up.kind != 0 -> copy(in, up); fresh = true
       :: late_up.kind != 0 -> copy(in, late_up); fresh = false; useless = 0
       fi;
       if
       :: true
       /* dies before the commit: nothing is kept @ server/web/writer.py:_together */
       :: fresh && faults < FAULTS -> faults++; useless = 0; dead = true; excused = wait != 0
       fi;
#ifdef ACK_BEFORE_COMMIT
       if
       :: dead && in.kind == BATCH && in.n == s_nonce && in.e == s_epoch && in.a <= s_seq + 1 && wait == BATCH ->
          fill(out, ACK, in.n, in.e, in.b, 0, in.h)
       :: else
       fi;
#endif
       if
       :: dead
       /* a HELLO's nonce must be new, or the current one @ server/ingest/sessions.py:begin */
       :: !dead && in.kind != BATCH && SEEN -> refuse(SRV018)
       :: !dead && in.kind != BATCH && !SEEN ->
          seen = seen | BIT(in.n);
          if
          /* what a terminal in trouble says counts for nothing; once it was told, its old session is over @ server/ingest/hello.py:_help */
          :: in.kind == TROUBLE ->
             asked = true;
             commands(); welcome(k);
#ifndef OLD_SESSION_LIVES
             if :: k == 1 -> s_nonce = 0 :: else fi
#endif
          :: in.kind == HELLO ->
             /* another epoch: approved here, or the approval is shown @ server/office/epochs.py:begin */
             i = NOTHING;
             if
             :: in.e == s_epoch
             :: in.e < s_epoch -> refuse(SRV016)
             :: in.e > s_epoch && !STANDS && in.a == NOTHING -> refuse(SRV016)
             :: in.e > s_epoch && STANDS -> i = approval_seq
#ifndef APPROVAL_NOT_TAKEN
             :: in.e > s_epoch && !STANDS && in.a != NOTHING -> i = in.a
#else
             :: in.e > s_epoch && !STANDS && in.a != NOTHING -> refuse(SRV016)
#endif
             fi;
             if
             :: i != NOTHING && (s_seq > i || (s_seq == i && PREFIX(s_hist, i) != PREFIX(in.h, i))) -> refuse(SRV045)
             :: i != NOTHING && !(s_seq > i || (s_seq == i && PREFIX(s_hist, i) != PREFIX(in.h, i))) ->
                if
                /* what the approved chain had and this database has not is lost, and in suspense @ server/ingest/lost/gaps.py:enter */
                :: s_seq < i -> gap = gap | (UPTO(i) & ~UPTO(s_seq)); gap_for_nothing = !restored; assert(!gap_for_nothing);
                   s_seq = i; s_hist = PREFIX(in.h, i)
                :: else
                fi;
                s_epoch = 2; approval = BEGUN; approval_seq = 0; useless = 0
             :: else
             fi;
             if
             :: out.kind == 0 ->
                s_nonce = in.n;
                /* @ server/ingest/hello.py:_compare_heads */
#ifndef NO_FORK
                if :: in.b < s_seq || PREFIX(s_hist, in.b) != in.h && in.b <= s_seq -> alarm = true :: else fi;
#endif
                /* @ server/ingest/hello.py:hello */
                commands(); welcome(k)
             :: else
             fi
          fi
       /* bound to the last HELLO and of its epoch @ server/ingest/sessions.py:check_bound */
       :: !dead && in.kind == BATCH && !BOUND -> refuse(SRV014)
       :: !dead && in.kind == BATCH && BOUND && !OF_EPOCH -> refuse(SRV016)
       :: !dead && in.kind == BATCH && BOUND && OF_EPOCH ->
          branch = false;
          i = in.a;
          if
          /* what is lost for good is in suspense @ server/ingest/lost/gaps.py:bridge */
          :: in.g != 0 && in.g == s_seq + 1 ->
             gap = gap | (UPTO(i - 1) & ~UPTO(s_seq)); gap_for_nothing = !restored; assert(!gap_for_nothing);
             s_seq = i - 1; s_hist = PREFIX(in.h, i - 1); useless = 0
          :: else
          fi;
          do
          :: i > in.b -> break
          /* begins after a gap: not kept, asked for @ server/ingest/batch.py:_sort */
          :: i <= in.b && i > s_seq + 1 -> break
          :: i <= in.b && i <= s_seq + 1 ->
             if
             /* the chain is another: kept, not posted, alarm @ server/ingest/forks.py:keep */
             :: branch || (i <= s_seq && PREFIX(s_hist, i) != PREFIX(in.h, i)) || OTHER_CHAIN ->
#ifndef NO_FORK
                alarm = true;
#endif
                branch = true
             :: else ->
                if
                /* new: raw record, posting and request in one transaction @ server/ingest/flush.py:write */
                :: i == s_seq + 1 ->
#ifndef NOTHING_TAKEN
                   old_epoch_taken = in.e != s_epoch;
                   assert(!old_epoch_taken);
                   take(i);
                   s_seq = i; s_hist = PREFIX(in.h, i);
                   useless = 0
#else
                   break
#endif
                /* a duplicate @ server/ingest/batch.py:_known_hashes */
                :: i <= s_seq ->
#ifdef NO_DEDUP
                   take(i)
#else
                   skip
#endif
                fi
             fi;
             i++
          od;
          /* sealed and sent after the commit @ server/ingest/dispatch.py:seal */
#ifndef NO_ACK
          fill(out, ACK, in.n, in.e, s_seq, 0, PREFIX(s_hist, s_seq))
#else
          skip
#endif
       fi;
       if
       :: fresh -> clear(up);
          if
          :: wait != 0 && out.kind != 0 -> copy(down, out)
          :: else
          fi
       /* the answer to what came late: nobody waits for it, unless it comes in another's place */
       :: !fresh && late_down.kind == 0 && out.kind != 0 -> clear(late_up); copy(late_down, out)
       :: !fresh -> clear(late_up)
       fi;
       forget();
       clear(in); clear(out); i = 0; k = 0; fresh = false; dead = false; branch = false }
  od
}

active proctype centre() {
  do
  /* two officers: one proposes @ server/office/epochs.py:propose */
  :: atomic { asked && s_epoch == 1 && state == STOPPED && (approval == 0 || (approval == PROPOSED && approval_seq != s_seq)) ->
       approval = PROPOSED; approval_seq = s_seq; useless = 0 }
  /* the other approves @ server/office/epochs.py:approve */
  :: atomic { approval == PROPOSED && approval_seq == s_seq && s_epoch == 1 -> approval = APPROVED; useless = 0 }
  /* somebody thinks better of it @ server/office/epochs.py:withdraw */
  :: atomic { (approval == PROPOSED || approval == APPROVED) && withdrawals < WITHDRAWALS ->
       withdrawals++; approval = 0; approval_seq = 0; useless = 0 }
  /* a backup is taken */
  :: atomic { !have_backup && restores < RESTORES ->
       have_backup = true; b_seq = s_seq; b_hist = s_hist; b_nonce = s_nonce; b_epoch = s_epoch; b_posted1 = posted1; b_posted2 = posted2;
       b_gap = gap; b_seen = seen; b_approval = approval; b_approval_seq = approval_seq }
  /* and the database restored from it @ server/store/restore.py:mark */
  :: atomic { have_backup && (s_seq != b_seq || s_epoch != b_epoch || approval != b_approval) ->
       restores++; restored = true; just_restored = true; due = true; useless = 0;
       s_seq = b_seq; s_hist = b_hist; s_epoch = b_epoch; posted1 = b_posted1; posted2 = b_posted2; gap = b_gap; seen = b_seen;
       approval = b_approval; approval_seq = b_approval_seq;
#ifdef OLD_SESSION_RESTORED
       s_nonce = b_nonce;
#else
       s_nonce = 0;
#endif
       have_backup = false;
       b_seq = 0; b_hist = 0; b_nonce = 0; b_epoch = 0; b_posted1 = 0; b_posted2 = 0; b_gap = 0; b_seen = 0; b_approval = 0; b_approval_seq = 0 }
  od
}

/* When nothing can happen any more, all records are written, acknowledged, on file, and posted or in suspense. */
active proctype quiet() {
  atomic { timeout ->
    k = (epoch == 2 -> base : head);
    fork_unflagged = branched && epoch == 1 && !alarm && s_hist != hist;
    assert(!fork_unflagged);
    not_settled = !(alarm && branched && epoch == 1) && !(state == UP && head == LAST && shown == head && acked == head
      && s_epoch == epoch && s_seq == head && s_hist == hist
      && ((posted1 | gap) & UPTO(k)) == UPTO(k) && ((posted2 | UPTO(k)) & UPTO(head)) == UPTO(head));
    assert(!not_settled) }
}
