/* One payment at the acquirer: a terminal's records, the server's outbox and worker, the acquirer's host, a restore from a backup, a void
 * (design §4). settlement.pml shows that records arrive once, and again only after a restore; docs/simulation.md says what joins the two.
 * Searched exhaustively by tests/model/test_settlement_model.py within the bounds below.
 *
 * Every action carries an at sign and the function, with its file, that it stands for; the test checks that each exists.
 *
 * Bounds: record 1 is an approved payment, record 2 a void of it, written at any time or never; VOIDS 0 or 1; DEATHS of the server (what
 * was claimed and is not settled is forgotten, what is on the wire is not); RESTORES from a backup taken at any time; FAULTS on the wire
 * to the host (a request or an answer lost; a request delayed past the next; an answer that a process holds for longer than its lease); LATE HELLOs of before, each at any later time. Nothing else is bounded: a
 * request that is not answered is asked again.
 *
 * The host remembers references. It takes *new* at its word: a second request as new is charged again. One that a repeat has overtaken
 * is answered 94. A reversal of what it does not know is answered 25 and not remembered.
 *
 * With REFUNDS the centre gives the payment back too, at any time; what a backup has of it may be forgotten, and the host is asked about what it
 * had captured. Then the host remembers a reversal of what it does not know (25), and answers the clearing of what is reversed with 12, as
 * docs/restore.md wants it agreed; and the database is restored only once the host holds no request of before, as it says too.
 *
 * With REFUSALS the host refuses to judge a reversal (12, 30, 63), and has not acted on that request. Refused at once it has come to nothing; refused as
 * a repeat it is a person's, who is told by the acquirer what is true: once more, it is reversed, or it is not, which is believed only once the host
 * holds no request any more.
 *
 * A terminal that was told so writes it down. After a restore that has forgotten it the reversal waits for that word, and is not sent.
 *
 * Left out: authorisation of a provisional payment before its clearing, answers of another amount, lost card data, a fork.
 *
 * Variants that must fail, each with the assertion that breaks, stand in the test.
 */

#ifndef VOIDS
#define VOIDS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef RESTORES
#define RESTORES 2
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#ifndef LATE
#define LATE 1
#endif
#ifndef REFUNDS
#define REFUNDS 0
#endif

#ifndef REFUSALS
#define REFUSALS 0
#endif

mtype = { CLEAR, REVERSE };
/* states of an outbox row */
#define NONE 0
#define NEW 1
#define DOUBTFUL 2
#define DONE 3
#define HELD 4
#define STANDS 5  /* a reversal that has come to nothing: the driver is told so */
#define ASK 6     /* one that was refused as a repeat */
#define UNKNOWN 4 /* a sequence that no terminal reaches */

/* terminal */
byte head = 0;              /* 1: paid, 2: void asked, 3: void refused, as it was told */
byte old_head = 0;          /* what a HELLO says that is late */
bool old_hello = false;
/* server: committed */
byte s_seq = 0; byte clear_row = NONE; byte reverse_row = NONE;
byte doubtful = 0;          /* up to here a record may have been reported before the restore */
byte claimed = 0;           /* head that the session's HELLO named */
bool session = false;       /* there is one, and it is the terminal's own */
bool window = false;        /* less than WINDOW since the restore */
byte refunds = 0;           /* how often the centre gave it back */
bool inquiry = false;       /* the clearing is asked about although it was answered before the backup */
/* backup */
bool have_backup = false; byte b_seq = 0; byte b_clear = NONE; byte b_reverse = NONE; byte b_doubtful = 0; bool b_inquiry = false;
byte restores = 0; byte deaths = 0; byte faults = 0; byte late = 0;
/* worker: what was claimed and is being asked */
mtype asking = 0; bool as_repeat = false; bool sent = false;
/* wire to the host: a request, and one that is delayed; the answers */
mtype request = 0; bool repeat = false; mtype late_request = 0; bool late_repeat = false;
mtype answer = 0; byte code = 0; mtype late_answer = 0; byte late_code = 0;
bool again = false; bool late_again = false; /* whether it answers a repeat */
bool late_counts = false;   /* nobody has claimed the row since */
/* host */
byte captured = 0; bool reversed = false; bool new_clear = false; bool turned_back = false;
/* what must never be */
bool sent_as_new_twice = false; bool captured_twice = false; bool paid_after_void = false; bool not_settled = false; bool forgotten = false;
bool spoke = false;          /* it has named its head when no HELLO of before could come any more */
bool told_stands = false; bool reversed_unseen = false; byte refusals = 0;
byte news = 0;              /* bit 1: the clearing was sent as new, bit 2: the reversal was */

