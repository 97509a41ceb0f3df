// The two ends of a log: the newest revision and the floor below which history is gone. Pure.
// Revisions only grow: a restored copy jumps ahead by a margin, and a log that may have lost relaxed writes by as
// many as it had reserved, so that a client that has seen more is told "gone" and never meets an old number with
// new content.
#pragma once
#include <algorithm>
#include <string>

#include "storage/engine.hpp"

namespace troupe::storage {

/// How far a restored copy jumps: more than any server writes between a backup and its loss.
inline constexpr revision restore_margin_revisions = 1'000'000;

struct bounds {
  revision head = 0;
  revision floor = 0;
  /// The newest hole: no revision r with hole_from < r <= hole_to has a record, some were perhaps seen. 0, 0 = none.
  revision hole_from = 0, hole_to = 0;

  /// The revision to read at (0 asks for the head): `gone` below the floor, `invalid` beyond the head.
  /// The state at the floor itself is still kept.
  result<revision> readable(revision at) const {
    if (at == 0) return head;
    if (at < floor) return gone(at);
    if (at < 0 || at > head) return future(at);
    if (is_lost(at)) return gone(at);
    return at;
  }
  /// Whether every change after `after` is still kept.
  result<void> followable(revision after) const {
    if (after < floor) return gone(after);
    if (after > head) return future(after);
    if (is_lost(after)) return gone(after);
    return {};
  }
  /// What a copy of this log starts with: nothing that was ever seen can be followed or re-used.
  bounds restored() const { return raised(head + restore_margin_revisions); }
  /// This log with its head at `to`, and nothing before that can be followed.
  bounds raised(revision to) const { return {to, to, 0, 0}; }
  /// This log after revisions from its head up to `to` may have been seen and lost. An older hole leaves the log
  /// with everything before it: one is all that is kept in mind.
  bounds with_hole(revision to) const { return {to, hole_to > floor ? hole_to : floor, head, to}; }
  /// The revision that the record after the one at `last` must have.
  revision next_after(revision last) const { return last >= hole_from && last < hole_to ? hole_to + 1 : last + 1; }

 private:
  /// hole_to itself may be followed: it was handed out only after the hole was made.
  bool is_lost(revision at) const { return at > hole_from && at < hole_to; }
  error gone(revision at) const {
    if (at >= floor)
      return fail(errc::gone, "revision " + std::to_string(at) + " was lost when the server ended without warning; the head "
                                  "went on from " + std::to_string(hole_to));
    return fail(errc::gone, "revision " + std::to_string(at) + " is compacted; the floor is " + std::to_string(floor));
  }
  error future(revision at) const {
    return fail(errc::invalid, "revision " + std::to_string(at) + " is beyond the head " + std::to_string(head));
  }
};

}  // namespace troupe::storage
