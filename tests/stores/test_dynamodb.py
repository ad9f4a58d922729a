"""DynamoDB alone: throttling, timeouts, partial writes, lost races, stale and half-seen reads, all injected."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from burgee.errors import Conflict, Corrupt, NotFound, StoreError, StoreUnavailable
from burgee.serving.serving import Serving
from burgee.stores import Change, Origin, Pointer, Put, Shelf, State
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.dynamodb_writes import CHUNK_BYTES
from support.dynamodb import CREDENTIALS
from support.stores import entry, override, released, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.time.sleep", lambda _seconds: None, raising=False)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDbStore]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        store = DynamoDbStore("burgee")
        store.create_table()
        yield store
        store.close()


def before(store: DynamoDbStore, operation: str, fault: Callable[[Any], Any]) -> list[Any]:
    """Puts `fault` before each sending of an operation; the requests that it saw."""
    seen: list[Any] = []

    def handle(request: Any, **_more: Any) -> Any:
        seen.append(request)
        return fault(request)

    store.client.meta.events.register_first(f"before-send.dynamodb.{operation}", handle)
    return seen


def answer(status: int, body: Any) -> AWSResponse:
    """A response that never saw the network."""

    class Raw:
        def stream(self, **_more: Any) -> Iterator[bytes]:
            yield json.dumps(body).encode()

    headers = HTTPHeaders.from_dict({"content-type": "application/x-amz-json-1.0"})
    return AWSResponse("https://dynamodb", status, headers, Raw())


def refusal(code: str, **more: Any) -> AWSResponse:
    status = 500 if "Serv" in code else 400
    return answer(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "injected", **more})


BUSY = ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError", "ServiceUnavailable"]


@pytest.mark.parametrize("code", BUSY)
def test_a_busy_table_is_tried_again(store: DynamoDbStore, code: str) -> None:
    released(store)
    faults = [refusal(code)] * 2
    seen = before(store, "GetItem", lambda _: faults.pop() if faults else None)
    assert store.pointer().version == 1
    assert len(seen) == 3


@pytest.mark.parametrize("code", [*BUSY, "AccessDeniedException", "ResourceNotFoundException"])
@pytest.mark.parametrize("call", ["pointer", "state", "releases", "audit"])
def test_a_table_that_does_not_answer_is_unavailable(store: DynamoDbStore, code: str, call: str) -> None:
    released(store)
    for operation in ("GetItem", "Query"):
        before(store, operation, lambda _: refusal(code))
    with pytest.raises(StoreUnavailable, match=code):
        getattr(store, call)()


def test_a_table_that_says_nothing_is_unavailable_after_three_tries(store: DynamoDbStore) -> None:
    def silent(request: Any) -> Any:
        raise ReadTimeoutError(endpoint_url=request.url)

    seen = before(store, "GetItem", silent)
    with pytest.raises(StoreUnavailable, match=r"[Tt]imeout"):
        store.pointer()
    assert len(seen) == 3


def test_an_endpoint_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = DynamoDbStore("burgee", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable):
        store.pointer()
    store.close()


def big() -> bytes:
    return b"".join(sha256(str(number).encode()).digest() for number in range(60_000))


@pytest.mark.parametrize("write", range(7))
def test_a_writer_that_dies_between_two_writes_leaves_the_old_release(store: DynamoDbStore, write: int) -> None:
    """Chunks, the record: whichever write is the last, nobody sees the new release."""
    released(store, b"old")
    assert len(big()) > 5 * CHUNK_BYTES
    left = [write]

    def die(_request: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return None

    before(store, "PutItem", die)
    with pytest.raises(KeyboardInterrupt):
        staged(store, big())
    assert store.payload(store.pointer().version) == b"old"
    assert store.pointer().version == 1


def test_a_version_that_another_writer_took_is_not_overwritten(store: DynamoDbStore) -> None:
    other = DynamoDbStore("burgee")
    raced = [False]

    def race(request: Any) -> Any:
        if b"RELEASES" in request.body and not raced[0]:
            raced[0] = True
            staged(other, b"theirs")
        return None

    before(store, "PutItem", race)
    mine = staged(store, b"mine")
    assert mine.version == 2
    assert (store.payload(1), store.payload(2)) == (b"theirs", b"mine")
    other.close()


def test_a_commit_that_lost_the_race_at_the_last_moment_is_a_conflict(store: DynamoDbStore) -> None:
    released(store)
    other = DynamoDbStore("burgee")
    raced = [False]

    def race(_request: Any) -> Any:
        if not raced[0]:
            raced[0] = True
            other.commit(Change(lay=[override("theirs")]), expected=1)
        return None

    before(store, "TransactWriteItems", race)
    with pytest.raises(Conflict):
        store.commit(Change(lay=[override("mine")], audit=[entry(1)]), expected=1)
    assert set(store.state().overrides) == {"theirs"}
    assert list(store.audit()) == []
    other.close()


def test_two_transactions_that_meet_are_a_conflict(store: DynamoDbStore) -> None:
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]

    cancelled = "TransactionCanceledException"
    before(store, "TransactWriteItems", lambda _: refusal(cancelled, CancellationReasons=reasons))
    with pytest.raises(Conflict):
        store.commit(Change(lay=[override("a")]), expected=0)


def test_a_release_collected_just_before_its_activation_is_not_found(store: DynamoDbStore) -> None:
    staged(store)
    raced = [False]

    def race(_request: Any) -> Any:
        if not raced[0]:
            raced[0] = True
            store.client.delete_item(**store._items.keyspace.key("RELEASES", f"{1:012}"))
        return None

    before(store, "TransactWriteItems", race)
    with pytest.raises(NotFound):
        store.commit(Change(activate=1), expected=0)
    assert store.state() == State()


def test_collecting_never_takes_a_release_that_has_just_become_current(store: DynamoDbStore) -> None:
    for number in range(3):
        staged(store, b"%d" % number)
    store.commit(Change(), expected=0)
    other = DynamoDbStore("burgee")
    raced = [False]

    def activate(_request: Any) -> Any:
        if not raced[0]:
            raced[0] = True
            other.commit(Change(activate=2), expected=1)
        return None

    before(store, "TransactWriteItems", activate)
    assert store.collect(keep=1) == 1
    assert store.payload(store.pointer().version) == b"1"
    other.close()


def test_a_chunk_that_lags_is_read_again_strongly(store: DynamoDbStore) -> None:
    released(store, b"payload")

    def lag(request: Any) -> Any:
        body = json.loads(request.body)
        return answer(200, {}) if body["Key"]["sk"] == {"S": "CHUNK"} and not body["ConsistentRead"] else None

    before(store, "GetItem", lag)
    assert store.payload(1) == b"payload"


def test_a_chunk_that_is_gone_or_damaged_is_corrupt(store: DynamoDbStore) -> None:
    released(store, b"payload")
    (chunk,) = [item for item in store.client.scan(TableName="burgee")["Items"] if item["sk"]["S"] == "CHUNK"]
    for data in (b"", b"garbage", chunk["data"]["B"][:-3]):
        store.client.put_item(TableName="burgee", Item={**chunk, "data": {"B": data}})
        with pytest.raises(Corrupt):
            store.payload(1)
    store.client.delete_item(TableName="burgee", Key={"pk": chunk["pk"], "sk": chunk["sk"]})
    with pytest.raises(Corrupt, match="missing"):
        store.payload(1)


def half_seen(store: DynamoDbStore, times: int, drop: str) -> None:
    """Lets the first queries see a transaction without one of its items, as read-committed isolation may."""
    left = [times]

    def hide(parsed: dict[str, Any], **_more: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            parsed["Items"] = [item for item in parsed["Items"] if item["sk"]["S"] != drop]

    store.client.meta.events.register("after-call.dynamodb.Query", hide)


@pytest.mark.parametrize("drop", ["POINTER", "COMMIT", "OVERRIDE#a"])
def test_a_half_seen_commit_is_read_again(store: DynamoDbStore, drop: str) -> None:
    released(store)
    store.commit(Change(lay=[override("a", status=True)]), expected=1)
    half_seen(store, 3, drop)
    assert set(store.state().overrides) == {"a"}


def test_a_commit_that_never_becomes_whole_is_unavailable(store: DynamoDbStore) -> None:
    store.commit(Change(lay=[override("a")]), expected=0)
    half_seen(store, 99, "OVERRIDE#a")
    with pytest.raises(StoreUnavailable, match="try again"):
        store.state()


def test_a_lifted_override_seen_late_is_read_again(store: DynamoDbStore) -> None:
    store.commit(Change(lay=[override("a")]), expected=0)
    items = store.client.query(
        TableName="burgee",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "default#default#STATE"}},
    )["Items"]
    (old,) = [item for item in items if item["sk"]["S"] == "OVERRIDE#a"]
    store.commit(Change(lift=["a"]), expected=1)
    left = [2]

    def late(parsed: dict[str, Any], **_more: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            parsed["Items"] = [old if item["sk"]["S"] == "OVERRIDE#a" else item for item in parsed["Items"]]

    store.client.meta.events.register("after-call.dynamodb.Query", late)
    assert store.state().overrides == {}
    assert left == [0]


def test_a_swept_tombstone_changes_nothing(store: DynamoDbStore) -> None:
    store.commit(Change(lay=[override("a")]), expected=0)
    store.commit(Change(lift=["a"]), expected=1)
    store.client.delete_item(**store._items.keyspace.key("STATE", "OVERRIDE#a"))
    assert store.state() == State(Pointer(0, "", 2))


def test_order_comes_from_counters_and_not_from_clocks(store: DynamoDbStore) -> None:
    """A writer whose clock is a year behind still makes the newest release."""
    store.stage(b"first", Origin(), flags=1, at="2027-01-01T00:00:00Z")
    late = store.stage(b"second", Origin(), flags=1, at="2026-01-01T00:00:00Z")
    assert late.version == 2
    assert [release.version for release in store.releases()] == [2, 1]


def test_records_beyond_what_a_transaction_takes_are_refused_whole(store: DynamoDbStore) -> None:
    puts = [Put(Shelf.REQUESTS, str(number), {}) for number in range(100)]
    with pytest.raises(StoreError, match="100"):
        store.commit(Change(puts=puts), expected=0)
    assert store.state() == State()


def test_what_starts_reads_the_state_and_of_its_release_each_item_once(store: DynamoDbStore) -> None:
    released(store, b'{"format": 1, "flags": {"a": {"status": true}}}')
    gets, queries = before(store, "GetItem", lambda _: None), before(store, "Query", lambda _: None)
    assert Serving(store).ruleset().names() == ["a"]
    assert (len(gets), len(queries)) == (2, 1)


def test_polling_costs_one_eventually_consistent_read_of_a_small_item(store: DynamoDbStore) -> None:
    """Half a read unit: an eventually consistent read of at most 4 KB."""
    released(store)
    seen = before(store, "*", lambda _: None)
    store.pointer()
    (request,) = [json.loads(request.body) for request in seen]
    assert request["ConsistentRead"] is False
    item = store.client.get_item(TableName=request["TableName"], Key=request["Key"])["Item"]
    assert len(json.dumps(item)) < 4096


@pytest.mark.parametrize("left", [0, 1, 2, 4])
def test_a_writer_that_dies_after_a_large_commit_has_lost_nothing(store: DynamoDbStore, left: int) -> None:
    """The transaction is the commit; its remainder is read from the blob, and written by the next writer."""
    store.commit(Change(lay=[override(f"{n:03}", n=0) for n in range(150)]), expected=0)
    change = Change(
        lay=[override(f"{n:03}", n=1) for n in range(50)],
        lift=[f"{n:03}" for n in range(50, 150)],
        audit=[entry(n, f"{n:03}") for n in range(150)],
    )
    dying = DynamoDbStore("burgee")
    writes = [left]

    def die(_request: Any) -> Any:
        writes[0] -= 1
        if writes[0] < 0:
            raise KeyboardInterrupt
        return None

    def transacted(**_more: Any) -> None:
        before(dying, "*", die)

    dying.client.meta.events.register_last("after-call.dynamodb.TransactWriteItems", transacted)
    with suppress(KeyboardInterrupt):
        dying.commit(change, expected=1)
    dying.close()
    laid = {f"{n:03}": {"n": 1} for n in range(50)}

    def assert_done() -> None:
        state = store.state()
        assert state.pointer.revision >= 2
        assert {name: one.definition for name, one in state.overrides.items()} == laid
        assert [one.flag for one in store.audit(limit=500)][-150:] == [f"{n:03}" for n in range(149, -1, -1)]
        assert [one.flag for one in store.audit(limit=5, flag="007")] == ["007"]

    assert_done()
    store.keep([Put(Shelf.SETTINGS, "a", {})], [entry(200, "later")])
    assert_done()
    assert store.audit(limit=1)[0].flag == "later"
    store.commit(Change(lift=["000"], audit=[entry(201, "latest")]), expected=2)
    del laid["000"]
    assert_done()
    assert [one.flag for one in store.audit(limit=2)] == ["latest", "later"]
    assert "remainder" not in (store._items.get("STATE", "COMMIT", consistent=True) or {})


def test_a_slow_writer_of_a_remainder_spares_what_was_committed_since(store: DynamoDbStore) -> None:
    raced = [False]

    def race(request: Any) -> Any:
        if b"COMMIT" not in request.body and not raced[0]:  # the first write after the transaction of the commit
            raced[0] = True
            other = DynamoDbStore("burgee")
            other.commit(Change(lift=["001"], lay=[override("002", n=2)]), expected=1)
            other.close()
        return None

    before(store, "TransactWriteItems", race)
    store.commit(Change(lay=[override(f"{n:03}", n=1) for n in range(150)]), expected=0)
    assert raced == [True]
    overrides = store.state().overrides
    assert len(overrides) == 149
    assert overrides["002"].definition == {"n": 2}


def test_two_who_write_to_the_audit_log_at_once_both_do(store: DynamoDbStore) -> None:
    """One of them reads the head of the log before the other moves it."""
    raced = [3]

    def race(_request: Any) -> Any:
        if raced[0]:
            raced[0] -= 1
            other = DynamoDbStore("burgee")
            other.client.meta.events.unregister("before-send.dynamodb.TransactWriteItems", race)
            other.keep([Put(Shelf.SETTINGS, f"{raced[0]}", {})], [entry(raced[0])])
            other.close()
        return None

    store.commit(Change(audit=[entry(9)]), expected=0)
    before(store, "TransactWriteItems", race)
    store.commit(Change(audit=[entry(10)]), expected=1)
    assert [one.reason for one in store.audit()] == [entry(n).reason for n in (10, 0, 1, 2, 9)]


def test_a_large_definition_is_read_once(store: DynamoDbStore) -> None:
    definition = {"status": True, "targets": {"on": [f"user-{n}" for n in range(50_000)]}}
    store.commit(Change(lay=[override("a", **definition)]), expected=0)
    reader = DynamoDbStore("burgee")
    seen = before(reader, "GetItem", lambda _: None)
    for revision in range(1, 4):
        assert reader.state().overrides["a"].definition == definition
        store.commit(Change(lay=[override("b")]), expected=revision)
    assert len(seen) == 1
    reader.close()
