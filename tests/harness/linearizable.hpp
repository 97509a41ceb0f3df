// Was this history possible on one register per key that changes by compare-and-swap, and by nothing else? For
// histories of concurrent clients against a store whose every write has a revision, so that the order of the writes is
// known and the question is answered in n log n. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::testing {

/// One operation of one client. `start` and `end` only need an order (a counter will do); an operation that was never
/// answered has no end (INT64_MAX).
struct history_entry {
  enum class kind : std::uint8_t { create, update, erase, read };
  enum class said : std::uint8_t {
    committed,  ///< A write: at `revision`. A read: `revision` and `value` stood there, 0 = the key was absent.
    conflict,   ///< A write that lost; `revision` and `value` stood there, 0 = the key was absent. -1 = not told.
    refused,    ///< Surely not applied.
    unknown,    ///< Applied or not.
  };
  std::string client, key;
  kind what = kind::read;
  std::int64_t expected = 0;  ///< update, erase: the revision that had to be present; erase 0 = any.
  std::string value;          ///< What was written (unique per write) or read; of a conflict what stood there.
  std::int64_t start = 0, end = INT64_MAX;
  said outcome = said::unknown;
  std::int64_t revision = 0;
};

/// What is impossible about `history`, one sentence each, naming key, client and revision; empty when nothing is.
/// At most `limit` of them.
std::vector<std::string> violations(const std::vector<history_entry>& history, std::size_t limit = 20);

}  // namespace troupe::testing
