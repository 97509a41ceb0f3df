#include "storage/sim/etcd_group.hpp"

#include <signal.h>

#include <algorithm>

#include "storage/sim/shared_engine.hpp"

namespace troupe::storage::sim {
namespace {
constexpr duration soon = 1ms, farewell_max = 300ms, published_max = 50ms;
constexpr std::string_view id_field = "member=";

std::pair<std::string, std::string> pair_of(const std::string& a, const std::string& b) { return {std::min(a, b), std::max(a, b)}; }

/// "a=https://10.0.0.1:2380,b=https://10.0.0.2:2380" -> the URLs.
std::vector<std::string> urls_of(const std::string& initial) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from < initial.size();) {
    const auto comma = std::min(initial.find(',', from), initial.size());
    const auto one = initial.substr(from, comma - from);
    out.push_back(one.substr(one.find('=') + 1));
    from = comma + 1;
  }
  return out;
}
std::string fatal(const std::string& text) { return R"({"level":"fatal","msg":")" + text + "\"}"; }
}  // namespace

etcd_group::etcd_group(agenda& when, rng chance, group_config config)
    : when_(&when), chance_(chance), config_(config), store_(when, chance.fork("store")) {
  store_.lose_leader();
}

duration etcd_group::between(duration least, duration most) {
  return least + duration(static_cast<std::int64_t>(chance_.below(static_cast<std::uint64_t>((most - least).count()) + 1)));
}

bool etcd_group::passes(const std::string& a, const std::string& b) const {
  return a == b || (!partitions_.contains(pair_of(a, b)) && !black_holes_.contains(a) && !black_holes_.contains(b));
}

// --- processes ---------------------------------------------------------------------------------------------------

etcd_group::run_id etcd_group::start(member_order what, member_life life) {
  const auto which = ++started_;
  ++counts_.starts;
  hosts_[what.client_url] = hosts_[what.peer_url] = what.host;
  runs_.emplace(which, process{std::move(what), std::move(life)});
  in(between(config_.start_min, config_.start_max), [this, which] { wake(which); });
  return which;
}

etcd_group::process* etcd_group::run_of(member_id who) {
  for (auto& [id, one] : runs_)
    if (one.up && one.of == who) return &one;
  return nullptr;
}

/// What etcd does between its start and its first answer.
void etcd_group::wake(run_id which) {
  const auto found = runs_.find(which);
  if (found == runs_.end()) return;
  auto& one = found->second;
  if (full_disks_.contains(one.what.host)) return die(which, 1, 0, fatal("failed to write: no space left on device"));
  if (!one.what.kept.empty()) {
    one.of = std::stoull(one.what.kept.substr(id_field.size()));
  } else if (one.what.founds) {
    if (std::exchange(founded_, true)) {
      note("a second cluster was founded, on " + one.what.host);
      return die(which, 1, 0, fatal("the simulation has one cluster"));
    }
    one.of = chance_.next() >> 1;
    seats_[one.of].who = {one.of, {}, {one.what.peer_url}, {}, false};
  } else if (!find_seat(one)) {
    return die(which, 1, 0, fatal("error validating peerURLs, or cannot fetch cluster info from peer urls"));
  }
  one.life.keep(std::string(id_field) + std::to_string(one.of));
  one.up = true;
  assess();
}

/// Begins without data: fellows say who is in the cluster, and one of them must be us.
bool etcd_group::find_seat(process& one) {
  settle_log();
  const auto told = urls_of(one.what.initial);
  const auto is_told = [&](const std::string& url) { return std::find(told.begin(), told.end(), url) != told.end(); };
  const bool reached = std::any_of(runs_.begin(), runs_.end(), [&](const auto& each) {
    const auto& other = each.second;
    return other.up && seats_.contains(other.of) && other.what.peer_url != one.what.peer_url && is_told(other.what.peer_url) && passes(other.what.host, one.what.host);
  });
  if (!reached || told.size() != seats_.size()) return false;
  seat* ours = nullptr;
  for (auto& [id, each] : seats_) {
    if (!std::any_of(each.who.peer_urls.begin(), each.who.peer_urls.end(), is_told)) return false;
    if (std::find(each.who.peer_urls.begin(), each.who.peer_urls.end(), one.what.peer_url) != each.who.peer_urls.end()) ours = &each;
  }
  if (ours == nullptr) return false;
  one.of = ours->who.id;
  if (!ours->who.learner) note("member " + ours->who.name + " votes and came back without its data");
  ours->durable = 0;
  return true;
}

void etcd_group::forget(run_id which) {
  const auto found = runs_.find(which);
  if (found == runs_.end()) return;
  settle_log();
  if (const auto s = seats_.find(found->second.of); s != seats_.end() && found->second.up) s->second.down_at = when_->now();
  runs_.erase(found);
  assess();
}

void etcd_group::die(run_id which, int status, int signal, std::string last_line) {
  const auto found = runs_.find(which);
  if (found == runs_.end()) return;
  ++counts_.deaths;
  const auto life = found->second.life;
  if (!last_line.empty()) life.say(std::move(last_line));
  in(soon, [this, host = found->second.what.host, age = lives_[found->second.what.host], end = life.end, status, signal] {
    if (lives_[host] == age) end(status, signal);
  });
  forget(which);
}

