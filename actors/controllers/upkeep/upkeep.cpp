#include "actors/controllers/upkeep/upkeep.hpp"

#include <algorithm>

#include "actors/controllers/workshop/pods.hpp"
#include "actors/model/match.hpp"
#include "actors/model/views/placement.hpp"

namespace troupe::controllers {
namespace {

constexpr duration node_patience = std::chrono::seconds(40);   // a Node that is made anew keeps its pods

std::int64_t healthy_wanted(const json& budget, std::int64_t expected) {
  auto share = [&](const json& value) {
    if (value.is_number_integer()) return value.get<std::int64_t>();
    std::int64_t percent = 0;
    for (char c : text_or(value))
      if (c >= '0' && c <= '9') percent = percent * 10 + (c - '0');
    return (percent * expected + 99) / 100;
  };
  if (const auto& most = dig(budget, "spec", "maxUnavailable"); !most.is_null()) return std::max<std::int64_t>(0, expected - share(most));
  if (const auto& least = dig(budget, "spec", "minAvailable"); !least.is_null()) return share(least);
  return 1;
}

/// How many pods there should be: what their controllers want, or how many there are.
std::int64_t expected_pods(const store& all, const std::vector<object_ptr>& pods) {
  std::int64_t out = 0;
  std::set<std::string> owners;
  for (const auto& pod : pods) {
    const auto& owner = controller_of(*pod);
    const auto known = all.find_uid(text_or(dig(owner, "uid")));
    const auto object = known ? all.find(known->first, known->second) : nullptr;
    const bool counts = object && dig(*object, "spec", "replicas").is_number_integer();
    if (!counts) ++out;
    else if (owners.insert(uid_of(*object)).second) out += number(dig(*object, "spec", "replicas"));
  }
  return out;
}

void remove_pod(const object_ptr& pod, const char* reason, const std::string& message, const moment& at, bool at_once, plan& out) {
  json status = dig(*pod, "status").is_object() ? dig(*pod, "status") : json::object();
  const auto phase = text_or(dig(status, "phase"));
  if (phase != "Succeeded" && phase != "Failed") {
    const json one{{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", reason}, {"message", message}, {"lastTransitionTime", to_rfc3339(at.now)}};
    json patch{{"status", {{"conditions", json::array({one})}}}};
    if (at_once) patch["status"]["phase"] = "Failed";
    auto told = patch_object("pods", *pod, std::move(patch), strategic_patch);
    told.path += "/status";
    out.add(std::move(told));
  }
  auto one = remove_object("pods", pod);
  if (at_once) one.body["gracePeriodSeconds"] = 0;
  out.add(std::move(one));
}

}  // namespace

std::optional<duration> stay_left(const json& pod, const json& node, wall_time now) {
  const auto tolerations = model::read_tolerations(dig(pod, "spec", "tolerations"));
  std::optional<duration> out;
  for (const auto& taint : dig(node, "spec", "taints")) {
    if (dig(taint, "effect") != "NoExecute") continue;
    const model::taint what{text_or(dig(taint, "key")), text_or(dig(taint, "value")), "NoExecute"};
    std::optional<std::int64_t> seconds;
    bool tolerated = false;
    for (std::size_t i = 0; i < tolerations.size(); ++i) {
      if (!model::tolerates({tolerations[i]}, what)) continue;
      tolerated = true;
      const auto& limit = dig(dig(pod, "spec", "tolerations")[i], "tolerationSeconds");
      if (limit.is_number_integer()) seconds = std::min(seconds.value_or(limit.get<std::int64_t>()), limit.get<std::int64_t>());
    }
    if (!tolerated) return duration::zero();
    if (!seconds) continue;
    const auto since = parse_rfc3339(text_or(dig(taint, "timeAdded")));
    const auto left = std::max<duration>(duration::zero(), (since ? *since : now) + std::chrono::seconds(std::max<std::int64_t>(0, *seconds)) - now);
    out = out ? std::min(*out, left) : left;
  }
  return out;
}

plan decide_pod_end(const store& all, const std::string& key, const moment& at) {
  plan out;
  const auto pod = all.find("pods", key);
  if (!pod) return out;
  const auto node_name = text_or(dig(*pod, "spec", "nodeName"));
  if (node_name.empty()) return out;
  const auto node = all.find("nodes", node_name);
  if (!node) {
    // Its end is decided and it waits for somebody's finalizer: to ask again would go on for ever.
    const auto phase = text_or(dig(*pod, "status", "phase"));
    if (is_going(*pod) && number(dig(*pod, "metadata", "deletionGracePeriodSeconds"), 1) == 0 && (phase == "Failed" || phase == "Succeeded")) return out;
    // Asked, not believed: the Node may be new. A pod that was just bound waits, so does one whose node is being made anew.
    const auto made = parse_rfc3339(text_or(dig(condition(*pod, "PodScheduled"), "lastTransitionTime")));
    const auto left = made ? duration(*made + node_patience - at.now) : duration::zero();
    if (left > duration::zero()) return out.again = left, out;
    step ask;
    ask.method = "GET";
    ask.path = "/api/v1/nodes/" + node_name;
    ask.must_be_absent = true;
    out.add(std::move(ask));
    remove_pod(pod, "DeletionByPodGC", "PodGC: node no longer exists", at, true, out);
    return out;
  }
  if (is_going(*pod)) return out;
  const auto left = stay_left(*pod, *node, at.now);
  if (!left) return out;
  if (*left > duration::zero()) return out.again = left, out;
  remove_pod(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", at, false, out);
  auto& last = out.stages.back()[0];
  last.about = pod;
  last.done = {"Normal", "TaintManagerEviction", "Marking for deletion Pod " + key, "taint-eviction-controller"};
  return out;
}

plan decide_budget(const store& all, const std::string& key, const moment& at) {
  plan out;
  const auto budget = all.find("poddisruptionbudgets", key);
  if (!budget) return out;
  const auto match = model::label_match::of(dig(*budget, "spec", "selector"));
  std::vector<object_ptr> pods;
  std::int64_t healthy = 0;
  json leaving = json::object();
  all.within("pods", meta(*budget, "namespace"), [&](const std::string&, const object_ptr& pod) {
    ++out.looked_at;
    const auto phase = text_or(dig(*pod, "status", "phase"));
    if (phase == "Succeeded" || phase == "Failed" || !match.matches(dig(*pod, "metadata", "labels"))) return;
    pods.push_back(pod);
    // An eviction that was granted counts until the pod is seen going, for two minutes.
    const auto since = parse_rfc3339(text_or(dig(*budget, "status", "disruptedPods", meta(*pod, "name"))));
    const bool granted = since && !is_going(*pod) && at.now - *since < std::chrono::minutes(2);
    if (granted) {
      leaving[meta(*pod, "name")] = to_rfc3339(*since);
      const auto left = duration(*since + std::chrono::minutes(2) - at.now);
      out.again = out.again ? std::min(*out.again, left) : left;
    } else if (is_ready(*pod) && !is_going(*pod)) {
      ++healthy;
    }
  });
  const auto expected = expected_pods(all, pods), wanted = healthy_wanted(*budget, expected);
  const auto allowed = expected > 0 ? std::max<std::int64_t>(0, healthy - wanted) : 0;
  json status{{"currentHealthy", healthy}, {"desiredHealthy", wanted}, {"disruptionsAllowed", allowed}, {"expectedPods", expected},
              {"observedGeneration", number(dig(*budget, "metadata", "generation"))}};
  if (!leaving.empty()) status["disruptedPods"] = std::move(leaving);
  const bool some = allowed > 0;
  status["conditions"] = with_condition(dig(*budget, "status", "conditions"), "DisruptionAllowed", some ? "True" : "False",
                                        some ? "SufficientPods" : "InsufficientPods", "", at.now, false);
  if (status != dig(*budget, "status")) out.add(put_status("poddisruptionbudgets", *budget, std::move(status)));
  return out;
}

}  // namespace troupe::controllers
