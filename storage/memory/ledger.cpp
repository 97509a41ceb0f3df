#include "storage/memory/ledger.hpp"

#include "storage/log/compare.hpp"

namespace troupe::storage {
namespace {
record to_record(const change& from) { return {from.key, from.value, from.created, from.at, from.version}; }
}  // namespace

committed_batch ledger::apply(std::vector<operation> batch) {
  committed_batch out;
  out.outcomes.reserve(batch.size());
  for (auto& asked : batch) {
    const key_state* now = index_.find(asked.key);
    outcome& said = out.outcomes.emplace_back();
    said.what = judge(asked, now);
    if (said.what == outcome::kind::too_large) said.note = too_large_note(asked);
    if (said.what == outcome::kind::conflict && now != nullptr && now->live())
      said.present = to_record(records_.at(now->modified).what);
    if (said.what != outcome::kind::committed) continue;
    said.at = ++ends_.head;
    const key_state next = next_state(asked, now, said.at);
    const bool was_live = now != nullptr && now->live();
    entry fresh;
    fresh.chain = now != nullptr ? now->modified : 0;
    fresh.what.at = said.at;
    fresh.what.key = asked.key;
    fresh.what.value = next.live() ? std::move(asked.value) : bytes();
    fresh.what.created = next.created;
    fresh.what.previous = was_live ? now->modified : 0;
    fresh.what.version = next.version;
    fresh.what.erased = !next.live();
    dead_bytes_ += dying_bytes(now, next);
    bytes_kept_ += next.bytes;
    index_.set(asked.key, next);
    out.changes.push_back(fresh.what);
    records_.emplace(said.at, std::move(fresh));
  }
  ends_.floor = crowded_floor(ends_, rule_, dead_bytes_);
  purge();
  out.head = ends_.head;
  return out;
}

const ledger::entry* ledger::standing_at(const key_state& newest, revision at) const {
  revision walk = newest.modified;
  while (walk > at) walk = records_.at(walk).chain;
  const auto found = records_.find(walk);
  if (found == records_.end() || found->second.what.erased) return nullptr;
  return &found->second;
}

result<page> ledger::range(const range_query& what) const {
  const auto at = ends_.readable(what.at);
  if (!at) return at.why();
  page out;
  out.head = *at;
  index_.walk(what.from, what.to, [&](std::string_view, const key_state& newest) {
    const entry* found = standing_at(newest, *at);
    if (found == nullptr) return true;
    if (what.limit > 0 && out.records.size() == what.limit) {
      out.more = true;
      return false;
    }
    out.records.push_back(to_record(found->what));
    return true;
  });
  return out;
}

result<std::vector<change>> ledger::changes_after(revision after, std::size_t limit) const {
  if (auto ok = ends_.followable(after); !ok) return ok.why();
  std::vector<change> out;
  for (auto at = records_.upper_bound(after); at != records_.end() && (limit == 0 || out.size() < limit); ++at)
    out.push_back(at->second.what);
  return out;
}

result<void> ledger::compact(revision to) {
  if (auto ok = ends_.readable(std::max(to, ends_.floor)); !ok) return ok.why();
  ends_.floor = raised_floor(ends_, rule_, to);
  purge();
  return {};
}

void ledger::forget(revision which) {
  const auto found = records_.find(which);
  if (found == records_.end()) return;
  const auto cost = record_bytes(found->second.what.key.size(), found->second.what.value.size());
  dead_bytes_ -= cost;
  bytes_kept_ -= cost;
  records_.erase(found);
}

void ledger::purge() {
  for (auto at = records_.upper_bound(purged_to_); at != records_.end() && at->first <= ends_.floor;) {
    const entry& one = (at++)->second;
    if (one.what.previous != 0) forget(one.what.previous);
    if (!one.what.erased) continue;
    const key_state* now = index_.find(one.what.key);
    if (now != nullptr && now->modified == one.what.at) index_.drop(one.what.key);
    forget(one.what.at);
  }
  purged_to_ = ends_.floor;
}

result<void> ledger::verify() const {
  result<void> out;
  index_.walk({}, {}, [&](std::string_view key, const key_state& newest) {
    const auto found = records_.find(newest.modified);
    if (found != records_.end() && found->second.what.key == key) return true;
    out = fail(errc::corrupt, "key " + std::string(key) + " has no record at " + std::to_string(newest.modified));
    return false;
  });
  return out;
}

void ledger::raise(revision to) {
  if (to <= ends_.head) return;
  ends_ = ends_.raised(to);
  purge();
}

ledger ledger::restored() const {
  ledger out = *this;
  out.ends_ = ends_.restored();
  out.purge();
  return out;
}

}  // namespace troupe::storage
