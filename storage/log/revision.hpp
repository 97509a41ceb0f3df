// The two ends of a log: the newest revision and the floor below which history is gone. Pure.
// Revisions only grow: a restored copy jumps ahead by a margin, so that a client that has seen
// more than the copy knows is told "gone" and never meets an old number with new content.
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

  /// The revision to read at (0 asks for the head): `gone` below the floor, `invalid` beyond the head.
  /// The state at the floor itself is still kept.
  result<revision> readable(revision at) const {
    if (at == 0) return head;
    if (at < floor) return gone(at);
    if (at < 0 || at > head) return future(at);
    return at;
  }
  /// Whether every change after `after` is still kept.
  result<void> followable(revision after) const {
    if (after < floor) return gone(after);
    if (after > head) return future(after);
    return {};
  }
  /// What a copy of this log starts with: nothing that was ever seen can be followed or re-used.
  bounds restored() const { return {head + restore_margin_revisions, head + restore_margin_revisions}; }

 private:
  error gone(revision at) const {
    return fail(errc::gone, "revision " + std::to_string(at) + " is compacted; the floor is " + std::to_string(floor));
  }
  error future(revision at) const {
    return fail(errc::invalid, "revision " + std::to_string(at) + " is beyond the head " + std::to_string(head));
  }
};

}  // namespace troupe::storage
