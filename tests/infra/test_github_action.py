"""The action's review, run end to end: a bare remote, pull requests as branches, GitHub's API on loopback."""

from __future__ import annotations

import pytest

from support.github import REPOSITORY, Api, run_line, run_main
from support.runner import FILE, MARKER, Repository


def test_a_pull_request_gets_one_comment_that_is_kept_up_to_date(repository: Repository, api: Api) -> None:
    head = repository.branch("raise", FILE.replace("age: 5", "age: 10"))
    repository.run = run_line
    ran = repository.review(head)
    assert (ran.code, ran.outputs) == (0, {"changes": "true"}), ran.log
    (body,) = api.bodies()
    assert body.startswith(MARKER)
    assert "| 5 % → 10 % | off → on |" in body
    assert body.removeprefix(MARKER).strip() == ran.summary.strip()

    repository.run = run_main
    head = repository.branch("raise", FILE.replace("age: 5", "age: 25"), start="raise")
    assert repository.review(head).code == 0
    (body,) = api.bodies()
    assert "| 5 % → 25 % | off → on |" in body

    writes = len(api.writes())
    assert repository.review(head).code == 0
    assert len(api.writes()) == writes, "what says the same already is not written again"

    head = repository.branch("raise", FILE, start="raise")
    ran = repository.review(head)
    assert ran.outputs == {"changes": "false"}
    (body,) = api.bodies()
    assert "Nothing about flags changes any more." in body


def test_only_what_the_branch_did_counts_not_what_main_did_since(repository: Repository, api: Api) -> None:
    head = repository.branch("other", FILE + "  shiny: {status: on}\n")
    repository.branch("main", FILE.replace("age: 5", "age: 50"))
    assert repository.review(head).code == 0
    (body,) = api.bodies()
    assert "shiny" in body
    assert "beta" not in body


def test_environments_that_change_alike_are_reported_once(repository: Repository, api: Api) -> None:
    environments = "environments: [development, staging, production]"
    repository.branch("main", FILE.replace("environments: [staging, production]", environments))
    head = repository.branch(
        "one", FILE.replace("environments: [staging, production]", environments).replace("age: 5", "age: 9")
    )
    repository.review(head, environments="development staging production")
    assert "## `development`, `staging`\n" in api.bodies()[0]
    assert "## `production`\n\n**Nobody sees a change.**" in api.bodies()[0]


def test_nothing_is_said_where_nothing_was_and_nothing_changes(repository: Repository, api: Api) -> None:
    assert repository.review(repository.branch("same", FILE)).outputs == {"changes": "false"}
    assert api.writes() == []


def test_a_broken_file_fails_beside_its_line(repository: Repository, api: Api) -> None:
    head = repository.branch("broken", FILE.replace("age: 5", "age: 500"))
    repository.run = run_line
    ran = repository.review(head)
    assert ran.code == 1
    line = "::error file=flags.yaml,line=6,col=25,title=burgee percentage-range::500 is not between 0 and 100"
    assert line in ran.log.splitlines()
    assert "1 problem in the flag file" in api.bodies()[0]


def test_a_failed_test_of_a_flag_fails_the_review(repository: Repository) -> None:
    head = repository.branch("red", FILE + "    tests: [{user: u, environment: staging, expect: on}]\n")
    ran = repository.review(head)
    assert ran.code == 1
    assert "::error file=flags.yaml,line=9" in ran.log


def test_what_others_wrote_runs_nothing(repository: Repository, api: Api) -> None:
    """Workflow commands, a fence that ends early, another author's marker."""
    api.add(f"{MARKER}\nI was here first")
    nasty = "x\\n::error::pwned\\n::set-output name=changes::x\\n````\\n<!-- burgee -->"
    repository.run = run_line
    head = repository.branch("nasty", FILE.replace("status: on", f'status: "{nasty}"'))
    ran = repository.review(head)
    assert ran.code == 1
    assert not [line for line in ran.log.splitlines() if line.startswith(("::error::pwned", "::set-output"))]
    assert api.bodies("User") == [f"{MARKER}\nI was here first"]
    assert len(api.bodies()) == 1


def test_a_loss_fails_where_the_workflow_says_so(repository: Repository) -> None:
    head = repository.branch("less", FILE.replace("age: 5", "age: 4"))
    assert repository.review(head, fail_on_loss="true").code == 1
    assert repository.review(head, fail_on="time-bomb, lowered").code == 1


