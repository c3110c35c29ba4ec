"""The plan dialog: consequences first, then `y`, then progress until it has settled.

Owns confirmation (ux.md 3.4). Invariant: what is sent carries the generation of the plan on the screen, so exactly that
plan runs or none; Enter on the dialog as it opens does nothing; a viewer never gets here.
Must not know how requests travel or how the planner thinks.
"""

from __future__ import annotations

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from hbcore.control.client import ControlError
from hbcore.control.schema import Action, Effect, Plan, Scope, Settled, Status
from hbcore.words import say
from hbtui import figures
from hbtui.bar import Bar
from hbtui.clipboard import copy
from hbtui.model import Model
from hbtui.rows import Cell
from hbtui.wrap import wrap

SCOPES: tuple[Scope, ...] = ("all", "local", "foreign", "failback")
SETTLE_S = 60.0
ARM_S = 3.0
MOST_AGE_S = 5.0  # ux.md 3.4, level 4
REASON_LENGTH = 200

_WORD = {
    "stop": ("stop", "warn"),
    "start": ("start", "ok"),
    "move": ("move", "busy"),
    "keep": ("keep", "muted"),
    "rule": ("rule", "calm"),
    "mode": ("mode", "calm"),
    "blocked": ("BLOCKED", "bad"),
}
_TITLE = {
    "standby": "Standby {node}",
    "online": "Online {node}",
    "takeover": "Takeover by {node}",
    "group-start": "Start {group}",
    "group-stop": "Stop {group}",
    "group-move": "Move {group} to {node}",
    "group-clear": "Send {group} home",
    "fence": "Declare {node} dead",
}


def effect_done(effect: Effect, status: Status) -> bool | None:
    """Whether the status shows the effect: True, False (not yet), None where it cannot show."""
    group = next((g for g in status.groups if g.name == effect.subject), None)
    if group is None:
        node = next((n for n in status.nodes if n.name == effect.subject), None)
        if node is None or effect.kind != "mode" or effect.to is None:
            return None
        return node.state == effect.to
    match effect.kind:
        case "stop":
            return group.state == "stopped" or (group.node is not None and group.node != effect.node)
        case "start":
            return group.state == "started" and effect.node in (None, group.node)
        case "move":
            return group.state == "started" and group.node == effect.to
    return None


