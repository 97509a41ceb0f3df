// One record of a log as it stands on disk, and the small numbers beside it. Pure; every embedded engine writes
// the same, each record and each number with a checksum of its own (docs/decisions/101).
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "storage/engine.hpp"
#include "storage/log/revision.hpp"

namespace troupe::storage {

enum class row_kind : std::int64_t { put = 1, erase = 2 };

/// One row; the views live until the table that read it moves on.
struct log_row {
  revision at = 0;
  row_kind kind = row_kind::put;
  revision previous = 0;   ///< The key's row before, a tombstone included; 0 = none.
  revision created = 0;
  std::int64_t version = 0;
  std::int64_t lease = 0;  ///< 0; expiry is made of ordinary erasures by an actor. Kept for format 1's sake.
  std::string_view key, value;

  /// CRC-32C over all of it: the same bytes on every machine.
  std::uint32_t checksum() const noexcept;
  bool known_kind() const noexcept { return kind == row_kind::put || kind == row_kind::erase; }
  record to_record() const;
  change to_change() const;
};

/// The small numbers of a log.
struct meta_values {
  bounds ends;             ///< compact_rev; head_rev: no revision up to it is ever used again; hole_from, hole_to.
  revision reserved = 0;   ///< Relaxed revisions below it may have been answered without being here; see reserve.hpp.
  bool copy = false;       ///< This log was written by backup() and not opened since.

  static constexpr std::size_t count = 6, count_min = 3;
  struct number {
    std::string_view name;
    std::int64_t value;
  };
  /// All numbers by name; the first `count_min` stand in every log, the others are 0 where they are absent.
  std::array<number, count> numbers() const;
  /// Takes one number; false when the name is not one of ours.
  bool take(std::string_view name, std::int64_t value);
};
/// The checksum that stands beside a number.
std::uint32_t number_checksum(std::string_view name, std::int64_t value) noexcept;

}  // namespace troupe::storage
