"""What a process holds in memory: bounded while it works, and nothing of it left when nothing is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.machine import ROOM
from tests.simulation.network import End

if TYPE_CHECKING:
    from tests.simulation.play import Play

ALARMS = 40  # of an idle process: probes, polls, sweeps


def unbounded(play: Play) -> str:
    """What holds more than it may."""
    process: Any = play.process
    most = process.settings.home.connections
    if process.store.bodies.spooled > ROOM.spool:
        return f"messages being received hold {process.store.bodies.spooled} octets"
    for flush in process.redelivery._flushes.values():
        if len(flush.active) > most:
            return f"{len(flush.active)} redeliveries at once"
    for home in process.homes._homes.values():
        if home.pool.size > most + len(home.pool._busy):
            return f"{home.pool.size} sessions to the home server of {home.name}"
    if len(process.delivery.answered._held) > 10 * (len(play.letters) + 1):
        return f"{len(process.delivery.answered._held)} answers remembered"
    return ""


def left_over(play: Play) -> str:
    """What a process holds although its clients have gone and all is delivered."""
    process: Any = play.process
    held = {
        "octets of messages being received": process.store.bodies.spooled,
        "SMTP sessions": len(process.smtp.connections),
        "sessions of users who send": len(process.submission.connections) if process.sends else 0,
        "IMAP sessions": len(process.imap.connections),
        "answers remembered": len(process.delivery.answered._held),
        "home sessions reserved": len(process.delivery.reservations._held),
        "refusals to be written": len(process.delivery.refusals._rows),
        "redeliveries": sum(len(flush.active) for flush in process.redelivery._flushes.values()),
        "sessions with home's IMAP server": len(process.home_imap._idle),
        "home sessions in use": sum(len(home.pool._busy) for home in process.homes._homes.values()),
        "waiting for home sessions": sum(len(home.pool._waiting) for home in process.homes._homes.values()),
    }
    for what, count in held.items():
        if count:
            return f"left over: {count} {what}"
    waiting = play.world.waiting(process.life, besides=End.end)  # the network's, of what was closed and cut
    return f"left over: {waiting} alarms" if waiting > ALARMS else ""
