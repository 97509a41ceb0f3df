// One engine's live keys into another, for a change of engine: `troupe datastore migrate`. Blocks its thread, which
// must not be one that runs the engines' completions; meant for a command line, with nobody else at the source.
#pragma once
#include <functional>

#include "storage/engine.hpp"

namespace troupe::storage {

struct copy_report {
  revision head = 0;             ///< Of the source, at which it was copied.
  revision target_head = 0;      ///< At least `head` + `copy_margin_revisions`: no revision anyone knows is used again.
  std::uint64_t keys = 0, bytes = 0;
  std::uint32_t checksum = 0;    ///< CRC-32C over every key and value with their lengths, in key order; the same on both sides.
};
struct copy_progress {
  std::uint64_t keys = 0, keys_total = 0;
  bool comparing = false;        ///< Everything is written; both sides are read again.
};

/// Beyond the source's head, so that whoever has seen more than the copy knows is told "gone".
inline constexpr revision copy_margin_revisions = 1'000'000;
inline constexpr std::size_t copy_page_records = 500;
inline constexpr std::size_t copy_batch_bytes_max = 1024 * 1024;

/// Copies every live key of `source` at its head, raises `target` above it, then reads both and compares them byte by
/// byte. `already_exists` when the target has a key, `corrupt` when the sides differ, `outcome_unknown` and others as the
/// engines say; the target is of no use after an error. The source is only read.
result<copy_report> copy_engine(engine& source, engine& target,
                                const std::function<void(const copy_progress&)>& progress = {});

}  // namespace troupe::storage
