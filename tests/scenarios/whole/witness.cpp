#include "tests/scenarios/whole/witness.hpp"

#include "actors/client/clients.hpp"
#include "actors/runtime/spawn.hpp"
#include "net/cri/values.hpp"

namespace troupe::scenario {
namespace {

namespace port = net::cri;

std::string uid_of(const json& object) { return text_or(dig(object, "metadata", "uid")); }
std::int64_t number_of(const json& value) { return value.is_number_integer() ? value.get<std::int64_t>() : 0; }

class witness_state {
 public:
  static constexpr const char* name = "witness";
  explicit witness_state(rt::self<client::reflected_actor> self) : self_(self) {}
  ~witness_state() {
    for (const auto& one : sources_) rt::end(one);
    rt::end(api_);
  }
  void init(const rt::world& in, client::api_actor gate, witnessed* into) {
    into_ = into;
    for (auto& [uid, story] : into_->stories) story.there = false;
    into_->pods.clear();
    api_ = client::make_local(in, std::move(gate), "witness", {"system:masters"});
    const auto me = rt::strong<client::reflected_actor>(self_);
    for (const char* path : {"/api/v1/pods", "/api/v1/events"}) sources_.push_back(client::make_reflector(in, {path, ""}, api_, me));
  }
  client::reflected_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { client::source_among(self_, sources_) == 0 ? into_->see(*got.object, !listed_) : into_->hear(*got.object), keep(got); },
        [this](client::object_lost& got) {
          if (client::source_among(self_, sources_) != 0) return;
          into_->lose(*got.object);
          if (const auto at = into_->pods.find(got.key); at != into_->pods.end() && uid_of(*at->second) == uid_of(*got.object)) into_->pods.erase(at);
        },
        [this](client::kind_synced) { listed_ = listed_ || client::source_among(self_, sources_) == 0; },
    };
  }

 private:
  void keep(const client::object_seen& got) {
    if (client::source_among(self_, sources_) == 0) into_->pods[got.key] = got.object;
  }
  rt::self<client::reflected_actor> self_;
  witnessed* into_ = nullptr;
  bool listed_ = false;
  client::api_actor api_;
  std::vector<client::watcher_actor> sources_;
};

/// What explains that a container waits, by the reason it gives.
std::vector<std::string> causes(const std::string& reason) {
  if (reason == "CrashLoopBackOff") return {"BackOff"};
  if (reason == "ErrImagePull" || reason == "CreateContainerError" || reason == "CreateContainerConfigError" || reason == "RunContainerError") return {"Failed"};
  if (reason == "ImagePullBackOff") return {"Failed", "BackOff"};
  if (reason == "ContainerCreating" || reason == "PodInitializing") return {"FailedMount"};   // at rest nothing else keeps it so
  return {};
}

}  // namespace

void witnessed::see(const json& pod, bool listed) {
  auto& story = stories[uid_of(pod)];
  const auto node = text_or(dig(pod, "spec", "nodeName"));
  story.key = text_or(dig(pod, "metadata", "namespace")) + "/" + text_or(dig(pod, "metadata", "name"));
  story.there = true;
  story.unsure = story.unsure || (listed && !node.empty());
  if (!story.node.empty() && node != story.node) broken = "pod " + story.key + " was bound to " + story.node + " and is bound to " + node;
  if (!node.empty()) story.node = node;
  if (!story.ran_on.empty() && !node.empty() && story.ran_on != node) broken = "pod " + story.key + " is bound to " + node + " and runs on " + story.ran_on;
}

void witnessed::lose(const json& pod) { stories[uid_of(pod)].there = false; }

void witnessed::hear(const json& event) {
  const auto uid = text_or(dig(event, "involvedObject", "uid"));
  if (uid.empty() || text_or(dig(event, "involvedObject", "kind")) != "Pod") return;
  const auto field = text_or(dig(event, "involvedObject", "fieldPath"));
  const auto from = field.find('{');
  const auto who = text_or(dig(event, "reason")) + (from == std::string::npos ? "" : " " + field.substr(from + 1, field.size() - from - 2));
  // One event counts for as often as it says; events of one reason with different messages add up.
  auto& told = stories[uid].told;
  told[who + "/" + text_or(dig(event, "metadata", "name"))] = std::max<std::int64_t>(1, number_of(dig(event, "count")));
  std::int64_t all = 0;
  for (auto at = told.lower_bound(who + "/"); at != told.end() && at->first.starts_with(who + "/"); ++at) all += at->second;
  told[who] = all;
}

void witnessed::start(const std::string& node, const port::container_config& what, const net::sim::container_machine& on) {
  ++starts;
  const auto uid = what.labels.at(port::label_pod_uid);
  auto& story = stories[uid];
  if (story.ran_on.empty()) story.ran_on = node;
  if (story.ran_on != node) broken = "pod " + story.key + " ran on " + story.ran_on + " and runs on " + node;
  if (!story.node.empty() && story.node != node) broken = "pod " + story.key + " is bound to " + story.node + " and runs on " + node;
  int running = 0;
  for (const auto& [id, c] : on.containers())
    running += c.state == port::container_state::running && c.name == what.name && c.labels.at(port::label_pod_uid) == uid ? 1 : 0;
  if (running > 1) broken = "two instances of " + what.name + " of pod " + story.key + " run on " + node;
}

void follow(harness::cluster& c, const std::string& server, witnessed& into) {
  const auto& world = *c[server].world;
  rt::spawn<client::reflected_actor, witness_state>(world, "", world, c.api(server), &into);
}

std::string unexplained(const json& pod, const witnessed::pod_story& story, bool interrupted) {
  const auto told = [&](const std::string& what) {
    const auto found = story.told.find(what);
    return found == story.told.end() ? std::int64_t{0} : found->second;
  };
  if (text_or(dig(pod, "spec", "nodeName")).empty()) return told("FailedScheduling") > 0 ? "" : "it has no node and nobody says why";
  if (told("Scheduled") == 0 && !story.unsure) return "nobody says that it was scheduled";
  if (interrupted) return {};
  for (const char* list : {"initContainerStatuses", "containerStatuses"})
    for (const auto& c : dig(pod, "status", list)) {
      const auto name = " " + text_or(dig(c, "name"));
      const auto restarts = number_of(dig(c, "restartCount"));
      const bool ran = dig(c, "state", "running").is_object() || dig(c, "state", "terminated").is_object() || dig(c, "lastState", "terminated").is_object();
      for (const char* reason : {"Pulled", "Created", "Started"})
        if (ran && told(reason + name) == 0) return "no " + (reason + name);
      // An attempt whose answer was lost counts as one, as upstream's: it may lie in the runtime, even have run, and Failed tells of it.
      if (told("Started" + name) + told("Failed" + name) < restarts)
        return "restarted " + std::to_string(restarts) + " times, and Started was said " + std::to_string(told("Started" + name)) + ", Failed " + std::to_string(told("Failed" + name)) + " times";
      for (const auto& cause : causes(text_or(dig(c, "state", "waiting", "reason"))))
        if (told(cause + name) == 0 && told(cause) == 0) return name + " waits, and no " + cause + " says why: " + to_text(dig(c, "state"));
      const bool killed = dig(pod, "metadata", "deletionTimestamp").is_string() && dig(c, "state", "terminated").is_object();
      if (killed && told("Killing" + name) == 0 && number_of(dig(c, "state", "terminated", "exitCode")) > 128) return name + " was killed, and no Killing says so";
    }
  return {};
}

}  // namespace troupe::scenario