@pytest.mark.parametrize("source", ["stranger/flags", None])
def test_a_fork_is_reviewed_in_the_summary_and_writes_nothing(
    repository: Repository, api: Api, source: str | None
) -> None:
    head = repository.branch("fork", FILE.replace("age: 5", "age: 10"))
    ran = repository.review(head, source, table="flags")
    assert ran.code == 0
    assert "beta" in ran.summary
    assert "a fork gets no credentials" in ran.summary
    assert "::notice::" in ran.log
    assert api.calls == []


def test_pull_request_target_is_refused(repository: Repository, api: Api) -> None:
    head = repository.branch("target", FILE)
    ran = repository.review(head, event_name="pull_request_target")
    assert (ran.code, api.calls) == (1, [])
    assert "pull_request_target" in ran.log


def test_a_merge_queue_is_reviewed_without_a_comment(repository: Repository, api: Api) -> None:
    base = repository.git("rev-parse", "origin/main")
    head = repository.branch("queued", FILE.replace("age: 5", "age: 10"))
    ran = repository.act("review", {"merge_group": {"base_sha": base, "head_sha": head}})
    assert ran.code == 0
    assert "beta" in ran.summary
    assert api.calls == []


def test_the_first_flag_file_is_all_new(repository: Repository, api: Api) -> None:
    repository.git("checkout", "-q", "--orphan", "empty")
    repository.git("rm", "-qrf", ".")
    repository.git("commit", "-qm", "Nothing", "--allow-empty")
    repository.push("main")
    repository.git("fetch", "-q", "origin")
    head = repository.branch("new", FILE)
    assert repository.review(head, environments="production").code == 0
    (body,) = api.bodies()
    assert "every flag is new" in body
    assert "| gains | `beta` | all users | 0 % → 1 % | flag not found → on | now |" in body
    repository.git("checkout", "-q", "-B", "folder", "origin/main")
    (repository.clone / "new").mkdir()
    (repository.clone / "new/flags.yaml").write_text(FILE, encoding="utf-8")
    repository.git("add", ".")
    repository.git("commit", "-qm", "A folder")
    ran = repository.review(repository.push("folder"), environments="production", flags="new/flags.yaml")
    assert (ran.code, "every flag is new" in ran.summary) == (0, True), ran.log


def test_a_shallow_checkout_says_what_it_needs(repository: Repository) -> None:
    ran = repository.act(
        "review",
        {
            "pull_request": {
                "number": 7,
                "base": {"sha": "a" * 40},
                "head": {"sha": "b" * 40, "repo": {"full_name": REPOSITORY}},
            }
        },
    )
    assert ran.code == 1
    assert "fetch-depth: 0" in ran.log


def test_a_comment_that_may_not_be_written_is_a_warning(repository: Repository, api: Api) -> None:
    head = repository.branch("raise", FILE.replace("age: 5", "age: 10"))
    api.failures = [403]
    ran = repository.review(head)
    assert ran.code == 0
    assert "::warning::the comment is not up to date: GitHub answered 403" in ran.log
    assert "beta" in ran.summary


def test_a_huge_change_stays_under_the_limit_of_a_comment(repository: Repository, api: Api) -> None:
    """Each environment has its first screen, however long both are."""
    flags = "".join(f"  flag-{number}: {{status: on, owner: o}}\n" for number in range(180))
    laid = "".join(
        f"  own-{number}: {{status: off, environments: {{staging: {{status: on}}}}}}\n" for number in range(90)
    )
    head = repository.branch("huge", FILE + flags + laid)
    ran = repository.review(head, environments="staging production")
    assert ran.code == 0
    (body,) = api.bodies()
    assert len(body) <= 65_536
    assert "## `staging`\n\n### 270 flags change what users see" in body
    assert "## `production`\n\n### 270 flags change what users see" in body
    assert body.count("<details>") == body.count("</details>")


NIGHT = "  night_maps: {status: on, requires: [{flag: dark_mode, variant: on}]}\n"
DARK = "version: 1\nflags:\n  dark_mode: {status: on}\n" + "".join(f"  f{n}: {{status: off}}\n" for n in range(4))


