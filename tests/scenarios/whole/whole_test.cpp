// Everything together, by seed: one server with its scheduler and controllers, nodes with their own kubelets and runtimes'
// twins, over the simulated network. People make, scale, roll, delete, drain; meanwhile nodes lose their power, their kubelet,
// their runtime, their road to the server; answers of runtimes are lost; containers die; the server itself dies. Invariants:
// - a pod is bound once, and its containers run on that node alone, at most one instance of each at a time. "Runs" is what
//   the node's own machine does: a lost node's containers may run on there, unseen, until its power or its kubelet is back;
//   their pod's place is taken by another pod, with another uid;
// - once healed every deployment, daemon set and job is as wanted, and what was deleted is gone from the nodes that live;
// - no living node has a sandbox, a container or a folder of a pod that is not there;
// - each state of a pod is explained by its events. (A kubelet that dies may take with it what it had to say.)
//
//   TROUPE_SEED=n     runs that one seed;  TROUPE_SEEDS=n  as many, from it or from 1 (default 4)
//   TROUPE_NODES=n    TROUPE_PODS=n        the size (default 6 nodes, 40 pods; the plan's is 100 and 3000)
#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>

#include "net/cri/values.hpp"
#include "tests/scenarios/whole/people.hpp"

namespace troupe::scenario {
namespace {

using harness::cluster;

unsigned long option(const char* name, unsigned long otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoul(text, nullptr, 10) : otherwise;
}

struct verdict {
  std::string broken;
  std::uint64_t digest = 0, steps = 0;
  std::size_t pods = 0, starts = 0, judged = 0;
};

class play {
 public:
  explicit play(std::uint64_t seed) : c(seed), dice_(c.dice().fork("faults")), lives_(c.dice().fork("lives")), all_(c, seen, c.dice().fork("people")) {
    c.add_server("server", cluster::server_address);
    equip("server", 0);
    const auto nodes = option("TROUPE_NODES", 6);
    for (unsigned long i = 1; i < nodes; ++i) {
      const auto name = "n" + std::to_string(i);
      c.add_agent(name, "10.0.1." + std::to_string(i), name);
      equip(name, i);
    }
  }

