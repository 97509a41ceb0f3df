// Which revisions may go. Pure: how old history must be is the business of whoever calls
// compact(); here is only how much of it is kept at least, and how many dead bytes at most.
//
// A record is dead once a newer revision of its key exists; a tombstone is dead from the start.
// A dead record may go when the revision that replaced it (a tombstone: its own) is at or below
// the floor, for then nobody may read at a revision that still shows it.
#pragma once
#include <algorithm>
#include <cstdint>

#include "storage/log/revision.hpp"

namespace troupe::storage {

struct retention {
  revision kept_revisions_min = 1'000;            ///< Stay replayable, whatever compact() asks for.
  std::uint64_t dead_bytes_max = 64 * 1024 * 1024;  ///< Beyond it the floor rises by itself.
};

inline constexpr revision floor_step_revisions = 1'024;   ///< One rise by itself; each rewrites a row of `meta`.
inline constexpr std::size_t deletes_per_row_max = 2;     ///< Purging rides on commits: at most this per written row.
inline constexpr std::size_t idle_purge_rows_max = 200;   ///< One slice of purging while nothing else is to do.

/// The floor after somebody asked for `to`: never lower than now, never so high that fewer than
/// `kept_revisions_min` revisions could be replayed.
inline revision raised_floor(const bounds& now, const retention& rule, revision to) {
  return std::max(now.floor, std::min(to, now.head - rule.kept_revisions_min));
}

/// The floor that too many dead bytes call for; the present one when there is room.
inline revision crowded_floor(const bounds& now, const retention& rule, std::uint64_t dead_bytes) {
  if (dead_bytes <= rule.dead_bytes_max) return now.floor;
  return raised_floor(now, rule, now.floor + floor_step_revisions);
}

}  // namespace troupe::storage
