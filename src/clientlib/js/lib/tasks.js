'use strict';
// Work that has to wait now and then, written once for both ways in which it is done: while the
// program runs, by promises; at `process.exit`, when no promise is ever kept again, by standing
// still.
//
// A task is a generator. What it yields is a function of the world it runs in: `pause(ms)` or
// `exchange(packed, count, patienceMs)`; the answer comes back as the value of the `yield`.

/** Run a task, giving the event loop its turns. */
async function run(task, world) {
  let step = task.next();
  while (!step.done) step = task.next(await step.value(world));
  return step.value;
}

/** Run a task to its end before returning; the world's functions return at once or block. */
function runNow(task, world) {
  let step = task.next();
  while (!step.done) step = task.next(step.value(world));
  return step.value;
}

/** Return a task's step that waits. */
function pause(ms) {
  return (world) => world.pause(ms);
}

module.exports = { run, runNow, pause };
