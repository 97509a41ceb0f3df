#include "tests/scenarios/whole/people.hpp"

#include <algorithm>

#include "net/cri/values.hpp"

namespace troupe::scenario {
namespace {

constexpr const char* as_merge = "application/merge-patch+json";
constexpr const char* pods_path = "/api/v1/namespaces/default/pods";

std::int64_t number_of(const json& value) { return value.is_number_integer() ? value.get<std::int64_t>() : 0; }
bool is_going(const json& object) { return dig(object, "metadata", "deletionTimestamp").is_string(); }
bool is_ready(const json& pod) {
  for (const auto& one : dig(pod, "status", "conditions"))
    if (dig(one, "type") == "Ready") return dig(one, "status") == "True";
  return false;
}
std::string app_of(const json& pod) { return text_or(dig(pod, "metadata", "labels", "app")); }

}  // namespace

client::api_answer people::ask(std::string method, std::string where, const json& body, const char* type) {
  auto out = std::make_shared<std::optional<client::api_answer>>();
  c_.call("server", {std::move(method), std::move(where), body.is_null() ? "" : to_text(body), type, "", {}},
          [out](const client::api_answer* got) { *out = got ? *got : client::api_answer{0, "no answer"}; });
  c_.run().run_until([&] { return out->has_value(); }, std::chrono::seconds(30));
  return out->value_or(client::api_answer{0, "no answer in time"});
}

json people::template_of(const std::string& name, const std::string& image, const char* policy) const {
  json container{{"name", "main"}, {"image", image}, {"imagePullPolicy", "IfNotPresent"}};
  json spec{{"containers", json::array({container})}, {"terminationGracePeriodSeconds", 5}, {"restartPolicy", policy}};
  auto& main = spec["containers"][0];
  if (name == "app1") main["readinessProbe"] = {{"exec", {{"command", {"ready"}}}}, {"periodSeconds", 5}};
  if (name == "app2") main["livenessProbe"] = {{"exec", {{"command", {"live"}}}}, {"periodSeconds", 5}, {"failureThreshold", 2}};
  if (name == "app3") {
    spec["initContainers"] = json::array({{{"name", "prepare"}, {"image", "one"}, {"imagePullPolicy", "IfNotPresent"}}});
    spec["volumes"] = json::array({{{"name", "v"}, {"emptyDir", json::object()}}});
    main["volumeMounts"] = json::array({{{"name", "v"}, {"mountPath", "/v"}}});
  }
  return {{"metadata", {{"labels", {{"app", name}}}}}, {"spec", std::move(spec)}};
}

void people::begin(std::int64_t pods) {
  share_ = std::max<std::int64_t>(1, pods / static_cast<std::int64_t>(apps_count));
  for (std::size_t i = 0; i < apps_count; ++i) make("app" + std::to_string(i), share_);
  make_daemon();
  make_job();
  make_hopeless();
  ask("POST", "/api/v1/namespaces/default/services",
      {{"metadata", {{"name", "app0"}}}, {"spec", {{"selector", {{"app", "app0"}}}, {"ports", json::array({{{"port", 80}}})}}}});
  ask("POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
      {{"metadata", {{"name", "app0"}}}, {"spec", {{"maxUnavailable", 1}, {"selector", {{"matchLabels", {{"app", "app0"}}}}}}}});
}

void people::make(const std::string& name, std::int64_t replicas) {
  auto& one = apps_[name];
  one.replicas = replicas;
  if (one.image.empty()) one.image = "one";
  const json labels{{"app", name}};
  json spec{{"replicas", replicas}, {"selector", {{"matchLabels", labels}}}, {"template", template_of(name, one.image)}};
  if (name == "app4") spec["strategy"] = {{"type", "Recreate"}};
  else spec["strategy"] = {{"rollingUpdate", {{"maxSurge", 2}, {"maxUnavailable", 1}}}};
  const auto got = ask("POST", apps_path(), {{"metadata", {{"name", name}}}, {"spec", std::move(spec)}});
  if (!got.ok() && got.status != 409) seen_.broken = "cannot make " + name + ": " + got.body;
}

void people::make_job() {
  const auto name = "job" + std::to_string(jobs_++);
  const char* policy = dice_.chance(50) ? "Never" : "OnFailure";
  ask("POST", "/apis/batch/v1/namespaces/default/jobs",
      {{"metadata", {{"name", name}}}, {"spec", {{"completions", 3}, {"parallelism", 2}, {"backoffLimit", 1000}, {"template", template_of("job", "two", policy)}}}});
}

void people::make_daemon() {
  const json labels{{"app", "daemon"}};
  ask("POST", "/apis/apps/v1/namespaces/default/daemonsets",
      {{"metadata", {{"name", "daemon"}}}, {"spec", {{"selector", {{"matchLabels", labels}}}, {"template", template_of("daemon", "one")}}}});
}

/// Pods that never come to run as they should: their state says why, and so do their events.
void people::make_hopeless() {
  const auto put = [this](const char* name, const char* image, const json& spec) {
    auto pod = template_of("hopeless", image);
    pod["metadata"]["name"] = name;
    pod["spec"].update(spec);
    ask("POST", pods_path, pod);
  };
  put("crashing", "one", json::object());
  put("imageless", "absent", json::object());
  put("placeless", "one", {{"nodeSelector", {{"nobody", "has"}}}});
  put("mapless", "one", {{"volumes", json::array({{{"name", "v"}, {"configMap", {{"name", "absent"}}}}})}});
}

void people::make_single() {
  if (singles_ > 6) return;
  auto pod = template_of("single", dice_.chance(30) ? "absent" : "three");
  pod["metadata"]["name"] = "single" + std::to_string(singles_++);
  ask("POST", pods_path, pod);
}

void people::scale(const std::string& name) {
  const auto replicas = static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(2 * share_)));
  if (ask("PATCH", apps_path(name) + "/scale", {{"spec", {{"replicas", replicas}}}}, as_merge).ok()) apps_[name].replicas = replicas;
}