void etcd_group::signal(run_id which, int number) {
  if (runs_.contains(which)) die(which, 0, number, "");
}
void etcd_group::let_go(run_id which) { forget(which); }

// --- what breaks -------------------------------------------------------------------------------------------------

void etcd_group::partition(const std::string& a, const std::string& b) { partitions_.insert(pair_of(a, b)), assess(); }
void etcd_group::black_hole(const std::string& host) { black_holes_.insert(host), assess(); }
void etcd_group::lose_leader() {
  settle_log();
  leader_ = 0;
  assess();
}
void etcd_group::kill_child(const std::string& host) {
  for (const auto& [id, one] : runs_)
    if (one.what.host == host) return die(id, 0, SIGKILL, "");
}
void etcd_group::fail_sync(const std::string& host) {
  for (const auto& [id, one] : runs_)
    if (one.what.host == host) return die(id, 2, 0, R"({"level":"panic","msg":"failed to sync: input/output error"})");
}
void etcd_group::fill_disk(const std::string& host) {
  full_disks_.insert(host);
  for (const auto& [id, one] : runs_)
    if (one.what.host == host && one.up) return die(id, 2, 0, R"({"level":"panic","msg":"failed to write: no space left on device"})");
}
void etcd_group::heal_disk(const std::string& host) { full_disks_.erase(host); }
void etcd_group::use_up_quota() {
  if (seats_.empty()) return;
  store_.fill_up();
  for (auto& [id, one] : seats_) one.file_bytes = config_.quota_bytes, alarms_.insert(id);
}
void etcd_group::crash(const std::string& host) {
  ++lives_[host];
  ends_.erase(host);
  store_.crash(host);
  for (bool again = true; std::exchange(again, false);)
    for (const auto& [id, one] : runs_)
      if (one.what.host == host) {
        forget(id);
        again = true;
        break;
      }
}
void etcd_group::heal_roads() {
  partitions_.clear();
  black_holes_.clear();
  assess();
}
void etcd_group::heal() {
  full_disks_.clear();
  heal_roads();
}

// --- the log -----------------------------------------------------------------------------------------------------

std::size_t etcd_group::majority() const {
  return static_cast<std::size_t>(std::count_if(seats_.begin(), seats_.end(), [](const auto& s) { return !s.second.who.learner; })) / 2 + 1;
}
std::size_t etcd_group::living_voters() const {
  std::size_t best = 0;
  for (const auto& [id, s] : seats_) {
    const auto* one = run_of(id);
    if (s.who.learner || one == nullptr) continue;
    std::size_t met = 0;
    for (const auto& [other, t] : seats_)
      if (const auto* two = run_of(other); !t.who.learner && two != nullptr && passes(one->what.host, two->what.host)) ++met;
    best = std::max(best, met);
  }
  return best;
}

/// How far one that is linked has come by now.
revision etcd_group::level_of(const seat& one) const {
  const auto head = store_.log().ends().head;
  if (!one.linked) return one.durable;
  if (in_step(one)) return head;
  const auto whole = (one.level_at - one.linked_at).count(), passed = (when_->now() - one.linked_at).count();
  return std::max(one.durable, one.linked_from + (head - one.linked_from) * passed / std::max<std::int64_t>(whole, 1));
}

/// Since last time things were as they are now: what was acknowledged is on the disks of a majority, and who of the others has
/// how much is drawn. What the store took after its leader was lost had reached those who held the log before.
void etcd_group::settle_log() {
  const auto head = store_.log().ends().head;
  std::vector<seat*> others;
  for (auto& [id, s] : seats_) {
    if (!s.linked) continue;
    if (!in_step(s)) s.durable = level_of(s);
    else if (id == leader_ || s.who.learner || head == settled_ || !working_) s.durable = head;
    else others.push_back(&s);
  }
  if (head == settled_) return;
  if (!working_)
    for (const auto id : holders_)
      if (const auto s = seats_.find(id); s != seats_.end()) s->second.durable = head;
  for (std::size_t left = majority(); !others.empty(); left -= left > 1) {
    const auto pick = chance_.below(others.size());
    auto& s = *others[pick];
    const auto behind = std::min<revision>(head - settled_, static_cast<revision>(chance_.below(4)));
    s.durable = left > 1 ? head : std::max(s.durable, head - behind);
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(pick));
  }
  settled_ = head;
}

// --- who leads ---------------------------------------------------------------------------------------------------

/// Looks at everything anew: called after whatever changed.
void etcd_group::assess() {
  settle_log();
  count_connections();
  judge_leader();
  link_up();
  publish();
  bid_farewell();
  mend_roads();
}

