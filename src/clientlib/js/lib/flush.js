'use strict';
// Answers for callers who wait: is everything logged before now in Redis?
//
// A mark remembers how much was in the queue when it was set. It is settled when the sender has
// taken that much and no record up to there waits in the outbox any more, whatever is logged
// meanwhile.

const LONGEST_MS = 2 ** 31 - 1; // a timer takes no more: it would ring at once

class Marks {
  #marks = new Set();

  get size() {
    return this.#marks.size;
  }

  /** Return a promise: true when delivered; false when dropped, given up or late. */
  add(takenBefore, droppedBefore, timeoutMs, maxFailures) {
    return new Promise((resolve) => {
      const mark = { takenBefore, droppedBefore, failuresLeft: maxFailures, last: null };
      // The timer keeps the process alive: whoever waits here wants the answer.
      const timer = setTimeout(() => mark.answer(false), Math.min(timeoutMs, LONGEST_MS));
      mark.answer = (delivered) => {
        clearTimeout(timer);
        this.#marks.delete(mark);
        resolve(delivered);
      };
      this.#marks.add(mark);
    });
  }

  /** Note that an attempt to deliver failed. */
  failed() {
    for (const mark of this.#marks) mark.failuresLeft--;
  }

  /** Answer everyone with what is so far: the process ends. */
  giveUp() {
    for (const mark of this.#marks) mark.failuresLeft = 0;
  }

  /**
   * Answer the waits that are over. `taken` records left the intake, which is `empty` or not;
   * `last` is the last number given; `oldest` that of the record waiting longest; `told` says that
   * no receipt is outstanding.
   */
  resolve({ taken, empty, last, oldest, told, dropped }) {
    for (const mark of this.#marks) {
      if (mark.last === null && (empty || taken >= mark.takenBefore)) mark.last = last;
      const settled = told && mark.last !== null && (oldest === null || oldest > mark.last);
      // a hopeless one is over when all of it was taken at least: by then it is printed
      if (settled || (mark.failuresLeft <= 0 && mark.last !== null)) {
        mark.answer(settled && dropped === mark.droppedBefore);
      }
    }
  }
}

module.exports = { Marks };
