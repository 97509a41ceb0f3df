// What one operation does to one key. Pure: the rules of compare-and-swap that every log engine
// shares, so that the twin and the real one cannot differ.
#pragma once
#include <string>
#include <utility>

#include "storage/log/keys.hpp"

namespace troupe::storage {

/// What a record costs in the log beside its key and value; good enough for bookkeeping.
inline constexpr std::uint32_t record_overhead_bytes = 40;

inline std::uint32_t record_bytes(std::size_t key_bytes, std::size_t value_bytes) noexcept {
  return static_cast<std::uint32_t>(key_bytes + value_bytes) + record_overhead_bytes;
}

/// committed = apply it; conflict or too_large = do not.
inline outcome::kind judge(const operation& asked, const key_state* now) noexcept {
  if (asked.key.empty() || asked.key.size() > key_bytes_max || asked.value.size() > value_bytes_max)
    return outcome::kind::too_large;
  const bool live = now != nullptr && now->live();
  bool holds = false;
  switch (asked.what) {
    case operation::kind::create: holds = !live; break;
    case operation::kind::update: holds = live && asked.expected == now->modified; break;
    case operation::kind::erase: holds = live && (asked.expected == 0 || asked.expected == now->modified); break;
  }
  return holds ? outcome::kind::committed : outcome::kind::conflict;
}

/// A sentence for an operation that judge() found too large.
inline std::string too_large_note(const operation& asked) {
  if (asked.key.empty()) return "the key is empty";
  if (asked.key.size() > key_bytes_max)
    return "the key has " + std::to_string(asked.key.size()) + " bytes; " + std::to_string(key_bytes_max) + " are allowed";
  return "the value has " + std::to_string(asked.value.size()) + " bytes; " + std::to_string(value_bytes_max) +
         " are allowed";
}

/// The state after an operation that judge() let pass, at revision `at`.
inline key_state next_state(const operation& asked, const key_state* now, revision at) noexcept {
  const bool erase = asked.what == operation::kind::erase;
  key_state next;
  next.modified = at;
  next.created = asked.what == operation::kind::create ? at : now->created;
  next.version = erase ? 0 : asked.what == operation::kind::create ? 1 : now->version + 1;
  next.bytes = record_bytes(asked.key.size(), erase ? 0 : asked.value.size());
  return next;
}

/// How many bytes of the log die when `now` is followed by `next`.
inline std::uint64_t dying_bytes(const key_state* now, const key_state& next) noexcept {
  return (now != nullptr && now->live() ? now->bytes : 0) + (next.live() ? 0 : next.bytes);
}

}  // namespace troupe::storage
