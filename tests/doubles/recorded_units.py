"""Facts and scores of made-up problems, and a strategy that draws them."""

from hypothesis import strategies as st

from atos_protocol.verdicts import CandidateOutcome
from bench.outcomes import Facts, Score, Spent, Unit

CELLS = ("pass", "fail", "timeout", "error: ValueError: no")
VALUES = ("= 1", "= 2", "timeout", "error: ValueError: no")


def unit(
    *candidates: CandidateOutcome,
    right: tuple[bool, ...],
    examples: tuple[int, ...] = (),
    suites: tuple[tuple[int, ...], ...] = (),
) -> Unit:
    """Return a problem whose candidates cost 10, 20, ... tokens and whose suites cost 100 each."""
    rows = len(candidates[0].rows)
    return Unit(
        "model",
        Facts(
            "problem",
            tuple(f"assert f({row})" for row in range(rows)),
            examples,
            suites,
            tuple(f"f({call})" for call in range(len(candidates[0].values))),
            candidates,
            tuple(Spent(10 * at, float(at)) for at in range(1, len(candidates) + 1)),
            tuple(Spent(100, 10.0) for _ in suites),
        ),
        Score(right, tuple(True for _ in range(rows))),
    )


@st.composite
def units(draw: st.DrawFn) -> Unit:
    """Draw a problem of up to five candidates and eight rows."""
    rows, calls = draw(st.integers(0, 8)), draw(st.integers(0, 4))
    candidates = draw(
        st.lists(
            st.builds(
                CandidateOutcome,
                st.sampled_from(("", "error: SyntaxError: no")),
                st.tuples(*[st.sampled_from(CELLS)] * rows),
                st.tuples(*[st.sampled_from(VALUES)] * calls),
            ),
            min_size=1,
            max_size=5,
        )
    )
    some = st.sets(st.integers(0, rows - 1)) if rows else st.just(set[int]())
    suites = draw(st.lists(some, max_size=3))
    return unit(
        *candidates,
        right=draw(st.tuples(*[st.booleans()] * len(candidates))),
        examples=tuple(sorted(draw(some))),
        suites=tuple(tuple(sorted(suite)) for suite in suites),
    )