void etcd_group::count_connections() {
  for (const auto& [a, s] : seats_)
    for (const auto& [b, t] : seats_) {
      if (a >= b) continue;
      const auto *one = run_of(a), *two = run_of(b);
      if (one != nullptr && two != nullptr && passes(one->what.host, two->what.host)) since_.emplace(std::pair(a, b), when_->now());
      else since_.erase({a, b});
    }
  std::erase_if(since_, [this](const auto& each) { return !seats_.contains(each.first.first) || !seats_.contains(each.first.second); });
}

bool etcd_group::connected(member_id a, member_id b, bool long_enough) const {
  if (a == b) return true;
  const auto found = since_.find({std::min(a, b), std::max(a, b)});
  return found != since_.end() && (!long_enough || when_->now() - found->second >= config_.connected_min);
}

void etcd_group::judge_leader() {
  if (leader_ != 0) {
    const auto s = seats_.find(leader_);
    std::size_t met = 0;
    if (s != seats_.end() && run_of(leader_) != nullptr)
      for (const auto& [id, other] : seats_) met += !other.who.learner && connected(leader_, id, false);
    if (met < majority()) leader_ = 0;
  }
  if (leader_ != 0 || electing_ || fit_to_lead().empty()) return;
  electing_ = true;
  const bool alone = seats_.size() == 1;
  in(alone ? soon : between(config_.election_min, config_.election_max), [this] {
    electing_ = false;
    elect();
  });
}

/// Those whom a majority would vote for: it reaches them, and none of it has more of the log.
std::vector<member_id> etcd_group::fit_to_lead() const {
  std::vector<member_id> out;
  for (const auto& [id, s] : seats_) {
    if (s.who.learner || run_of(id) == nullptr) continue;
    std::size_t votes = 0;
    for (const auto& [other, t] : seats_) votes += !t.who.learner && run_of(other) != nullptr && connected(id, other, false) && t.durable <= s.durable;
    if (votes >= majority()) out.push_back(id);
  }
  return out;
}

void etcd_group::elect() {
  settle_log();
  const auto fit = fit_to_lead();
  if (leader_ != 0 || fit.empty()) return assess();
  leader_ = fit[chance_.below(fit.size())];
  ++term_;
  ++counts_.elections;
  const auto has = seats_.at(leader_).durable;
  if (has < settled_) note("acknowledged writes are lost: revision " + std::to_string(settled_) + " stood, and " + seats_.at(leader_).who.name + " leads with " + std::to_string(has));
  assess();
}

void etcd_group::link_up() {
  const auto head = store_.log().ends().head;
  for (auto& [id, s] : seats_) {
    const bool hears = leader_ != 0 && run_of(id) != nullptr && connected(leader_, id, false);
    if (hears == std::exchange(s.linked, hears) || !hears) continue;
    s.linked_at = s.level_at = when_->now();
    s.linked_from = s.durable;
    if (s.durable >= head) continue;
    s.level_at += config_.copy_min + duration(std::chrono::seconds(head - s.durable)) / config_.copied_per_second;
    in(s.level_at - s.linked_at, [this] { assess(); });
  }
  std::vector<member_id> held;
  for (const auto& [id, s] : seats_)
    if (!s.who.learner && in_step(s)) held.push_back(id);
  working_ = leader_ != 0 && held.size() >= majority();
  if (working_) holders_ = std::move(held);
}

void etcd_group::publish() {
  for (auto& [which, one] : runs_) {
    const auto s = seats_.find(one.of);
    if (!one.up || one.published || one.publishing || s == seats_.end() || !s->second.linked || !working_) continue;
    one.publishing = true;
    in(between(soon, published_max), [this, which = which] {
      const auto found = runs_.find(which);
      if (found == runs_.end()) return;
      found->second.publishing = false;
      const auto seat = seats_.find(found->second.of);
      if (seat == seats_.end() || !seat->second.linked || !working_) return assess();
      found->second.published = true;
      seat->second.who.name = found->second.what.name;
      seat->second.who.client_urls = {found->second.what.client_url};
    });
  }
}

/// Who was removed hears it from the first member that it reaches.
void etcd_group::bid_farewell() {
  for (auto& [which, one] : runs_) {
    if (!one.up || one.leaving || !removed_.contains(one.of)) continue;
    const bool met = std::any_of(runs_.begin(), runs_.end(), [&, &host = one.what.host](const auto& other) {
      return other.second.up && seats_.contains(other.second.of) && passes(other.second.what.host, host);
    });
    if (!met) continue;
    one.leaving = true;
    in(between(soon, farewell_max), [this, which = which] {
      die(which, 0, 0, R"({"level":"warn","msg":"server error","error":"the member has been permanently removed from the cluster"})");
    });
  }
}

/// The store is told what changed for its engines, and nothing else: each word has them look again.
void etcd_group::mend_roads() {
  for (const auto& [host, all] : ends_) {
    const bool cut = std::none_of(all.begin(), all.end(), [this, &host = host](const auto& ends) { return reaches(host, ends); });
    if (cut == std::exchange(cut_[host], cut)) continue;
    if (cut) store_.cut_off(host);
    else store_.reconnect(host);
  }
  if (working_ != store_.leaderless()) return;
  if (working_) store_.find_leader();
  else store_.lose_leader();
}

}  // namespace troupe::storage::sim
