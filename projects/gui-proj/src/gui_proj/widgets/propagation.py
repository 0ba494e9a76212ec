"""Who refuses what was ended, and after how long."""

from textual.content import Content
from textual.widgets import Static

from gui_proj.revocation import WAIT, Guarded, Report
from gui_proj.shipments import printable
from gui_proj.widgets.colours import MUTED
from gui_proj.widgets.row import fit

_NAME = 16
_VERSION = 10
_AFTER = 16
_ASKS = "A service that does not hear the bus asks the sign-in service each time."


class Propagation(Static):
    """One line a service, and below what it means."""

    _report: Report | None = None

    def show(self, report: Report) -> None:
        """Draw it, now and whenever there is more room or less."""
        self._report = report
        self.on_resize()

    def on_resize(self) -> None:
        """Draw it as wide as there is room."""
        if self._report is not None:
            self.update(propagation(self._report, width=max(40, self.content_size.width)))


def propagation(report: Report, *, width: int) -> Content:
    """The table of the services, or why there is none."""
    if report.sequence is None:
        return _notes(
            "The bus did not tell of it in time, so nobody knows yet which services refuse it.",
            _ASKS,
        )
    if not report.services:
        return _notes("No service that checks tokens is on the bus.")
    instance = max(8, min(36, width - _NAME - _VERSION - _AFTER - 8))
    head = f"  {'Service':<{_NAME}}  {'Version':<{_VERSION}}  {'Instance':<{instance}}  {'Refused after':>{_AFTER}}"
    lines = [Content.styled(head, MUTED), *(_line(guard, instance) for guard in report.services), Content("")]
    missing = sum(guard.after_ms is None for guard in report.services)
    if missing:
        lines.append(
            Content.styled(f"{missing} of {len(report.services)} did not confirm it in {WAIT:g} s.", "$text-error")
        )
        lines.append(_notes(_ASKS))
    else:
        every = "The service refuses" if len(report.services) == 1 else f"All {len(report.services)} services refuse"
        lines.append(Content.styled(f"✓ {every} it.", "$text-success"))
    return Content("\n").join(lines)


def _line(guard: Guarded, instance: int) -> Content:
    there = guard.after_ms is not None
    colour = "$text-success" if there else "$text-error"
    # Ids begin with the time at which they were made: the end is what tells them apart.
    id_ = printable(guard.id if len(guard.id) <= instance else "…" + guard.id[1 - instance :])
    after = f"{guard.after_ms:,.1f} ms" if guard.after_ms is not None else "has not answered"
    return Content.assemble(
        ("● " if there else "○ ", colour),
        (fit(printable(guard.name), _NAME), "bold"),
        f"  {fit(printable(guard.version), _VERSION)}  ",
        (f"{fit(id_, instance)}  ", MUTED),
        (f"{after:>{_AFTER}}", f"bold {colour}"),
    )


def _notes(*sentences: str) -> Content:
    return Content("\n").join(Content.styled(sentence, MUTED) for sentence in sentences)