hidden mtype what; hidden byte rep; hidden byte said; hidden byte fresh;

#define PAID (captured > 0 && !reversed)
#ifdef RESTORED_AT_ONCE
#define QUIET_WIRE true
#else
#define QUIET_WIRE ((REFUNDS == 0 && REFUSALS == 0) || (request == 0 && late_request == 0))
#endif
#ifdef BELIEVED_AT_ONCE
#define HOST_HOLDS_NOTHING true
#else
#define HOST_HOLDS_NOTHING (request == 0 && late_request == 0)
#endif
#define OF(step) (step == CLEAR -> clear_row : reverse_row)

inline set(step, value) { if :: step == CLEAR -> clear_row = value :: else -> reverse_row = value fi }
#ifdef OUT_OF_TURN
#define IN_TURN true
#else
#define IN_TURN (clear_row != DOUBTFUL)
#endif
#ifdef WORD_NOT_AWAITED
#define HEARD true
#else
#define HEARD (s_seq < 2 || s_seq >= doubtful || spoke)
#endif
#ifdef FORGOTTEN
#define DUE(row) (row == NEW)
#else
#define DUE(row) (row == NEW || row == DOUBTFUL)
#endif
#ifdef SEND_BEFORE_COMMIT
#define OPEN(row) (row == NEW || row == DOUBTFUL)
#else
#define OPEN(row) (row == DOUBTFUL)
#endif
#ifdef RESTORED_AS_NEW
#define FRESH NEW
#else
#define FRESH (1 <= doubtful -> DOUBTFUL : NEW)
#endif

/* the driver is told that the payment stands, its clearing goes out @ server/acquirer/settling.py:stands */
inline stands() {
  reverse_row = STANDS; told_stands = true;
  if :: clear_row == HELD -> clear_row = FRESH :: else fi
}

/* what was not sent is not sent any more, what may have been is reversed @ server/ingest/voiding.py:reverse */
inline hold_back() {
  if :: clear_row == NEW -> clear_row = HELD :: else fi;
  reverse_row = FRESH
}

active proctype terminal() {
  do
  /* a payment that the card approved, its void by two officers @ terminal/journal/journal.py:append */
  :: atomic { head == 0 -> head = 1 }
  :: atomic { head == 1 && VOIDS > 0 -> head = 2 }
  /* it hears that the void is refused, and writes that down @ server/acquirer/voids.py:pending */
  :: atomic { head == 2 && s_seq == 2 && reverse_row == STANDS -> head = 3 }
  /* a HELLO is sent that comes later @ terminal/session.py:hello */
  :: atomic { late < LATE && !old_hello -> late++; old_hello = true; old_head = head }
  od
}

/* which records may have been reported before the restore @ server/store/restore.py:heard */
inline heard(h) {
#ifdef ANY_HELLO_SETTLES
  if
  :: doubtful == UNKNOWN -> doubtful = h
  :: doubtful != UNKNOWN && doubtful > 0 && window && h > doubtful -> doubtful = h
  :: else
  fi
#else
  if
  :: doubtful != UNKNOWN && restores > 0 && window && h > doubtful -> doubtful = h
  :: else
  fi
#endif
}