class PlanScreen(ModalScreen[bool]):
    """Dismissed with True where something was sent."""

    BINDINGS = [
        Binding("escape", "leave", "Cancel", id="plan.leave"),
        Binding("y", "apply", "Apply", id="plan.apply"),
        Binding("o", "scope", "Scope", id="plan.scope"),
        Binding("r", "reason", "Reason", id="plan.reason"),
        Binding("c", "copy", "Copy command", id="plan.copy"),
        Binding("left", "app.focus_previous", show=False, id="plan.left"),
        Binding("right", "app.focus_next", show=False, id="plan.right"),
    ]

    def __init__(self, model: Model, action: Action) -> None:
        super().__init__()
        self.model = model
        self.action = action
        self.target = model.source.target
        self.plan: Plan | None = None
        self.note: Cell = ()
        self.built = False
        self.running_since: float | None = None
        self.settled: Settled | None = None
        self.over = False  # nothing left to wait for
        self.armed_at: float | None = None

    # --- what is on the screen ---

    @property
    def title_text(self) -> str:
        names = {"node": self.model.short(self.action.node or ""), "group": self.action.group or ""}
        cluster = self.model.status.cluster if self.model.status else ""
        return f"{_TITLE.get(self.action.verb, self.action.verb).format(**names)}  ({cluster})"

    @property
    def must_type(self) -> str:
        """The name to type before it may be applied, "" where none is asked."""
        if self.plan is None or self.plan.level < 3:
            return ""
        return self.action.group or self.model.short(self.action.node or "")

    def compose(self) -> ComposeResult:
        self.about, self.said, self.hints = Bar(id="plan-lines"), Bar(id="plan-note"), Bar(id="plan-keys")
        self.typed = Input(id="typed", placeholder=say("tui-plan-name"), max_length=100, select_on_focus=False)
        self.reason = Input(
            id="reason", placeholder=say("tui-plan-reason"), max_length=REASON_LENGTH, select_on_focus=False
        )
        self.cancel = Button("Cancel", id="cancel", compact=True)
        self.go = Button("y Apply", id="apply", compact=True, disabled=True)
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self.title_text)
            yield self.about
            yield self.typed
            yield self.reason
            yield self.said
            with Horizontal(id="buttons"):
                yield self.cancel
                yield self.go
            yield self.hints

    def on_mount(self) -> None:
        self.built = True
        self.cancel.focus()
        self.set_interval(0.2, self.tick)
        self.paint()
        self.ask()

    @work(exclusive=True, group="plan", exit_on_error=False)
    async def ask(self, note: Cell = ()) -> None:
        """Fetch the plan for the action as it stands now."""
        self.plan = None
        self.note = ((say("tui-plan-asking", node=self.model.source.name), "muted"),)
        self.paint()
        try:
            self.plan = await self.model.plan(self.target, msgspec.structs.replace(self.action, generation=None))
            self.note = note
        except ControlError as error:
            self.note = ((say("tui-plan-failed", why=str(error)), "bad"),)
        self.paint()

    def tick(self) -> None:
        if self.running_since is not None or self.must_type:
            self.paint()

    def paint(self) -> None:
        if not self.built:
            return
        running = self.running_since is not None
        open_plan = self.plan is not None and self.plan.refused is None and not running
        hint = self.blocked_by()
        self.about.show(self.lines())
        self.typed.display = open_plan and bool(self.must_type)
        self.reason.display = self.go.display = open_plan
        self.go.disabled = hint is not None
        self.set_class(self.plan is not None and self.plan.level >= 3, "-grave")
        self.set_class(self.size.height < 30, "-short")
        self.cancel.label = "Cancel" if open_plan else "Close"
        note = self.note or (((hint, "warn"),) if hint and open_plan else ())
        self.said.show([note] if note else [])
        self.hints.show([self.keys()])

    def keys(self) -> Cell:
        if self.running_since is not None:
            shown = [("Esc", "close" if self.over else "leave it running")]
        elif self.plan is None or self.plan.refused is not None:
            shown = [("Esc", "close")]
        else:
            shown = [("y", "apply"), ("r", "reason"), ("c", "copy command"), ("Esc", "cancel")]
            if self.action.verb in ("standby", "takeover"):
                shown.insert(1, ("o", "scope"))
        able = self.blocked_by() is None
        return tuple(
            run
            for key, label in shown
            for run in ((f" {key}", "key" if key != "y" or able else "muted"), (f" {label} ", "muted"))
        )

    def lines(self) -> list[Cell]:
        plan = self.plan
        if plan is None:
            return [((" ", "text"),)]
        if plan.refused is not None:
            said = say("tui-plan-refused", why=self.model.shorten(plan.refused.text))
            return [*wrap(((said, "bad"),), self.about.size.width), *self.command_lines(plan)]
        most = max(4, self.size.height - 18)
        lines = [line for effect in plan.effects for line in self.effect_lines(effect)]
        if len(lines) > most:
            lines = [*lines[:most], (("  " + say("tui-plan-more", lines=len(lines) - most), "muted"),)]
        lines = lines or [((say("tui-plan-nothing"), "muted"),)]
        if self.running_since is not None:
            return [*lines, (), *self.progress_lines()]
        warnings = [warning.text for warning in plan.warnings]
        if self.action.verb == "fence":
            warnings.insert(0, say("tui-fence-why", node=self.model.short(self.action.node or "")))
        lines.append(())
        for warning in warnings:
            lines += wrap(((" ! ", "warn"), (self.model.shorten(warning), "warn")), self.about.size.width)
        if self.action.verb in ("standby", "takeover"):
            lines.append(self.scope_line())
        undo = (("undo     ", "muted"), (plan.undo or "none", "text" if plan.undo else "warn"))
        return [*lines, *wrap(undo, self.about.size.width), *self.command_lines(plan)]

    def command_lines(self, plan: Plan) -> list[Cell]:
        return wrap((("command  ", "muted"), (plan.command, "text")), self.about.size.width)

    def scope_line(self) -> Cell:
        runs: list[tuple[str, str]] = [("scope    ", "muted")]
        for scope in SCOPES:
            chosen = scope == self.action.scope
            runs.append((f"({'*' if chosen else ' '}) {scope}   ", "strong" if chosen else "muted"))
        return tuple(runs)

    def effect_lines(self, effect: Effect) -> list[Cell]:
        """What happens to whom and where; what the planner says of it stands below."""
        word, tone = _WORD[effect.kind]
        mark = self.progress_mark(effect) if self.running_since is not None else ("  ", "text")
        place = "" if effect.node in (None, effect.subject) else self.model.short(effect.node or "")
        if effect.to:
            place = f"{place} > {self.model.short(effect.to)}".removeprefix(" > ")
        outage = "" if effect.outage_ms is None else f"  outage ~ {figures.latency(effect.outage_ms)}"
        if effect.kind == "move" and effect.outage_ms is None:
            outage = "  outage not known yet"
        subject = (f"{self.model.short(effect.subject):<16} ", "strong")
        line: Cell = (mark, (f"{word:<8} ", tone), subject, (place, "text"), (outage, "warn"))
        if effect.said is None:
            return [line]
        return [
            line,
            *wrap(((" " * 11, "text"), (self.model.shorten(effect.said.text), "muted")), self.about.size.width),
        ]

    # --- progress ---

    def progress_mark(self, effect: Effect) -> tuple[str, str]:
        glyphs = self.model.glyphs
        status = self.model.status
        done = effect_done(effect, status) if status is not None else None
        if done or (done is None and self.settled is not None and self.settled.ok):
            return glyphs.ok + " ", "ok"
        if self.settled is not None and self.settled.done:
            return glyphs.bad + " ", "bad"
        return (glyphs.busy + " ", "busy") if effect.kind != "keep" else ("  ", "text")

    def progress_lines(self) -> list[Cell]:
        assert self.running_since is not None
        settled = self.settled
        if settled is None:
            elapsed = figures.age(self.model.clock() - self.running_since)
            return [] if self.over else [((say("tui-plan-running", elapsed=elapsed), "busy"),)]
        elapsed = figures.latency(max(1.0, settled.elapsed_ms))
        code, tone = ("tui-plan-timeout", "warn") if not settled.done else ("tui-plan-not-ok", "bad")
        if settled.done and settled.ok:
            code, tone = "tui-plan-done", "ok"
        return [((say(code, elapsed=elapsed), tone),), *(((f"  {s.text}", tone),) for s in settled.said)]

    # --- confirming ---

    def blocked_by(self) -> str | None:
        """Why `y` would do nothing now, as a sentence; None where it would apply."""
        if self.plan is None or self.plan.refused is not None or self.running_since is not None:
            return ""
        if self.plan.level >= 4 and self.model.source.age(self.model.clock()) > MOST_AGE_S:
            return say("tui-plan-stale", age=figures.age(self.model.source.age(self.model.clock())))
        name = self.must_type
        if name and self.typed.value.strip() != name:
            self.armed_at = None
            return say("tui-plan-type", name=name)
        if self.plan.level >= 4:
            now = self.model.clock()
            self.armed_at = self.armed_at or now + ARM_S
            if now < self.armed_at:
                return say("tui-plan-armed", seconds=f"{self.armed_at - now:.0f}")
        return None

    def action_apply(self) -> None:
        if self.blocked_by() is None:
            self.apply()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "cancel":
            self.action_leave()
        else:
            self.action_apply()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field only leaves the field: to Apply where a name was asked and typed right, else to Cancel."""
        ready = event.input.id == "typed" and self.blocked_by() is None
        (self.go if ready else self.cancel).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "typed":
            self.paint()

    def action_reason(self) -> None:
        self.reason.focus()

    def action_scope(self) -> None:
        if self.action.verb in ("standby", "takeover") and self.running_since is None:
            scope = SCOPES[(SCOPES.index(self.action.scope) + 1) % len(SCOPES)]
            self.action = msgspec.structs.replace(self.action, scope=scope)
            self.ask()

    def action_copy(self) -> None:
        if self.plan is not None:
            copy(self.app, self.plan.command)

    def action_leave(self) -> None:
        if self.running_since is not None and not self.over:
            self.notify(say("tui-settling"))
        self.dismiss(self.running_since is not None)

    @work(exclusive=True, group="apply", exit_on_error=False)
    async def apply(self) -> None:
        """Send exactly the plan on the screen. A stale one comes back refused: then the new one is shown, not run."""
        assert self.plan is not None
        reason = self.reason.value.strip()
        action = msgspec.structs.replace(self.action, generation=self.plan.generation, reason=reason)
        self.running_since = self.model.clock()
        self.note = ((say("tui-plan-sent"), "muted"),)
        self.paint()
        try:
            outcome = await self.model.act(self.target, action)
        except ControlError as error:
            self.running_since = None
            self.note = ((say("tui-plan-failed", why=str(error)), "bad"),)
            self.paint()
            return
        if not outcome.accepted:
            self.running_since = None
            refused = outcome.plan.refused
            if refused is not None and refused.code == "state-changed":
                self.typed.value = ""
                self.ask(((say("tui-plan-changed"), "warn"),))
            else:
                self.plan, self.note = outcome.plan, ()
                self.paint()
            return
        self.plan, self.note = outcome.plan, ()
        self.cancel.focus()
        await self.follow(outcome.ticket)

    async def follow(self, ticket: int) -> None:
        self.paint()
        try:
            self.settled = await self.model.client(self.target).settled(ticket, SETTLE_S)
        except ControlError as error:
            self.note = ((say("tui-plan-unknown", why=str(error)), "warn"),)
        self.over = True
        self.paint()
