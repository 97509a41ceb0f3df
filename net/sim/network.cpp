#include <algorithm>

#include "net/sim/core.hpp"

namespace troupe::net::sim {

std::uint64_t core::in(duration after, task what) {
  if (shut_) return 0;
  const auto id = ++last_task_;
  const auto entry = agenda_.in(after, [weak = weak_from_this(), id] {
    const auto self = weak.lock();
    if (!self) return;
    auto node = self->tasks_.extract(id);
    if (node) node.mapped().second();
  });
  tasks_.emplace(id, std::pair(entry, std::move(what)));
  return id;
}

void core::cancel(std::uint64_t which) {
  auto node = tasks_.extract(which);
  if (node) agenda_.cancel(node.mapped().first);
}

void core::shut() {
  shut_ = true;
  while (!tasks_.empty()) {
    auto node = tasks_.extract(tasks_.begin());
    agenda_.cancel(node.mapped().first);
  }
}

std::pair<std::string, std::string> core::pair_of(const site& a, const site& b) {
  return a.name < b.name ? std::pair(a.name, b.name) : std::pair(b.name, a.name);
}

const conditions& core::between(const site& a, const site& b) const {
  const auto found = links.find(pair_of(a, b));
  return found == links.end() ? usual : found->second;
}

rng& core::dice(const site& a, const site& b) {
  const auto key = pair_of(a, b);
  return dice_.try_emplace(key, chance_.fork(key.first + "|" + key.second)).first->second;
}

duration core::latency(const site& a, const site& b) {
  if (&a == &b) return loopback_latency;
  const auto& how = between(a, b);
  auto& draw = dice(a, b);
  const auto spread = static_cast<std::uint64_t>((how.latency_max - how.latency_min).count()) + 1;
  auto out = how.latency_min + duration(static_cast<std::int64_t>(draw.below(spread)));
  if (how.stalls > 0 && draw.chance(how.stalls)) out += how.stall_for;
  return out;
}

bool core::blocked(const site& a, const site& b) const {
  if (&a == &b) return false;
  return partitions.contains(pair_of(a, b)) || black_holes.contains(a.name) || black_holes.contains(b.name);
}

bool core::lost_dial(const site& a, const site& b) {
  const auto percent = &a == &b ? 0 : between(a, b).lost_dials;
  return percent > 0 && dice(a, b).chance(percent);
}

void core::add_wire(const std::shared_ptr<wire>& w, const site& a, const site& b) {
  if (wires_.size() > 1000 && wires_.size() % 1000 == 0) std::erase_if(wires_, [](const auto& each) { return each.expired(); });
  wires_.push_back(w);
  const auto& how = between(a, b);
  if (&a == &b || how.cut_connections == 0 || !dice(a, b).chance(how.cut_connections)) return;
  const auto when = duration(static_cast<std::int64_t>(dice(a, b).below(static_cast<std::uint64_t>(how.cut_within.count()))));
  in(when, [weak = std::weak_ptr(w)] {
    if (const auto alive = weak.lock()) alive->cut(fail(errc::closed, "reset by the peer"));
  });
}

site* core::resolve(const site& from, const std::string& host) {
  for (const auto& each : sites) {
    const bool self = each.get() == &from && (host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0);
    if (self || each->name == host || std::ranges::find(each->addresses, host) != each->addresses.end()) return each.get();
  }
  return nullptr;
}

namespace {

class sim_wall final : public wall_clock {
 public:
  sim_wall(core& of, wall_time zero) : of_(of), zero_(zero) {}
  wall_time now() const override { return zero_ + of_.now().time_since_epoch() + skew; }
  duration skew{};

 private:
  core& of_;
  wall_time zero_;
};

class sim_entropy final : public entropy {
 public:
  explicit sim_entropy(rng from) : from_(from) {}
  std::string draw(std::size_t count) override {
    std::string out;
    while (out.size() < count) out.push_back(static_cast<char>(from_.next() >> 13));
    return out;
  }