active proctype server() {
  do
  /* HELLO of the terminal, when it has something or the server may miss something @ server/ingest/hello.py:hello */
  :: atomic { !session && s_seq < head -> session = true; claimed = head; heard(head) }
  /* one that was late @ server/ingest/sessions.py:begin */
  :: atomic { old_hello && (window || restores == 0) -> old_hello = false; heard(old_head); old_head = 0; session = false; claimed = 0 }
  /* a batch of that session, one record or both: raw record and request in one transaction @ server/ingest/work.py:_request */
  :: atomic { session && s_seq < head ->
#ifndef ANY_HELLO_SETTLES
       /* @ server/store/restore.py:settle */
       if :: doubtful == UNKNOWN -> doubtful = claimed :: else fi;
#endif
       said = s_seq;
       if :: said = head :: said + 1 < head -> said = said + 1 fi;
       if :: s_seq == 0 -> clear_row = FRESH :: else fi;
       if
       :: said == 2 && s_seq < 2 && reverse_row == NONE -> hold_back()
#ifdef WORD_UNHEARD
       :: said == 3 && s_seq < 2 && reverse_row == NONE -> hold_back()
#else
       /* the terminal's word of before the restore: refused @ server/acquirer/word.py:refused */
       :: said == 3 && s_seq < 2 && reverse_row == NONE -> reverse_row = STANDS
       :: said == 3 && (reverse_row == NEW || reverse_row == DOUBTFUL) && REFUNDS == 0 -> stands()
#endif
       /* what the centre gives back already is not had twice @ server/ingest/voiding.py:_voided */
       :: else
       fi;
       s_seq = said; said = 0; session = false; claimed = 0 }
  /* it has nothing to send, and says so; only then is its word not waited for any more @ server/acquirer/word.py:awaited */
  :: atomic { doubtful == UNKNOWN && !window && s_seq == head && !spoke -> spoke = true }
  /* two officers of the back office give the payment back @ server/acquirer/outbox.py:request_reversal */
  :: atomic { refunds < REFUNDS && s_seq > 0 && reverse_row == NONE -> refunds++;
       if :: clear_row == NEW -> clear_row = HELD :: else fi;
       reverse_row = FRESH }
  /* a row that is due: doubtful from here on, committed before the first byte; a reversal waits while the clearing is in doubt
     @ server/acquirer/outbox.py:claim */
  :: atomic { asking == 0 && DUE(clear_row) ->
       asking = CLEAR; as_repeat = clear_row == DOUBTFUL; late_counts = false;
#ifdef AGAIN_AS_NEW
       as_repeat = false;
#endif
#ifndef SEND_BEFORE_COMMIT
       clear_row = DOUBTFUL
#endif
     }
  :: atomic { asking == 0 && DUE(reverse_row) && IN_TURN && HEARD -> asking = REVERSE; as_repeat = reverse_row == DOUBTFUL; late_counts = false;
#ifdef AGAIN_AS_NEW
       as_repeat = false;
#endif
#ifndef SEND_BEFORE_COMMIT
       reverse_row = DOUBTFUL
#endif
     }
  /* the request goes out @ server/acquirer/link.py:exchange */
  :: atomic { asking != 0 && !sent && request == 0 ->
       sent = true; request = asking; repeat = as_repeat;
       if
       :: !as_repeat ->
          said = (asking == CLEAR -> 1 : 2);
          sent_as_new_twice = (news & said) != 0; news = news | said
       :: else
       fi;
       said = 0;
#ifndef ANYBODY_COUNTS
       assert(!sent_as_new_twice)
#endif
     }
  /* the answer, or one that another process held for longer than its lease; what is settled is left alone
     @ server/acquirer/settling.py:settle */
  :: atomic { answer != 0 || late_answer != 0 ->
       if
       :: answer != 0 -> what = answer; said = code; rep = again; answer = 0; code = 0; again = false; asking = 0; as_repeat = false; sent = false
       :: late_answer != 0 -> what = late_answer; said = (late_code == 30 && !late_counts -> 94 : late_code); rep = late_again;
          late_answer = 0; late_code = 0; late_again = false; late_counts = false
       fi;
       if
       :: said == 94 || !OPEN(OF(what)) -> skip
       :: else ->
          if
          /* refused: as a repeat it proves nothing @ server/acquirer/settling.py:_failed */
#ifndef REFUSAL_ENDS
          :: said == 30 && rep -> reverse_row = ASK
          :: said == 30 && !rep -> stands()
#else
          :: said == 30 -> stands()
#endif
          :: what == CLEAR && said == 0 -> clear_row = DONE; inquiry = false
          /* it was given back, and the backup has forgotten it: the books follow @ server/acquirer/returned.py:tells */
          :: what == CLEAR && said == 12 && (reverse_row == NONE || reverse_row == STANDS) ->
             forgotten = !inquiry && doubtful == 0; assert(!forgotten);
#ifdef NOT_FOLLOWED
             clear_row = DONE;
#else
             clear_row = HELD; reverse_row = DONE;
#endif
             inquiry = false
          /* nothing is to be captured any more @ server/acquirer/settling.py:_ends */
          :: what == CLEAR && said == 12 && reverse_row != NONE && reverse_row != STANDS -> clear_row = HELD; inquiry = false
          /* what the host does not know is as good as reversed @ server/acquirer/settling.py:is_reversed */
          :: what == REVERSE && said != 30 -> reverse_row = DONE; paid_after_void = PAID; assert(!paid_after_void)
          fi
       fi;
       what = 0; said = 0; rep = 0 }
  /* once more, as a repeat @ server/office/failures.py:again */
  :: atomic { reverse_row == ASK && refusals < REFUSALS -> reverse_row = DOUBTFUL }
  /* it is reversed, says the acquirer, and comes upon no request any more that it would accept @ server/office/failures.py:confirm_reversed */
  :: atomic { reverse_row == ASK && (reversed || (captured == 0 && turned_back && HOST_HOLDS_NOTHING)) ->
       reverse_row = DONE; paid_after_void = PAID; assert(!paid_after_void) }
  /* it is not, and no earlier request can be carried out any more @ server/office/failures.py:_not_reversed */
  :: atomic { reverse_row == ASK && !reversed && !turned_back && HOST_HOLDS_NOTHING -> stands() }
  /* no answer comes: it stays doubtful @ server/acquirer/outbox.py:postpone */
  :: atomic { asking != 0 && sent && request == 0 && answer == 0 ->
#ifdef SEND_BEFORE_COMMIT
       set(asking, DOUBTFUL);
#endif
       asking = 0; as_repeat = false; sent = false }
  /* the server dies: what it was asking stays doubtful @ server/acquirer/worker.py:step */
  :: atomic { deaths < DEATHS && (asking != 0 || session) -> deaths++; asking = 0; as_repeat = false; sent = false; session = false; claimed = 0; answer = 0; code = 0; again = false }
  od
}