  verdict go() {
    if (begin()) {
      all_.begin(static_cast<std::int64_t>(option("TROUPE_PODS", 40)));
      disturb();
      for (int i = 0; i < 14 && seen.broken.empty(); ++i) {
        pass(std::chrono::milliseconds(300 + dice_.below(dice_.chance(10) ? 200'000 : 8000)));
        dice_.chance(45) ? all_.act() : trouble();
      }
      if (seen.broken.empty()) heal();
      if (seen.broken.empty()) seen.broken = settle();
      if (seen.broken.empty()) seen.broken = explain();
      if (seen.broken.empty()) seen.broken = end();
    }
    return {seen.broken, c.run().digest(), c.run().steps(), seen.stories.size(), seen.starts, judged_};
  }

  cluster c;
  witnessed seen;

 private:
  void equip(const std::string& name, unsigned long number) {
    nodes_.push_back(name);
    auto& machine = c.equip(name, "10.42." + std::to_string(number));
    machine.script = [this, name, &machine](const net::cri::container_config& what) {
      seen.start(name, what, machine);
      return people::life_of(what, lives_);
    };
    machine.on_exec = [this](const net::cri::container&, const std::vector<std::string>& command) -> result<net::cri::exec_result> {
      net::cri::exec_result out;
      out.exit_code = unwell_ && command.front() == "live" && lives_.chance(30) ? 1 : 0;
      return out;
    };
    for (const char* image : people::images) machine.offer_image(image);
  }
  net::sim::container_machine& machine(const std::string& name) { return *c[name].machine; }

  bool begin() {
    if (!start_server()) return false;
    for (const auto& name : nodes_)
      if (name != "server") c.start(name);
    const auto stand = [&] { return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& name) { return c[name].ready; }); };
    if (!c.run().run_until(stand, std::chrono::minutes(3))) seen.broken = "the nodes do not get ready";
    return seen.broken.empty();
  }
  bool start_server() {
    c.start("server");
    if (!c.run().run_until([&] { return c["server"].ready; }, std::chrono::minutes(2))) seen.broken = "the server does not get ready: " + c["server"].refused;
    else follow(c, "server", seen);
    return seen.broken.empty();
  }
  /// Time goes by; whoever is due to come back does.
  void pass(duration span) {
    const auto until = c.run().now() + span;
    while (c.run().now() < until && seen.broken.empty()) {
      const auto next = later_.empty() ? until : std::min(until, later_.begin()->first);
      c.run().run_for(std::max<duration>(next - c.run().now(), duration::zero()));
      while (!later_.empty() && later_.begin()->first <= c.run().now()) {
        auto what = std::move(later_.begin()->second);
        later_.erase(later_.begin());
        what();
      }
    }
  }
  void later(duration after, std::function<void()> what) { later_.emplace(c.run().now() + after, std::move(what)); }
  duration a_while() { return std::chrono::milliseconds(dice_.below(dice_.chance(25) ? 400'000 : 40'000)); }
  const std::string& some_node() { return nodes_[1 + dice_.below(nodes_.size() - 1)]; }

  // --- what breaks ---------------------------------------------------------------------------------

  void disturb() {
    for (const auto& name : nodes_) {
      if (!dice_.chance(40)) continue;
      machine(name).now.lost_answers = static_cast<unsigned>(dice_.below(5));
      machine(name).now.refusals = static_cast<unsigned>(dice_.below(6));
    }
  }
  void trouble() {
    const auto& name = some_node();
    switch (dice_.below(9)) {
      case 0: return lose_power(name);
      case 1: case 2: return kill_kubelet(name);
      case 3: return machine(name).kill_runtime(), later(a_while() / 4, [this, name] { if (c[name].running) machine(name).start_runtime(); });
      case 4: return machine(name).hang(true), later(a_while() / 4, [this, name] { machine(name).hang(false); });
      case 5: return c.net().partition("server", name), later(a_while(), [this, name] { c.net().heal("server", name); });
      case 6: return kill_server();
      case 7: return all_.drain(name), later(a_while(), [this, name] { all_.let_back(name); });
      default: return kill_containers();
    }
  }
  void lose_power(const std::string& name) {
    if (!c[name].running) return;
    interrupt(name);
    c.crash(name);
    machine(name).reboot();
    machine(name).kill_runtime();
    const bool for_good = lost_.size() + 3 < nodes_.size() && dice_.chance(25);
    if (for_good) lost_.insert(name);
    else later(a_while(), [this, name] { back(name); });
    if (for_good && dice_.chance(50)) later(std::chrono::seconds(60), [this, name] { all_.ask("DELETE", "/api/v1/nodes/" + name); });
  }
  void back(const std::string& name) {
    machine(name).start_runtime();
    if (!c[name].running && !lost_.contains(name)) c.start(name);
  }
  void kill_kubelet(const std::string& name) {
    if (!c[name].running) return;
    interrupt(name);
    c.crash(name, net::sim::loss::reset);
    later(a_while() / 2, [this, name] { back(name); });
  }
  void kill_server() {
    interrupt("server");
    c.crash("server");
    if (dice_.chance(30)) machine("server").reboot();
    c.run().run_for(std::chrono::milliseconds(dice_.below(10'000)));
    start_server();
  }
  void kill_containers() {
    unwell_ = true;
    later(std::chrono::seconds(30), [this] { unwell_ = false; });
    for (const auto& name : nodes_) {
      std::vector<std::string> running;
      for (const auto& [id, one] : machine(name).containers())
        if (one.state == net::cri::container_state::running) running.push_back(id);
      for (const auto& id : running)
        if (dice_.chance(10)) machine(name).kill_container(id, 137, "OOMKilled");
    }
  }
  /// What its kubelet has not said yet of its pods, nobody will.
  void interrupt(const std::string& name) {
    for (auto& [uid, story] : seen.stories)
      if (story.node == name || story.node.empty()) interrupted_.insert(uid + name);
  }

  // --- what must hold ------------------------------------------------------------------------------

  void heal() {
    while (!later_.empty()) {
      auto what = std::move(later_.begin()->second);
      later_.erase(later_.begin());
      what();
    }
    c.net().heal();
    unwell_ = false;
    for (const auto& name : nodes_) {
      machine(name).now.lost_answers = machine(name).now.refusals = 0;
      machine(name).hang(false);
      if (!lost_.contains(name)) back(name);
    }
    all_.settle();
  }
  std::set<std::string> living() const {
    std::set<std::string> out(nodes_.begin(), nodes_.end());
    for (const auto& name : lost_) out.erase(name);
    return out;
  }
  /// For who reads a failure: the pods that are not well.
  std::string unwell() const {
    std::string out;
    for (const auto& [key, pod] : seen.pods)
      if (dig(*pod, "metadata", "deletionTimestamp").is_string() || dig(*pod, "status", "phase") == "Pending")
        out += "\n    " + key + " on " + to_text(dig(*pod, "spec", "nodeName")) + ": " + to_text(dig(*pod, "metadata")) + " " + to_text(dig(*pod, "status"));
    for (const auto& name : lost_) out += "\n    lost: " + name;
    return out;
  }
  std::string settle() {
    constexpr int people_wait = 120;   // times 5 s
    std::string why;
    for (int i = 0; i < 240 && seen.broken.empty(); ++i) {
      pass(std::chrono::seconds(5));
      if (why = all_.incomplete(living()); why.empty() && (why = leftovers()).empty()) return {};
      // A deployment that recreates waits for pods of a lost node until people say that the node is gone.
      if (i == people_wait)
        for (const auto& name : lost_) all_.ask("DELETE", "/api/v1/nodes/" + name);
    }
    return seen.broken.empty() ? why + unwell() : seen.broken;
  }
  /// What lies about on living nodes and belongs to no pod that is theirs.
  std::string leftovers() {
    for (const auto& name : living()) {
      const auto theirs = [&](const std::string& uid) {
        const auto found = seen.stories.find(uid);
        return found != seen.stories.end() && found->second.there && found->second.node == name;
      };
      for (const auto& [id, box] : machine(name).sandboxes())
        if (!theirs(box.uid)) return name + " has a sandbox of a pod that is not there: " + box.name;
      for (const auto& [id, one] : machine(name).containers())
        if (!theirs(one.labels.at(net::cri::label_pod_uid))) return name + " has a container of a pod that is not there: " + one.name;
      for (const auto& one : c[name].world->files->list("/var/lib/rancher/troupe/agent/kubelet/pods").value_or({}))
        if (one.folder && !theirs(one.name)) return name + " has a folder of a pod that is not there: " + one.name;
    }
    return {};
  }
  /// States that last: what a runtime has not answered yet, and what was asked for a moment ago, come to rest first.
  std::string explain() {
    constexpr int rest = 30;   // times 5 s: longer than a kubelet waits for any answer of its runtime
    auto why = judge();
    for (int i = 0; i < rest && !why.empty() && seen.broken.empty(); ++i) pass(std::chrono::seconds(5)), why = judge();
    return seen.broken.empty() ? why : seen.broken;
  }
  std::string judge() {
    judged_ = 0;
    for (const auto& [key, pod] : seen.pods) {
      const auto uid = text_or(dig(*pod, "metadata", "uid")), node = text_or(dig(*pod, "spec", "nodeName"));
      if (lost_.contains(node)) continue;
      const bool interrupted = interrupted_.contains(uid + node);
      judged_ += interrupted ? 0 : 1;
      if (auto why = unexplained(*pod, seen.stories[uid], interrupted); !why.empty()) {
        std::string told;
        for (const auto& [what, times] : seen.stories[uid].told) told += "\n    " + what + " x" + std::to_string(times);
        return key + " on " + node + ": " + why + told + "\n    " + to_text(dig(*pod, "status"));
      }
    }
    return {};
  }
  std::string end() {
    all_.leave();
    std::string why;
    for (int i = 0; i < 60; ++i) {
      pass(std::chrono::seconds(2));
      why = leftovers();
      for (const auto& [key, pod] : seen.pods)
        if (!lost_.contains(text_or(dig(*pod, "spec", "nodeName"))) && key.starts_with("default/")) why = key + " is still there";
      for (const auto& name : living())
        if (why.empty() && !machine(name).sandboxes().empty() && seen.pods.empty()) why = name + " has a sandbox left";
      if (why.empty()) break;
    }
    return why;
  }

  rng dice_, lives_;
  people all_;
  std::vector<std::string> nodes_;            ///< The server's own is the first.
  std::set<std::string> lost_;                ///< Never to come back.
  std::set<std::string> interrupted_;         ///< uid and node.
  std::multimap<mono_time, std::function<void()>> later_;
  std::size_t judged_ = 0;
  bool unwell_ = false;
};

std::map<std::uint64_t, std::uint64_t> digests;   // of what was played, by seed

verdict run(std::uint64_t seed) {
  play one(seed);
  const auto got = one.go();
  digests.emplace(seed, got.digest);
  return got;
}

}  // namespace

TEST_CASE("what people want comes about on the nodes that live, whatever breaks in between") {
  const auto only = option("TROUPE_SEED", 0), count = option("TROUPE_SEEDS", only ? 1 : 4);
  verdict sum;
  for (std::uint64_t seed = only ? only : 1; seed < (only ? only : 1) + count; ++seed) {
    const auto got = run(seed);
    sum.steps += got.steps, sum.pods += got.pods, sum.starts += got.starts, sum.judged += got.judged;
    if (!got.broken.empty()) FAIL_CHECK("seed " << seed << ": " << got.broken << "\n  repeat with: TROUPE_SEED=" << seed << " build/tests/scenarios/whole_scenarios");
    if (!got.broken.empty() && !std::getenv("TROUPE_ALL")) break;
  }
  MESSAGE(count << " seeds, " << sum.steps << " messages, " << sum.pods << " pods, " << sum.starts << " containers started, " << sum.judged << " pods judged by their events");
}

TEST_CASE("the whole: the same seed gives the same run") {
  if (std::getenv("TROUPE_SEED") || std::getenv("TROUPE_SEEDS")) return;
  if (!digests.contains(3)) run(3);   // it was played already, unless somebody chose cases
  CHECK(run(3).digest == digests.at(3));
}

}  // namespace troupe::scenario