void people::roll(const std::string& name, const std::string& image) {
  const json patch = json::array({{{"op", "replace"}, {"path", "/spec/template/spec/containers/0/image"}, {"value", image}}});
  if (ask("PATCH", apps_path(name), patch, "application/json-patch+json").ok()) apps_[name].image = image;
}

void people::remove_some_pod() {
  if (seen_.pods.empty()) return;
  const auto at = std::next(seen_.pods.begin(), static_cast<std::ptrdiff_t>(dice_.below(seen_.pods.size())));
  if (!at->first.starts_with("default/")) return;
  ask("DELETE", std::string(pods_path) + "/" + at->first.substr(8));
}

void people::act() {
  const auto what = dice_.below(100);
  const auto name = some_app();
  if (what < 30) return scale(name);
  if (what < 55) return roll(name, dice_.chance(20) ? "absent" : images[dice_.below(std::size(images))]);
  if (what < 70) return remove_some_pod();
  if (what < 78) return make_job();
  if (what < 86) return make_single();
  if (what < 92) return void(ask("PATCH", "/apis/apps/v1/namespaces/default/daemonsets/daemon", {{"spec", {{"template", {{"metadata", {{"annotations", {{"turn", std::to_string(dice_.below(9))}}}}}}}}}}, as_merge));
  ask("DELETE", apps_path(name));
  make(name, apps_[name].replicas);
}

void people::drain(const std::string& node) {
  if (!ask("PATCH", "/api/v1/nodes/" + node, {{"spec", {{"unschedulable", true}}}}, as_merge).ok()) return;
  cordoned_.insert(node);
  std::vector<std::string> names;
  for (const auto& [key, pod] : seen_.pods)
    if (dig(*pod, "spec", "nodeName") == node && app_of(*pod) != "daemon" && key.starts_with("default/")) names.push_back(key.substr(8));
  for (const auto& name : names)
    ask("POST", std::string(pods_path) + "/" + name + "/eviction", {{"apiVersion", "policy/v1"}, {"kind", "Eviction"}, {"metadata", {{"name", name}, {"namespace", "default"}}}});
}
void people::let_back(const std::string& node) {
  if (ask("PATCH", "/api/v1/nodes/" + node, {{"spec", {{"unschedulable", nullptr}}}}, as_merge).ok()) cordoned_.erase(node);
}

void people::settle() {
  for (const auto& node : std::set<std::string>(cordoned_)) let_back(node);
  for (const auto& [name, one] : std::map<std::string, app>(apps_)) {
    make(name, one.replicas);   // 409 when it is there
    if (one.image == "absent") roll(name, "two");
  }
}

