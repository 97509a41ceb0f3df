#include "storage/sim/shared.hpp"

#include "storage/sim/shared_engine.hpp"

namespace troupe::storage::sim {

shared_store::shared_store(agenda& when, rng chance, shared_config config)
    : when_(&when), chance_(chance), config_(config) {}
shared_store::~shared_store() = default;

std::unique_ptr<engine> shared_store::open(const std::string& who) {
  return std::make_unique<shared_engine>(*this, who, ++opened_);
}

duration shared_store::between(duration least, duration most) {
  return least + duration(static_cast<std::int64_t>(chance_.below(static_cast<std::uint64_t>((most - least).count()) + 1)));
}

std::optional<record> shared_store::standing_at(const std::string& key) const {
  auto found = log_.range({key, key + '\0', 0, 1});
  if (!found.ok() || found->records.empty()) return std::nullopt;
  return std::move(found->records.front());
}

/// What is claimed has revisions of its own before the operation's, where etcd gives them all one.
outcome shared_store::apply(const operation& what) {
  if (full_ && what.what != operation::kind::erase && !what.key.starts_with(private_prefix)) return {outcome::kind::no_space, 0, {}, "database space exceeded"};
  std::vector<operation> all;
  if (what.with) {
    const auto present = standing_at(what.key);
    const bool fits = what.what == operation::kind::create ? !present : present && (what.expected == 0 || what.expected == present->modified);
    if (fits) {
      for (const auto& key : what.with->take)
        if (standing_at(key)) return {outcome::kind::claimed, 0, {}, key};
      for (const auto& key : what.with->take) all.push_back({operation::kind::create, key, what.with->owner, 0});
      for (const auto& key : what.with->release) all.push_back({operation::kind::erase, key, {}, 0});
    }
  }
  all.push_back(what);
  auto done = log_.apply(std::move(all));
  for (const auto& change : done.changes)
    for (const auto& [age, each] : order_) each->committed(change);
  return std::move(done.outcomes.back());
}

std::vector<shared_engine*> shared_store::engines_of(const std::string& who) const {
  std::vector<shared_engine*> out;
  for (const auto& [age, each] : order_)
    if (who.empty() || each->who() == who) out.push_back(each);
  return out;
}

void shared_store::tell(const std::string& who) {
  for (auto* each : engines_of(who)) each->road_changed();
}

void shared_store::lose_leader() {
  leaderless_ = true;
  tell({});
}
void shared_store::find_leader() {
  leaderless_ = false;
  tell({});
}
void shared_store::cut_off(const std::string& who) {
  roads_[who].cut = true;
  tell(who);
}
void shared_store::reconnect(const std::string& who) {
  roads_[who].cut = false;
  tell(who);
}
void shared_store::lag(const std::string& who, duration least, duration most) {
  roads_[who].lag_min = least;
  roads_[who].lag_max = most;
}
void shared_store::compact() { (void)log_.compact(log_.ends().head); }
void shared_store::crash(const std::string& who) {
  for (auto* each : engines_of(who)) each->crash();
}
void shared_store::heal() {
  leaderless_ = full_ = false;
  for (auto& [who, each] : roads_) each = {};
  tell({});
}

}  // namespace troupe::storage::sim