@pytest.mark.parametrize("checkout", ["merge", "branch"])
def test_the_merge_is_reviewed_not_the_branch(repository: Repository, api: Api, checkout: str) -> None:
    """The branch turns a flag off; since it left main, main gained a flag that requires it."""
    old = repository.branch("main", DARK)
    repository.branch("main", DARK + NIGHT, start="main")
    head = repository.branch("off", DARK.replace("status: on", "status: off"), start=old)
    ran = repository.review(head, checkout=checkout)
    assert ran.code == 0, ran.log
    (body,) = api.bodies()
    assert (
        "Some users **lose** something in `dark_mode` (100 % of all users), `night_maps` (100 % of all users)."
        in body
    )
    assert "no merge to review" not in body
    assert repository.git("worktree", "list").count("\n") == 0, "nothing is left behind"


def test_a_conflict_is_said_and_the_branch_reviewed(repository: Repository, api: Api) -> None:
    old = repository.branch("main", FILE)
    repository.branch("main", FILE.replace("age: 5", "age: 50"))
    head = repository.branch("conflict", FILE.replace("age: 5", "age: 7"), start=old)
    assert repository.review(head, checkout="branch").code == 0
    (body,) = api.bodies()
    assert "conflicts with its base, so there is no merge to review" in body
    assert "| 5 % → 7 % | off → on |" in body


def moved(repository: Repository, text: str = FILE) -> str:
    repository.git("checkout", "-q", "-B", "move", "origin/main")
    (repository.clone / "config").mkdir()
    repository.git("mv", "flags.yaml", "config/flags.yaml")
    (repository.clone / "config/flags.yaml").write_text(text, encoding="utf-8")
    repository.git("commit", "-qam", "Move")
    return repository.push("move")


def test_a_move_is_compared_across(repository: Repository, api: Api) -> None:
    head = moved(repository, FILE.replace("age: 5", "age: 7"))
    ran = repository.review(head, flags="config/flags.yaml", environments="staging")
    assert ran.code == 0, ran.log
    (body,) = api.bodies()
    assert "`flags.yaml` moved to `config/flags.yaml`" in body
    assert "| 5 % → 7 % | off → on |" in body
    assert "absent" not in body


def test_a_move_that_the_workflow_does_not_follow_fails(repository: Repository, api: Api) -> None:
    ran = repository.review(moved(repository))
    assert ran.code == 1
    (body,) = api.bodies()
    assert "moved to `config/flags.yaml`, and the workflow names the old path" in body
    assert "Write `flags: config/flags.yaml`" in body
    assert "**Nobody sees a change.**" in body


def test_a_deleted_file_fails_with_a_comment(repository: Repository, api: Api) -> None:
    head = repository.branch("raise", FILE.replace("age: 5", "age: 10"))
    repository.review(head)
    repository.git("checkout", "-q", "raise")
    repository.git("rm", "-q", "flags.yaml")
    repository.git("commit", "-qm", "Delete")
    ran = repository.review(repository.push("raise"))
    assert ran.code == 1
    (body,) = api.bodies()
    assert "`flags.yaml` is deleted" in body
    assert "Some users **lose** something in `beta` (5 % of all users)" in body
    assert "10 %" not in body, "the old comment is gone"


def test_a_repair_of_a_broken_main_passes(repository: Repository, api: Api) -> None:
    repository.branch("main", FILE.replace("age: 5", "age: 500"))
    repository.branch("main", FILE.replace("age: 5", "age: 600"), start="main")
    head = repository.branch("repair", FILE.replace("age: 5", "age: 8"), start="main")
    ran = repository.review(head, environments="staging")
    assert ran.code == 0, ran.log
    (body,) = api.bodies()
    assert "`flags.yaml` is broken in the base" in body
    assert "| 5 % → 8 % | off → on |" in body


def test_a_repair_without_a_sound_version_before_passes(repository: Repository, api: Api) -> None:
    repository.git("checkout", "-q", "--orphan", "root")
    repository.commit("version: 2\n", "Broken from the start")
    repository.push("main")
    repository.git("fetch", "-q", "origin")
    ran = repository.review(repository.branch("repair", FILE))
    assert ran.code == 0, ran.log
    assert "The base cannot be compared with, because its flag file is broken" in api.bodies()[0]
