// The key index of a log: every key that is live or whose tombstone is still kept, in key order,
// with what a compare needs. Held in memory, rebuilt from the log at open. One owner, one thread.
//
// Costs 40 bytes, the key, the allocator's 8 to 23 and about 12 for its place: some 125 B per key.
// Leaves of up to `leaf_keys_max` pointers, sorted, in one sorted vector: point lookups cost what
// they cost in a tree, scans run through memory, and there is no node overhead.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "storage/engine.hpp"

namespace troupe::storage {

/// Where a key stands.
struct key_state {
  revision created = 0;      ///< Of its present life, or of the one its tombstone ended.
  revision modified = 0;     ///< The newest record's revision, a tombstone's included.
  std::int64_t version = 0;  ///< 0 = deleted, and `modified` is the tombstone.
  std::uint32_t bytes = 0;   ///< What the newest record costs in the log.

  bool live() const noexcept { return version > 0; }
};

class keys {
 public:
  keys();
  ~keys();
  keys(keys&&) noexcept;
  keys& operator=(keys&&) noexcept;
  keys(const keys& other);
  keys& operator=(const keys& other);

  /// The state of `key`, or null. Valid until the next change.
  const key_state* find(std::string_view key) const noexcept;
  /// Enters or replaces.
  void set(std::string_view key, const key_state& state);
  /// Forgets `key`; nothing when unknown.
  void drop(std::string_view key);

  std::size_t size() const noexcept { return size_; }  ///< Tombstones included.
  std::size_t live() const noexcept { return live_; }

  /// Calls `visit(key, state)` in key order for keys in [from, to) (empty `to` = to the end) until it answers false.
  template <class Visit>
  void walk(std::string_view from, std::string_view to, Visit&& visit) const {
    for (auto at = lower_bound(from); at.leaf < leaves_.size(); ++at.leaf, at.slot = 0)
      for (const auto& leaf = leaves_[at.leaf]; at.slot < leaf.size(); ++at.slot) {
        const entry& one = *leaf[at.slot];
        if (!to.empty() && one.key() >= to) return;
        if (!visit(one.key(), one.state)) return;
      }
  }

 private:
  /// One allocation: the state, then the key's bytes.
  struct entry {
    key_state state;
    std::string_view key() const noexcept { return {reinterpret_cast<const char*>(this + 1), state_key_bytes}; }
    std::uint32_t state_key_bytes = 0;
  };
  struct release {
    void operator()(entry* which) const noexcept;
  };
  using entry_ptr = std::unique_ptr<entry, release>;
  using leaf = std::vector<entry_ptr>;
  struct place {
    std::size_t leaf = 0, slot = 0;
  };

  static constexpr std::size_t leaf_keys_max = 256;
  static entry_ptr make_entry(std::string_view key, const key_state& state);
  /// The first entry not before `key`; `leaf == leaves_.size()` when there is none.
  place lower_bound(std::string_view key) const noexcept;
  /// The entry of `key`, or null.
  entry* at(const place& where, std::string_view key) const noexcept;
  void insert(place where, entry_ptr fresh);

  std::vector<leaf> leaves_;  ///< None is empty.
  std::size_t size_ = 0, live_ = 0;
};

}  // namespace troupe::storage