active proctype wire() {
  do
  /* lost, or delayed past the next @ server/acquirer/link.py:_exchange */
  :: atomic { faults < FAULTS && request != 0 -> faults++;
       if
       :: request = 0; repeat = false
       :: late_request == 0 -> late_request = request; late_repeat = repeat; request = 0; repeat = false
       fi }
  :: atomic { faults < FAULTS && answer != 0 -> faults++;
       if
       :: true
       :: late_answer == 0 -> late_answer = answer; late_code = code; late_again = again; late_counts = REFUSALS > 0
       fi;
       answer = 0; code = 0; again = false }
  od
}

active proctype host() {
  do
  /* @ sim/acquirer/book.py:answer */
  :: atomic { (request != 0 && answer == 0) || late_request != 0 ->
       if
       :: request != 0 && answer == 0 -> what = request; rep = repeat; request = 0; repeat = false; fresh = true
       :: late_request != 0 -> what = late_request; rep = late_repeat; late_request = 0; late_repeat = false; fresh = false
       fi;
       if
       :: what == CLEAR && !rep && new_clear -> captured++; captured_twice = true; said = 0  /* charged again */
       :: what == CLEAR && !rep && !new_clear && captured > 0 -> said = 94                   /* overtaken by its repeat */
       :: what == CLEAR && rep && captured > 0 -> said = (REFUNDS > 0 && reversed -> 12 : 0)
       :: what == CLEAR && (rep || !new_clear) && captured == 0 && turned_back -> said = 12
       :: what == CLEAR && (rep || !new_clear) && captured == 0 && !turned_back -> captured = 1; said = 0
       :: what == REVERSE && refusals < REFUSALS -> refusals++; said = 30
       :: what == REVERSE && captured == 0 -> said = 25; turned_back = REFUNDS > 0
       :: what == REVERSE && captured > 0 -> reversed = true; said = 0
       fi;
       if :: what == CLEAR && !rep -> new_clear = true :: else fi;
       assert(!captured_twice);
       reversed_unseen = (restores == 0 && told_stands || head == 3 && REFUNDS == 0) && reversed;
       assert(!reversed_unseen);
       paid_after_void = reverse_row == DONE && PAID;
       assert(!paid_after_void);
       if
       :: fresh && asking != 0 && sent -> answer = what; code = said; again = (REFUSALS > 0 && rep)
       :: else
       fi;
       what = 0; rep = 0; said = 0; fresh = 0 }
  od
}

