"""Ways to work with the tools that are worth handing on: `investigate_error`, `what_changed`.

A prompt is a plan in a few steps, each with its tool and what to look for. What a person typed
stands in it as one quoted string.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver.prompts import Prompt
from pydantic import Field

from dewey_logs.tools.kinds import COUNTS, SEARCHES
from dewey_logs.tools.names import Names
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import UNTRUSTED
from dewey_logs.tools.texts import quoted

INVESTIGATE = """\
Find out why this goes wrong: {what}. Look back {since}{of}.

1. {stats} with level=ERROR: when errors rose, and whose they are.
2. {patterns} with level=ERROR: which kinds there are. Take the one that fits best.
3. {compare}: what else is new or more frequent since then.
4. {query} for that kind, limit=5; then {context} on one id: what led to it.
5. {trace} on its trace_id: which component failed first, and how long it waited.

Answer with the cause you found, the ids and trace_ids that show it, since when, how often, and what
you could not find out. {untrusted}.
"""
CHANGED = """\
Say what changed in the last {since}, compared with {back}.

1. {compare} with since={since}{how}: kinds of messages that are new, grew, or are gone.
2. {stats} with since={since}: in which minute it began, and where.
3. {context} on the sample_id of each change that matters: is it a cause or a consequence?

Answer with the changes that matter, the first of them in time, and the ids that show it.
{untrusted}.
"""

What = Annotated[str, Field(description="the error, in words or as it stands in the log")]
Since = Annotated[str, Field(description="how far back, as 1h")]


def offer_prompts(server: StrictServer, names: Names) -> None:
    """Add the prompts, where the tools that they name are offered."""
    if not (server.offers(SEARCHES) and server.offers(COUNTS)):
        return
    tools = names._asdict()

    def investigate_error(
        what: What,
        since: Since = "1h",
        component: Annotated[str, Field(description="where it shows, if you know")] = "",
    ) -> str:
        of = f", in component {quoted(component)}" if component else ""
        said = {"what": quoted(what), "since": quoted(since), "of": of}
        return INVESTIGATE.format(**tools, **said, untrusted=_sentence())

    def what_changed(
        since: Since = "1h",
        back: Annotated[str, Field(description="24h is the same time yesterday")] = "",
    ) -> str:
        how = f", back={quoted(back)}" if back else ""
        before = f"the same time {quoted(back)} before" if back else "the time just before"
        said = {"since": quoted(since), "back": before, "how": how}
        return CHANGED.format(**tools, **said, untrusted=_sentence())

    for run, about in (
        (investigate_error, "From an error to its cause, step by step."),
        (what_changed, "What is different now from before."),
    ):
        server.add_prompt(Prompt.from_function(run, description=about))


def _sentence() -> str:
    return UNTRUSTED[0].upper() + UNTRUSTED[1:]
