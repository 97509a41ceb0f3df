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

outcome shared_store::apply(const operation& what) {
  std::vector<operation> one{what};
  auto done = log_.apply(std::move(one));
  if (!done.changes.empty())
    for (const auto& [age, each] : order_) each->committed(done.changes.front());
  return std::move(done.outcomes.front());
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
  leaderless_ = false;
  for (auto& [who, each] : roads_) each = {};
  tell({});
}

}  // namespace troupe::storage::sim