std::string people::judge_app(const json& each) {
  const auto name = text_or(dig(each, "metadata", "name"));
  const auto& wanted = apps_.at(name);
  for (auto count : {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"})
    if (number_of(dig(each, "status", count)) != wanted.replicas) return name + " wants " + std::to_string(wanted.replicas) + ": " + to_text(dig(each, "status"));
  return {};
}

std::string people::judge_daemon(const std::set<std::string>& living) {
  std::map<std::string, int> there;
  for (const auto& [key, pod] : seen_.pods)
    if (app_of(*pod) == "daemon" && !is_going(*pod) && is_ready(*pod)) ++there[text_or(dig(*pod, "spec", "nodeName"))];
  for (const auto& node : living)
    if (there[node] != 1) return "the daemon set has " + std::to_string(there[node]) + " ready pods on " + node;
  return {};
}

/// The addresses behind a Service are those of its ready pods.
std::string people::judge_service() {
  const auto got = parse_json(ask("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dapp0").body);
  if (!got.ok()) return "endpoint slices cannot be listed";
  std::set<std::string> told, ready;
  for (const auto& slice : dig(*got, "items"))
    for (const auto& one : dig(slice, "endpoints"))
      if (dig(one, "conditions", "ready") == true)
        for (const auto& address : dig(one, "addresses")) told.insert(text_or(address));
  for (const auto& [key, pod] : seen_.pods)
    if (app_of(*pod) == "app0" && !is_going(*pod) && is_ready(*pod)) ready.insert(text_or(dig(*pod, "status", "podIP")));
  return told == ready ? "" : "the service of app0 has " + std::to_string(told.size()) + " addresses, and there are " + std::to_string(ready.size()) + " ready pods, or others";
}

std::string people::judge_jobs() {
  const auto got = parse_json(ask("GET", "/apis/batch/v1/namespaces/default/jobs").body);
  if (!got.ok()) return "jobs cannot be listed";
  for (const auto& each : dig(*got, "items")) {
    bool complete = false;
    for (const auto& one : dig(each, "status", "conditions")) complete = complete || (dig(one, "type") == "Complete" && dig(one, "status") == "True");
    if (!complete) return text_or(dig(each, "metadata", "name")) + " is not complete: " + to_text(dig(each, "status"));
  }
  return {};
}

std::string people::incomplete(const std::set<std::string>& living) {
  const auto got = parse_json(ask("GET", apps_path()).body);
  if (!got.ok()) return "deployments cannot be listed";
  if (dig(*got, "items").size() != apps_.size()) return "there are " + std::to_string(dig(*got, "items").size()) + " deployments";
  for (const auto& each : dig(*got, "items"))
    if (auto why = judge_app(each); !why.empty()) return why;
  std::map<std::string, std::int64_t> active;
  for (const auto& [key, pod] : seen_.pods) {
    const auto node = text_or(dig(*pod, "spec", "nodeName")), app = app_of(*pod), phase = text_or(dig(*pod, "status", "phase"));
    if (is_going(*pod)) {
      if (node.empty() || living.contains(node)) return key + " was deleted and is still there, on " + node;
      continue;
    }
    if (phase != "Failed" && phase != "Succeeded") ++active[app];
    if (app.starts_with("app") && (!living.contains(node) || !is_ready(*pod))) return key + " is not ready, on " + node + ": " + to_text(dig(*pod, "status"));
  }
  for (const auto& [name, one] : apps_)
    if (active[name] != one.replicas) return name + " has " + std::to_string(active[name]) + " pods and wants " + std::to_string(one.replicas);
  if (auto why = judge_daemon(living); !why.empty()) return why;
  if (auto why = judge_service(); !why.empty()) return why;
  return judge_jobs();
}

void people::leave() {
  for (const char* all : {"/apis/apps/v1/namespaces/default/deployments", "/apis/apps/v1/namespaces/default/daemonsets", "/apis/batch/v1/namespaces/default/jobs", pods_path})
    ask("DELETE", std::string(all) + (all == pods_path ? "" : "?propagationPolicy=Background"));
}

net::sim::container_life people::life_of(const net::cri::container_config& what, rng& dice) {
  const auto pod = what.labels.at(net::cri::label_pod_name);
  net::sim::container_life out;
  if (what.name == "prepare") out.runs = std::chrono::milliseconds(400);
  else if (pod == "crashing") out.runs = std::chrono::seconds(2), out.exit_code = 1;
  else if (pod.starts_with("job")) out.runs = std::chrono::milliseconds(1000 + dice.below(5000)), out.exit_code = dice.chance(15) ? 1 : 0;
  else if (dice.chance(2)) out.runs = std::chrono::milliseconds(500 + dice.below(20'000)), out.exit_code = dice.chance(50) ? 1 : 0;
  out.heeds_term = !pod.starts_with("app2");
  return out;
}

}  // namespace troupe::scenario