active proctype centre() {
  do
  :: atomic { !have_backup && restores < RESTORES ->
       have_backup = true; b_seq = s_seq; b_clear = clear_row; b_reverse = reverse_row; b_doubtful = doubtful; b_inquiry = inquiry }
  /* the database restored: nothing is sent as new that a terminal may have reported before @ server/store/restore.py:mark */
  :: atomic { have_backup && QUIET_WIRE && (s_seq != b_seq || clear_row != b_clear || reverse_row != b_reverse || inquiry != b_inquiry) ->
       restores++; have_backup = false; session = false; spoke = false; claimed = 0; window = true;
       s_seq = b_seq; clear_row = b_clear; reverse_row = b_reverse; doubtful = UNKNOWN;
#ifndef RESTORED_AS_NEW
       if :: clear_row == NEW -> clear_row = DOUBTFUL :: else fi;
       if :: reverse_row == NEW -> reverse_row = DOUBTFUL :: else fi;
#endif
       inquiry = b_inquiry;
#ifndef NOT_ASKED
       /* what it had captured it is asked about, unless it is being given back @ server/store/restore.py:_inquire */
       if :: REFUNDS > 0 && clear_row == DONE && reverse_row == NONE -> clear_row = DOUBTFUL; inquiry = true :: else fi;
#endif
       asking = 0; as_repeat = false; sent = false; answer = 0; code = 0; again = false; late_answer = 0; late_code = 0; late_again = false; late_counts = false;
       /* what was refused is asked again, unless a driver was told @ server/store/restore.py:_ask_failed */
       if :: reverse_row == ASK -> reverse_row = DOUBTFUL :: else fi;
       b_seq = 0; b_clear = NONE; b_reverse = NONE; b_doubtful = 0; b_inquiry = false }
  /* an hour later */
  :: atomic { window && !old_hello -> window = false }
  od
}

/* When nothing can happen any more: a payment is captured once if it stands, and not if it was taken back; a void has come to its end, and the books
 * have as given back what the host has. */
active proctype quiet() {
  atomic { timeout ->
    not_settled = !(s_seq == head && head > 0 && captured <= 1 && (reverse_row == DONE -> !PAID : PAID) && (head >= 2 -> (reverse_row == DONE || reverse_row == STANDS) : 1)
      && (REFUNDS > 0 || (reverse_row == DONE -> head == 2 : 1))
      && clear_row != NEW && clear_row != DOUBTFUL && reverse_row != NEW && reverse_row != DOUBTFUL && reverse_row != ASK);
    assert(!not_settled) }
}
