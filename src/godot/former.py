"""What was sent before the stream was made again or set back, as far as anybody can tell.

What was added between the last checkpoint and that was counted by nobody. Numbers lost there are
named, but entries cannot bear witness for or against them; so the audit has to tell them from
numbers that were lost later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dewey_logs import Accounts, Epoch
from godot.ranges import Range
from godot.stream.inventory import Inventory


class Former:
    """The highest number of each producer from before the stream was deleted or set back.

    `lost_entries` is how many are gone of what the stream and its former ones had.
    """

    def __init__(self, inventory: Inventory, accounts: Accounts, lost_entries: int) -> None:
        self._highest: defaultdict[int, int] = defaultdict(int)
        current = next((epoch for epoch in accounts.epochs if epoch.current), None)
        if current is None:  # no worker has ever settled anything
            self.existed = not inventory.added
            return
        # no worker has said so yet
        remade = is_remade(inventory, current) or taken_back(inventory, current) > 0
        self.existed = remade or len(accounts.epochs) > 1 or current.taken > 0
        if not self.existed:  # deleted before anything was committed, it leaves no other trace
            self.existed = _begun_elsewhere(inventory, accounts) > max(0, lost_entries)
            return
        self._highest.update(
            {
                producer: max((found[-1][1] for found in kinds.values() if found), default=0)
                for producer, kinds in accounts.numbers.items()
            }
            if remade
            else accounts.before
        )
        began_ms = inventory.held[0].id.ms if remade and inventory.held else current.began_ms
        for item in inventory.held:  # sent again, or kept by its client, and not committed yet
            if item.producer is not None and item.sequence and item.born_ms <= began_ms:
                self._highest[item.producer] = max(self._highest[item.producer], item.sequence)

    def end(self, producer: int) -> int:
        """Return the highest number that is known to be from before the deletion."""
        return self._highest[producer]

    def gone(self, producer: int, lost: Sequence[Range], dropped: Sequence[Range]) -> set[Range]:
        """Return which of the lost ranges may have gone with the stream.

        Those that begin below the end of what was sent before, or directly behind it. A number that
        is lost or dropped does not say when it was sent: what follows it directly may be as old.
        """
        if not self.existed:
            return set()
        end = self._highest[producer]
        found = set()
        timeless = sorted([*((one, True) for one in lost), *((one, False) for one in dropped)])
        for one, is_lost in timeless:
            if one[0] > end + 1:
                break
            end = max(end, one[1])
            if is_lost:
                found.add(one)
        return found


def _begun_elsewhere(inventory: Inventory, accounts: Accounts) -> int:
    """Return how many numbers lie before the first that is known of producers that went on.

    As far as they announce them: an id alone may be forged or damaged. More than entries are lost
    never were in this stream.
    """
    first = {
        producer: min(found[0][0] for found in kinds.values() if found)
        for producer, kinds in accounts.numbers.items()
        if any(kinds.values())
    }
    for item in inventory.held:
        if item.producer is not None and item.sequence:
            first[item.producer] = min(first.get(item.producer, item.sequence), item.sequence)
    return sum(
        first[info.producer] - 1
        for info in inventory.announced
        if info.producer in first and first[info.producer] <= info.sent_sequence
    )


def is_remade(inventory: Inventory, current: Epoch) -> bool:
    """Say whether the stream is another one than the ledger's newest checkpoint is of.

    The ledger is read later, so while records flow its checkpoint is ahead of us in both numbers.
    Fewer entries and a later id (or none at all) can only be a stream that was made again; so can
    one that holds more entries from after the checkpoint than its counter says were added since.
    One that holds entries from before the checkpoint is the same stream, in an older state at most.
    """
    if not current.added or _goes_back_to(inventory, current):
        return False
    if inventory.added > current.added:
        since = sum(item.id > current.last for item in inventory.held)
        return since > inventory.added - current.added
    return inventory.upto > current.last or not inventory.added


def taken_back(inventory: Inventory, current: Epoch | None) -> int:
    """Return how many entries the stream had at the newest checkpoint and does not count any more.

    It was set back to an older state since, and no worker has said so yet. As long as none came
    afterwards this is 0: the ledger may then just be ahead of us.
    """
    if current is None or not current.added or not _goes_back_to(inventory, current):
        return 0
    since = sum(item.id > current.last for item in inventory.held)
    return max(0, current.added - (inventory.added - since)) if since else 0


def _goes_back_to(inventory: Inventory, current: Epoch) -> bool:
    """Say whether the stream holds entries that are no later than the newest checkpoint."""
    return bool(inventory.held) and inventory.held[0].id <= current.last
