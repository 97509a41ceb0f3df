#include "storage/log/keys.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace troupe::storage {

keys::keys() = default;
keys::~keys() = default;
keys::keys(keys&&) noexcept = default;
keys& keys::operator=(keys&&) noexcept = default;

keys::keys(const keys& other) : size_(other.size_), live_(other.live_) {
  leaves_.reserve(other.leaves_.size());
  for (const auto& from : other.leaves_) {
    auto& to = leaves_.emplace_back();
    to.reserve(from.size());
    for (const auto& one : from) to.push_back(make_entry(one->key(), one->state));
  }
}
keys& keys::operator=(const keys& other) {
  if (this != &other) *this = keys(other);
  return *this;
}

void keys::release::operator()(entry* which) const noexcept { std::free(which); }

keys::entry_ptr keys::make_entry(std::string_view key, const key_state& state) {
  void* room = std::malloc(sizeof(entry) + key.size());
  CHECK_THAT(room != nullptr);
  entry_ptr out(::new (room) entry{state, static_cast<std::uint32_t>(key.size())});
  if (!key.empty()) std::memcpy(static_cast<void*>(out.get() + 1), key.data(), key.size());
  return out;
}

keys::place keys::lower_bound(std::string_view key) const noexcept {
  const auto leaf = std::partition_point(leaves_.begin(), leaves_.end(),
                                         [&](const keys::leaf& one) { return one.back()->key() < key; });
  if (leaf == leaves_.end()) return {leaves_.size(), 0};
  const auto slot =
      std::partition_point(leaf->begin(), leaf->end(), [&](const entry_ptr& one) { return one->key() < key; });
  return {static_cast<std::size_t>(leaf - leaves_.begin()), static_cast<std::size_t>(slot - leaf->begin())};
}

keys::entry* keys::at(const place& where, std::string_view key) const noexcept {
  if (where.leaf == leaves_.size()) return nullptr;
  entry* found = leaves_[where.leaf][where.slot].get();
  return found->key() == key ? found : nullptr;
}

const key_state* keys::find(std::string_view key) const noexcept {
  const entry* found = at(lower_bound(key), key);
  return found != nullptr ? &found->state : nullptr;
}

void keys::set(std::string_view key, const key_state& state) {
  const place where = lower_bound(key);
  live_ += state.live() ? 1 : 0;
  if (entry* found = at(where, key)) {
    live_ -= found->state.live() ? 1 : 0;
    found->state = state;
    return;
  }
  insert(where, make_entry(key, state));
}

void keys::insert(place where, entry_ptr fresh) {
  ++size_;
  if (leaves_.empty()) leaves_.emplace_back();
  if (where.leaf == leaves_.size()) where = {leaves_.size() - 1, leaves_.back().size()};
  if (leaves_[where.leaf].size() >= leaf_keys_max) {
    // Keys mostly arrive in ascending order within a namespace: a leaf that is appended to stays full.
    const bool append = where.slot == leaf_keys_max;
    const std::size_t kept = append ? leaf_keys_max : leaf_keys_max / 2;
    leaf rest;
    rest.reserve(leaf_keys_max);
    auto& full = leaves_[where.leaf];
    rest.assign(std::make_move_iterator(full.begin() + static_cast<std::ptrdiff_t>(kept)),
                std::make_move_iterator(full.end()));
    full.resize(kept);
    leaves_.insert(leaves_.begin() + static_cast<std::ptrdiff_t>(where.leaf + 1), std::move(rest));
    if (where.slot >= kept && (append || where.slot > kept)) where = {where.leaf + 1, where.slot - kept};
  }
  auto& into = leaves_[where.leaf];
  into.insert(into.begin() + static_cast<std::ptrdiff_t>(where.slot), std::move(fresh));
}

void keys::drop(std::string_view key) {
  const place where = lower_bound(key);
  const entry* found = at(where, key);
  if (found == nullptr) return;
  live_ -= found->state.live() ? 1 : 0;
  --size_;
  auto& from = leaves_[where.leaf];
  from.erase(from.begin() + static_cast<std::ptrdiff_t>(where.slot));
  if (from.empty()) leaves_.erase(leaves_.begin() + static_cast<std::ptrdiff_t>(where.leaf));
}

}  // namespace troupe::storage
