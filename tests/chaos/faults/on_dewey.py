"""Faults of the Dewey between workers and database, where there is one."""

from __future__ import annotations

from tests.chaos.faults.matrix import POSTGRES, Impossible, Scene, Steps, fault


@fault("dewey-kill", "kill -9 of Dewey with calls in hand, then a new one", POSTGRES)
def kill(scene: Scene) -> Steps:
    dewey = scene.world.fleet.dewey
    if dewey is None:
        raise Impossible("the workers write to PostgreSQL themselves (see --store)")
    dewey.held = True
    dewey.kill()
    yield scene.rng.uniform(0.1, 2.0)
    dewey.held = False
