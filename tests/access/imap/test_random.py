"""Whatever a client says: no error of ours, no lost tag, and a session that goes on or ends with BYE."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from mpcontinuity.model.flags import DELETED, SEEN
from tests.access.imap.test_dialogues import MIME
from tests.access.imap.world import World, capture
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store

NUMBERS = st.sampled_from(["1", "2", "1:*", "*", "3:1", "2,4:9", "4294967295", "0", "5"])
NAMES = st.sampled_from(
    ["INBOX", "Archive", "Trash", "New/x", "Nowhere", '"a b"', "&AOk-", "inbox/y", "a//b", "%", '""']
)
ITEMS = st.sampled_from(
    ["FLAGS", "ALL", "FULL", "(UID ENVELOPE BODY)", "BODY[]", "BODY.PEEK[1]<0.3>", "BODY[2.MIME]", "BODY[HEADER]"]
) | st.sampled_from(
    ["RFC822.SIZE", "(BODY[HEADER.FIELDS (From)] INTERNALDATE)", "BODY[9.TEXT]", "BODY[TEXT]<99.9>", "BODYSTRUCTURE"]
)
FLAGS = st.sampled_from([r"(\Seen)", r"(\Deleted)", "()", "$k", r"(\Flagged $a $b)", r"(\Nonsense)"])
HOW = st.sampled_from(["FLAGS", "+FLAGS", "-FLAGS", "FLAGS.SILENT", "+FLAGS.SILENT"])
KEYS = st.sampled_from(
    ["ALL", "UNSEEN", "DELETED", "TEXT hello", "FROM x", "NOT 1", "OR 2 SEEN", "UID 1:3", "LARGER 50", "KEYWORD $a"]
) | st.sampled_from(
    ["SINCE 1-Jan-2020", "SENTBEFORE 1-Jan-2030", "HEADER Subject hi", 'BODY "PART"', "(SEEN DRAFT)", "9"]
)
UID = st.sampled_from(["", "UID "])
COMMANDS = st.one_of(
    st.builds("SELECT {}".format, NAMES),
    st.builds("EXAMINE {}".format, NAMES),
    st.builds("CREATE {}".format, NAMES),
    st.builds("DELETE {}".format, NAMES),
    st.builds("RENAME {} {}".format, NAMES, NAMES),
    st.builds("STATUS {} (MESSAGES UNSEEN SIZE)".format, NAMES),
    st.builds("LIST {} {}".format, NAMES, NAMES),
    st.builds('LIST (SUBSCRIBED RECURSIVEMATCH) "" {} RETURN (STATUS (UIDNEXT))'.format, NAMES),
    st.builds("SUBSCRIBE {}".format, NAMES),
    st.builds("{}FETCH {} {}".format, UID, NUMBERS, ITEMS),
    st.builds("{}STORE {} {} {}".format, UID, NUMBERS, HOW, FLAGS),
    st.builds("{}COPY {} {}".format, UID, NUMBERS, NAMES),
    st.builds("{}MOVE {} {}".format, UID, NUMBERS, NAMES),
    st.builds("{}SEARCH {}".format, UID, KEYS),
    st.builds("SEARCH RETURN (COUNT ALL) {}".format, KEYS),
    st.builds("UID EXPUNGE {}".format, NUMBERS),
    st.builds("APPEND {} {} {{5+}}\r\nhello".format, NAMES, FLAGS),
    st.builds("APPEND {} {{3}}\r\nx=1".format, NAMES),
    st.sampled_from(["EXPUNGE", "NOOP", "CLOSE", "UNSELECT", "CHECK", "IDLE\r\nDONE", 'LSUB "" %', "CAPABILITY"]),
    st.text(max_size=20),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1), COMMANDS), max_size=25))
def test_two_sessions_say_what_comes_to_mind(script: list[tuple[int, str]]) -> None:
    with TemporaryDirectory() as folder, capture() as events:
        clock = ManualClock()
        world = World(open_memory_like_store(Path(folder), clock=clock), clock)
        for flags in (0, SEEN, DELETED):
            world.deliver(MIME, flags=flags)
        world.deliver()
        clients = [world.logged_in("INBOX"), world.logged_in("INBOX")]
        known = [4, 4]
        for number, (who, line) in enumerate(script):
            client = clients[who]
            if client.closed:
                continue
            client.send(b"t%d " % number + line.encode() + b"\r\n")
            answer = client.take()
            assert b"\r\nt%d " % number in b"\r\n" + answer or b"* BYE" in answer or b"* BAD" in answer, (line, answer)
            assert b"SERVERBUG" not in answer, (line, answer)
            known[who] = replay(answer, known[who])
        for who, client in enumerate(clients):
            if not client.closed:
                answer = client.ask("end NOOP")
                count = replay(answer, known[who])
                status = client.ask("last FETCH 1:* UID").count(b" FETCH (UID")
                assert status == count or b"select a mailbox" in client.ask("more CHECK")
        world.store.close()
    # What earlier tests left unended is closed by the collector at any time, and says this.
    assert not [
        event
        for event in events
        if "failed" in str(event.get("log_format"))
        and "coroutine already executing" not in str(event.get("log_failure"))
    ]


def replay(answer: bytes, known: int) -> int:
    """The number of messages that a client which believes the untagged responses counts."""
    for line in answer.split(b"\r\n"):
        words = line.split(b" ")
        if words[-1:] == [b"EXISTS"] and words[0] == b"*":
            known = int(words[1])
        elif words[-1:] == [b"EXPUNGE"] and words[0] == b"*" and len(words) == 3:
            assert 1 <= int(words[1]) <= known, answer
            known -= 1
    return known