 private:
  rng from_;
};

class sim_computer final : public computer {
 public:
  sim_computer(core& of, site& at, wall_time zero, const rng& chance)
      : at_(at), shard_(of, at), dialer_(make_dialer(of, at)), acceptor_(make_acceptor(of, at)), files_(make_files()),
        facts_(make_facts(at)), wall_(of, zero), chance_(chance.fork("entropy|" + at.name)),
        tls_(make_symbolic_provider(of.keys, wall_, chance_)), issuer_(make_symbolic_issuer(of.keys, chance_)) {}
  const std::string& name() const override { return at_.name; }
  bool up() const override { return at_.up; }
  shard& on() override { return shard_; }
  dialer& dials() override { return *dialer_; }
  acceptor& accepts() override { return *acceptor_; }
  files& disk() override { return *files_; }
  net::machine& facts() override { return *facts_; }
  const wall_clock& wall() const override { return wall_; }
  entropy& chance() override { return chance_; }
  tls::provider& tls() override { return *tls_; }
  tls::issuer& issuer() override { return *issuer_; }
  void set_skew(duration ahead) override { wall_.skew = ahead; }
  site& at() { return at_; }
  void forget_timers() { shard_.forget_all(); }

 private:
  site& at_;
  sim_shard shard_;
  std::unique_ptr<dialer> dialer_;
  std::unique_ptr<acceptor> acceptor_;
  std::unique_ptr<files> files_;
  std::unique_ptr<net::machine> facts_;
  sim_wall wall_;
  sim_entropy chance_;
  std::unique_ptr<tls::provider> tls_;
  std::unique_ptr<tls::issuer> issuer_;
};

class sim_network final : public network {
 public:
  sim_network(agenda& on, rng chance, wall_time calendar) : shared_(std::make_shared<core>(on, chance.fork("links"))), core_(*shared_), chance_(chance), calendar_(calendar) {}
  ~sim_network() override { core_.shut(); }

  computer& add(const std::string& name, const std::vector<std::string>& addresses) override {
    CHECK_THAT(!addresses.empty());
    core_.sites.push_back(std::make_unique<site>());
    auto& at = *core_.sites.back();
    at.name = name;
    at.addresses = addresses;
    computers_.push_back(std::make_unique<sim_computer>(core_, at, calendar_, chance_));
    return *computers_.back();
  }
  computer& find(const std::string& name) override { return known(name); }

  void set_conditions(const conditions& all) override { core_.usual = all; }
  void set_conditions(const std::string& a, const std::string& b, const conditions& between) override {
    core_.links[ordered(a, b)] = between;
  }
  void partition(const std::string& a, const std::string& b) override {
    core_.partitions.insert(ordered(a, b));
    const auto &one = known(a).at(), &two = known(b).at();
    core_.each_wire([&](wire& w) {
      if (w.between(one, two)) w.watch_for_death();
    });
  }
  void heal(const std::string& a, const std::string& b) override {
    core_.partitions.erase(ordered(a, b));
    rise();
  }
  void heal() override {
    core_.partitions.clear();
    core_.black_holes.clear();
    rise();
  }
  void black_hole(const std::string& name) override {
    core_.black_holes.insert(name);
    const auto& at = known(name).at();
    core_.each_wire([&](wire& w) {
      if (w.touches(at)) w.watch_for_death();
    });
  }
  void crash(const std::string& name, loss how) override {
    auto& it = known(name);
    if (!it.up()) return;
    if (how == loss::chosen) how = chance_.chance(50) ? loss::reset : loss::silent;
    auto& at = it.at();
    core_.each_wire([&](wire& w) {
      if (w.touches(at)) w.end_of(at, how == loss::reset);
    });
    ++at.life;
    at.up = false;
    at.vanished = how == loss::silent;
    core_.listening_on[name].clear();
    it.forget_timers();
  }
  void restart(const std::string& name) override {
    auto& at = known(name).at();
    at.up = true;
    at.vanished = false;
  }
  std::size_t connections() const override {
    std::size_t n = 0;
    core_.each_wire([&n](const wire& w) { n += w.held() ? 1u : 0u; });
    return n;
  }

 private:
  static std::pair<std::string, std::string> ordered(const std::string& a, const std::string& b) {
    return a < b ? std::pair(a, b) : std::pair(b, a);
  }
  sim_computer& known(const std::string& name) {
    for (auto& each : computers_)
      if (each->name() == name) return *each;
    CHECK_THAT(!"there is such a computer");
    return *computers_.front();
  }
  void rise() {
    core_.each_wire([](wire& w) { w.rise(); });
  }

  std::shared_ptr<core> shared_;
  core& core_;
  rng chance_;
  wall_time calendar_;
  std::vector<std::unique_ptr<sim_computer>> computers_;
};

}  // namespace

std::unique_ptr<network> make_network(agenda& on, rng chance, wall_time calendar) {
  return std::make_unique<sim_network>(on, chance, calendar);
}

}  // namespace troupe::net::sim
