"""Faults of the workers: killed, stopped, cut off, asked to leave."""

from __future__ import annotations

import signal

from tests.chaos.faults.matrix import LINK, WORKERS, Scene, Steps, fault, until
from tests.chaos.fleet import MORTAL

SLOW_S = 0.2  # there and back


@fault("worker-kill", "kill -9 of one worker at a random moment", WORKERS)
def kill(scene: Scene) -> Steps:
    fleet = scene.world.fleet
    fleet.kill(scene.rng.choice(fleet.slots))
    yield 0.2


@fault("worker-kill-before-ack", "a worker dies between COMMIT and XACK", WORKERS)
def kill_before_ack(scene: Scene) -> Steps:
    yield from _doom(scene, signal.SIGUSR1)


@fault("worker-kill-before-commit", "a worker dies inside its transaction", WORKERS)
def kill_before_commit(scene: Scene) -> Steps:
    yield from _doom(scene, signal.SIGUSR2)


def _doom(scene: Scene, number: signal.Signals) -> Steps:
    """Wait for a start (signals that come during it would kill at once), tell it to die, wait."""
    fleet = scene.world.fleet
    mortal = next((slot for slot in fleet.slots if slot.module == MORTAL), None)
    if mortal is None:  # a mutant runs: nobody can be told
        fleet.kill(scene.rng.choice(fleet.slots))
        yield 0.2
        return
    yield from until(lambda: mortal.works, 20, "the mortal worker to work")
    child = mortal.child
    fleet.doom(mortal, number)
    for _ in range(100):
        if child is None or not child.running:
            return
        yield 0.05
    fleet.kill(mortal)  # nothing to do meanwhile, the store is away for instance


@fault("worker-freeze", "SIGSTOP of one worker past the reclaim time, then SIGCONT", WORKERS)
def freeze(scene: Scene) -> Steps:
    fleet = scene.world.fleet
    slot = scene.rng.choice(fleet.slots)
    fleet.freeze(slot)
    yield scene.world.reclaim_s * scene.rng.uniform(1.2, 2.0)
    fleet.thaw(slot)


@fault("worker-term", "SIGTERM of one worker under load, then a new one", WORKERS)
def terminate(scene: Scene) -> Steps:
    fleet = scene.world.fleet
    slot = scene.rng.choice(fleet.slots)
    yield from until(lambda: slot.works, 20, "a worker to work")
    child = slot.child
    fleet.terminate(slot)
    yield from until(lambda: child is None or not child.running, 45, "a worker to end")


@fault("workers-all-dead", "kill -9 of every worker, nobody works for some seconds", WORKERS)
def all_dead(scene: Scene) -> Steps:
    fleet = scene.world.fleet
    for slot in fleet.slots:
        slot.held = True
        fleet.kill(slot)
    yield scene.rng.uniform(0.5, 3.0)
    for slot in fleet.slots:
        slot.held = False


@fault("worker-cut-off", "one worker reaches PostgreSQL but not Redis, past the reclaim", WORKERS)
def cut_off(scene: Scene) -> Steps:
    slot = scene.rng.choice(scene.world.fleet.slots)
    slot.redis.stall = True
    yield scene.world.reclaim_s * scene.rng.uniform(1.2, 2.5)
    slot.redis.stall = False


@fault("worker-no-store", "one worker reaches Redis but not PostgreSQL, past the reclaim", WORKERS)
def no_store(scene: Scene) -> Steps:
    slot = scene.rng.choice(scene.world.fleet.slots)
    slot.postgres.refuse = True
    slot.postgres.cut()
    yield scene.world.reclaim_s * scene.rng.uniform(1.2, 2.5)
    slot.postgres.refuse = False


@fault("slow-link", "everything takes 200 ms longer, on some of the ways or on all", LINK)
def slow(scene: Scene) -> Steps:
    world = scene.world
    ways = [
        [world.front],
        [slot.redis for slot in world.fleet.slots],
        [slot.postgres for slot in world.fleet.slots],
    ]
    chosen = [proxy for way in scene.rng.sample(ways, scene.rng.randint(1, 3)) for proxy in way]
    for proxy in chosen:
        proxy.request_delay_s = proxy.reply_delay_s = SLOW_S / 2
    yield scene.rng.uniform(2.0, 5.0)
    for proxy in chosen:
        proxy.request_delay_s = proxy.reply_delay_s = 0.0
