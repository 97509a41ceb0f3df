// How relaxed writes keep a revision from being used twice. Pure. A relaxed write may be answered before it is on
// disk, so after an unclean end nobody knows which revisions were seen. Therefore a ceiling is put on disk first:
// only revisions below it are answered early. Whoever opens a log whose ceiling lies above its head raises the
// head to it; the revisions between were perhaps seen and are gone, which is the hole in `bounds`.
#pragma once
#include "storage/log/revision.hpp"

namespace troupe::storage {

inline constexpr revision reserve_step_revisions = 10'000;

struct reserve {
  revision ceiling = 0;  ///< 0 = none: every revision that was answered is on disk.

  /// Whether the revisions up to `head` may be answered before they are on disk.
  bool covers(revision head) const noexcept { return head < ceiling; }
  /// Whether the ceiling may be raised on the next commit for nothing, before it stops covering.
  bool is_near(revision head) const noexcept { return ceiling != 0 && ceiling < head + reserve_step_revisions / 2; }
  void raise(revision head) noexcept { ceiling = head + reserve_step_revisions; }
  /// After reading a log that ends at `head`: whether some revisions may have been seen that are not in it.
  bool has_lost(revision head) const noexcept { return ceiling > head; }
};

}  // namespace troupe::storage
