// Work that may be long: reads, verification, backup. The writer thread runs it in slices between
// commits, so that none of it delays a commit by more than a slice.
#pragma once
#include <memory>
#include <string>

#include "storage/embedded/store.hpp"

namespace troupe::storage {

inline constexpr std::size_t slice_rows_max = 256;
inline constexpr std::size_t slice_bytes_max = 1024 * 1024;
inline constexpr std::size_t slice_keys_max = 4'096;   ///< Index entries passed over without reading.

class job {
 public:
  virtual ~job() = default;
  /// Runs the next slice; true when the completion has been called. The first slice sees every commit before it.
  virtual bool run(store& on) = 0;
  /// Whether what is not on disk yet must be there before a slice.
  virtual bool wants_flush() const { return false; }
};

std::unique_ptr<job> make_range_job(range_query what, engine::range_done done);
std::unique_ptr<job> make_changes_job(revision after, std::size_t limit, engine::changes_done done);
std::unique_ptr<job> make_compact_job(revision to, engine::done done);
std::unique_ptr<job> make_raise_job(revision to, engine::done done);
std::unique_ptr<job> make_verify_job(engine::done done);

}  // namespace troupe::storage
